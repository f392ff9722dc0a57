//! What must hold between keys, and between the configuration and the machine.

use super::{
    keys::{Config, Key, SECTIONS},
    kinds::{Enforcement, Environment, is_name, is_same_route, route_of},
    layers::{Layers, covering},
    mistake::Origin,
    observed, unavailable,
};
use ipnet::IpNet;
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// The file of keys in the data folder; only its owner may read it.
pub const KEYRING_FILE: &str = "keyring.json";

/// What must hold between keys, whenever one changes.
pub(super) fn check(config: &Config, layers: &mut Layers) {
    check_available(layers);
    check_server(config, layers);
    check_limits(config, layers);
    check_mail(config, layers);
    check_observed(config, layers);
    check_routes(config, layers);
}

/// What the machine must bring, when the program starts.
pub(super) fn check_machine(config: &Config, layers: &mut Layers, probe_folder: bool) {
    if probe_folder && let Err(cause) = probe(&config.data_dir) {
        refuse(layers, "data_dir", format!("must be a folder that can be written to: {cause}"));
    }
    check_keyring(config, layers);
}

fn refuse(layers: &mut Layers, name: &str, message: impl Into<String>) {
    if let Some(key) = covering(name).filter(|_| !layers.is_faulty(name)) {
        layers.refuse(key, name, message);
    }
}

fn check_available(layers: &mut Layers) {
    for (full, key, value) in layers.given() {
        let changed = key.table || (key.default)().as_ref().is_none_or(|default| *default != value);
        let unset = (key.default)().is_none() && value.as_str() == Some("");
        if changed && !unset && unavailable::KEYS.contains(&key.name) {
            refuse(layers, &full, unavailable::MESSAGE);
        }
    }
}

fn check_server(config: &Config, layers: &mut Layers) {
    if config.storage.url.starts_with("postgres://") {
        refuse(layers, "storage.url", "postgres is not available in this version; must be sqlite");
    }
    if config.server.trusted_proxies.iter().any(covers_the_world) {
        refuse(
            layers,
            "server.trusted_proxies",
            "must name your proxies; a network this wide lets anyone forge their address",
        );
    }
    if config.cors.credentials && config.cors.origins.iter().any(|origin| &**origin == "*") {
        refuse(layers, "cors.origins", "* cannot be combined with cors.credentials; name the origins");
    }
    if config.environment != Environment::Production {
        return;
    }
    let encrypted = config.tls.cert.is_some() || !config.tls.acme_domains.is_empty();
    if !config.server.listen.ip().is_loopback() && !encrypted && config.server.trusted_proxies.is_empty() {
        refuse(
            layers,
            "server.listen",
            "a public address in production needs TLS, or a proxy in front that server.trusted_proxies names",
        );
    }
    if config.auth.enforcement == Enforcement::Observe {
        refuse(layers, "auth.enforcement", "must be enforce in production");
    }
}

/// Wider than any network that a team runs its proxies in.
fn covers_the_world(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => {
            let mapped = network.addr().to_ipv4_mapped().is_some();
            network.prefix_len() < if mapped { 104 } else { 7 }
        }
    }
}

fn check_limits(config: &Config, layers: &mut Layers) {
    if config.storage.read_pool_max < config.storage.read_pool {
        refuse(layers, "storage.read_pool_max", "must be at least storage.read_pool");
    }
    if config.auth.session_idle_minutes > config.auth.session_max_hours * 60 {
        refuse(layers, "auth.session_idle_minutes", "must not be longer than auth.session_max_hours");
    }
}

fn check_mail(config: &Config, layers: &mut Layers) {
    if config.mail.smtp_url.is_none() {
        return;
    }
    if config.mail.from.is_none() {
        refuse(layers, "mail.from", "must be set where mail.smtp_url is: whom mail comes from");
    }
    if config.environment == Environment::Production && config.server.public_url.is_none() {
        refuse(layers, "server.public_url", "must be set in production where mail is sent: its links lead there");
    }
}

