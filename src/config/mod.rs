//! The configuration: one typed tree from file, `.env`, environment and flags, with every mistake told at once;
//! and the part of it that may change while running.

mod by_route;
mod checks;
mod document;
mod keys;
mod kinds;
mod layers;
mod live;
mod mistake;
mod observed;
mod outline;
mod patch;
mod peer;
mod setting;
mod smtp;
mod unavailable;

pub use checks::{KEYRING_FILE, is_available, readable_by_others};
pub use document::{env_example, markdown, toml_example};
pub use keys::{
    Auth, Backup, Cache, Config, Cors, Files, Inspection, Key, KillSwitch, Limits, Log, Mail, Metrics, Outbound,
    SECTIONS, Section, Server, Storage, Tls,
};
pub use kinds::{
    AllowedOrigin, CallUrl, Enforcement, Environment, InspectionMode, LogFormat, LogLevel, RoleLimits, RouteLimits,
    RoutePattern, Signup, StorageUrl, Token, WebOrigin, is_same_route, route_of,
};
pub use layers::Sources;
pub use live::{Current, Live, Stored};
pub use mistake::{Mistake, Mistakes, Origin};
pub use observed::is_data_path;
pub use outline::{Outline, OutlineKey};
pub use patch::{Patch, text_change};
pub use peer::Peer;
pub use setting::Shape;
pub use smtp::{Sender, SmtpTls, SmtpUrl};

use layers::Layers;
use std::collections::BTreeMap;

/// A configuration without mistakes, and where each value came from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub config: Config,
    origins: BTreeMap<String, Origin>,
    /// What was given from outside the database.
    given: Layers,
}

impl Loaded {
    /// Where the value of a key such as `server.listen` came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }
}

impl Config {
    /// Reads and checks all sources.
    pub fn load(sources: &Sources) -> Result<Loaded, Mistakes> {
        let given = Layers::gather(sources);
        let mut layers = given.clone();
        let config = Self::take(&mut layers);
        checks::check(&config, &mut layers);
        checks::check_machine(&config, &mut layers, sources.probe_folder);
        match layers.into_parts() {
            (origins, mistakes) if mistakes.is_empty() => Ok(Loaded { config, origins, given }),
            (_, mistakes) => Err(Mistakes(mistakes)),
        }
    }
}

#[cfg(test)]
mod tests;
