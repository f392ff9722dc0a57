//! What must hold between keys, and between the configuration and the machine.

use super::{
    certificate::{BadCertificate, read_certificate_files},
    key::Key,
    keys::{Config, SECTIONS},
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
    check_files(config, layers);
    check_tls(config, layers);
    check_observed(config, layers);
    check_routes(config, layers);
}

/// What the machine must bring, when the program starts.
pub(super) fn check_machine(config: &Config, layers: &mut Layers, probe_folder: bool) {
    if probe_folder && let Err(cause) = probe(&config.data_dir) {
        refuse(layers, "data_dir", format!("must be a folder that can be written to: {cause}"));
    }
    check_keyring(config, layers);
    check_public_dir(config, layers);
    check_key_file(config, layers);
    if probe_folder {
        check_certificate(config, layers);
    }
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
    if !config.server.listen.ip().is_loopback() && !config.tls.is_on() && config.server.trusted_proxies.is_empty() {
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

fn check_files(config: &Config, layers: &mut Layers) {
    let backups = config.backup.to.as_ref().is_some_and(|to| to.bucket().is_some());
    if config.files.store.bucket().is_none() && !backups {
        return;
    }
    if config.s3.access_key.is_none() {
        refuse(layers, "s3.access_key", "must be set where files.store or backup.to is a bucket");
    }
    if config.s3.secret_key.is_none() {
        refuse(layers, "s3.secret_key", "must be set where files.store or backup.to is a bucket");
    }
}

fn check_tls(config: &Config, layers: &mut Layers) {
    let (tls, automatic) = (&config.tls, !config.tls.acme_domains.is_empty());
    match (&tls.cert, &tls.key) {
        (Some(_), None) => refuse(layers, "tls.key", "must be set where tls.cert is"),
        (None, Some(_)) => refuse(layers, "tls.cert", "must be set where tls.key is"),
        (Some(_), Some(_)) if automatic => {
            refuse(layers, "tls.acme_domains", "must not be set where tls.cert is: certificates come from one place");
        }
        _ => {}
    }
    if automatic && tls.redirect_listen.is_none() {
        let message = "must be set for automatic certificates, usually to 0.0.0.0:80: the authority asks there";
        refuse(layers, "tls.redirect_listen", message);
    }
    if tls.redirect_listen.is_some() && !tls.is_on() {
        refuse(layers, "tls.redirect_listen", "must not be set without tls.cert or tls.acme_domains");
    }
    if !automatic && (tls.acme_email.is_some() || tls.acme_directory.is_some()) {
        refuse(layers, "tls.acme_domains", "must name the hosts to get certificates for");
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

/// A folder that everybody may read must not hold what nobody may.
fn check_public_dir(config: &Config, layers: &mut Layers) {
    let Some(folder) = &config.server.public_dir else { return };
    let Ok(folder) = folder.canonicalize().and_then(|folder| fs::read_dir(&folder).map(|_| folder)) else {
        return refuse(layers, "server.public_dir", "must be a folder that can be read");
    };
    let data = config.data_dir.canonicalize().or_else(|_| std::path::absolute(&config.data_dir));
    if data.is_ok_and(|data| data.starts_with(&folder) || folder.starts_with(&data)) {
        refuse(layers, "server.public_dir", "must be apart from data_dir: its files are open to everybody");
    }
    if folder.join("portcullis.toml").exists() {
        refuse(layers, "server.public_dir", "must not hold portcullis.toml: its files are open to everybody");
    }
}

fn check_key_file(config: &Config, layers: &mut Layers) {
    let Some(message) = config.tls.key.as_deref().and_then(readable_by_others) else { return };
    refuse(layers, "tls.key", message);
}

fn check_certificate(config: &Config, layers: &mut Layers) {
    let Some((chain, key)) = config.tls.cert.as_ref().zip(config.tls.key.as_ref()) else { return };
    match read_certificate_files(chain, key) {
        Err(BadCertificate::Chain(why)) => refuse(layers, "tls.cert", why),
        Err(BadCertificate::Key(why)) => refuse(layers, "tls.key", why),
        Ok(_) => {}
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