/// What is set for a route that is not there would silently do nothing.
fn check_routes(config: &Config, layers: &mut Layers) {
    if layers.routes.is_empty() {
        return;
    }
    check_named(layers, "limits.routes", config.limits.routes.keys());
    check_named(layers, "inspection.routes", config.inspection.routes.keys());
    for pattern in config.inspection.routes.keys().filter(|pattern| route_of(pattern).contains("/entities/{")) {
        let full = format!("inspection.routes.{pattern}");
        refuse(layers, &full, "entities follow their type: set `inspection` of the entity type instead");
    }
}

fn check_named<'a>(layers: &mut Layers, key: &str, patterns: impl Iterator<Item = &'a String>) {
    let mut named: Vec<(String, &str)> = Vec::new();
    for pattern in patterns {
        let full = format!("{key}.{pattern}");
        let route = route_of(pattern);
        let is_named = |known: &String| {
            let path = known.split_once(' ').map_or(known.as_str(), |(_, path)| path);
            is_same_route(known, &route) || is_same_route(path, &route)
        };
        if !layers.routes.iter().any(is_named) {
            let message = match nearest_routes(&layers.routes, &route) {
                near if near.is_empty() => {
                    "there is no such route; see /openapi.json or `portcullis matrix`".to_owned()
                }
                near => format!("there is no such route; did you mean {}?", near.join(" or ")),
            };
            refuse(layers, &full, message);
        } else if let Some((_, other)) = named.iter().find(|(known, _)| is_same_route(known, &route)) {
            refuse(layers, &full, format!("is the same route as {other}; name it once"));
        } else {
            named.push((route, pattern));
        }
    }
}

fn nearest_routes(known: &[String], route: &str) -> Vec<String> {
    let mut near: Vec<(usize, &String)> =
        known.iter().map(|known| (strsim::damerau_levenshtein(route, known), known)).collect();
    near.sort();
    let best = near.first().map_or(0, |(distance, _)| *distance);
    let close = near.into_iter().filter(|(distance, _)| *distance <= best + 1 && *distance <= 2 + route.len() / 3);
    close.take(3).map(|(_, known)| known.clone()).collect()
}

fn check_observed(config: &Config, layers: &mut Layers) {
    for why in config.observe.rules.iter().filter_map(|rule| observed::check(rule).err()) {
        refuse(layers, "observe.rules", why);
    }
    // Production refuses it as such.
    if config.auth.enforcement != Enforcement::Observe || config.environment == Environment::Production {
        return;
    }
    if config.auth.observe_types.is_empty() || !config.auth.observe_types.iter().all(|name| is_name(name)) {
        refuse(layers, "auth.observe_types", "must name the entity types, for auth.enforcement = observe");
    }
    match config.auth.observe_role.as_deref() {
        Some("admin" | "system") => {
            refuse(layers, "auth.observe_role", "must be a role that holds nothing but data; strangers act as it");
        }
        Some(role) if is_name(role) => {}
        _ => refuse(layers, "auth.observe_role", "must name a role, for auth.enforcement = observe"),
    }
}

fn check_keyring(config: &Config, layers: &mut Layers) {
    let keyring = config.data_dir.join(KEYRING_FILE);
    if let Some(message) = readable_by_others(&keyring) {
        layers.mistake("data_dir", None, Origin::File(keyring), message);
    }
}

/// What to do about a secret file that more than its owner can read.
pub fn readable_by_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!("others can read this file (mode {mode:04o}); take it from them with: chmod 600 {}", path.display())
    })
}

/// Writes and removes a file in the folder, or where the folder would be made.
fn probe(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return match folder.parent() {
                Some(parent) if parent.as_os_str().is_empty() => probe(Path::new(".")),
                Some(parent) => probe(parent),
                None => Err(cause),
            };
        }
        Err(cause) => return Err(cause),
    }
    let path = folder.join(format!(".portcullis-probe-{}", std::process::id()));
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        // A full disk is no mistake of the configuration.
        Err(cause) if cause.kind() == io::ErrorKind::StorageFull => Ok(()),
        Err(cause) => Err(cause),
        Ok(_) => fs::remove_file(path),
    }
}

/// The keys that this version does not act on.
pub fn is_available(key: &Key) -> bool {
    debug_assert!(SECTIONS.iter().flat_map(|section| section.keys).any(|known| known.name == key.name));
    !unavailable::KEYS.contains(&key.name)
}
