//! The configuration: one typed tree from file, `.env`, environment and flags, with every mistake told at once;
//! and the part of it that may change while running.

mod by_route;
mod certificate;
mod checks;
mod document;
mod dsn;
mod files;
mod key;
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

pub use certificate::{BadCertificate, read_certificate, read_certificate_files};
pub use checks::{KEYRING_FILE, is_available, readable_by_others};
pub use document::{env_example, markdown, toml_example};
pub use dsn::Dsn;
pub use files::{BackupPlace, FILE_TYPES, FileStore, FileType};
pub use key::{Key, Section};
pub use keys::{
    Alerts, Auth, Backup, Cache, Config, Cors, Files, Inspection, KillSwitch, Limits, Log, Mail, Metrics, Outbound, S3,
    SECTIONS, Server, Storage, Tls,
};
pub use kinds::{
    AllowedOrigin, CallUrl, Contact, Enforcement, Environment, FileInFolder, HeaderText, HostName, InspectionMode,
    LogFormat, LogLevel, MailAddress, RoleLimits, RouteLimits, RoutePattern, Signup, StorageUrl, Token, WebOrigin,
    is_same_route, route_of,
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
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A configuration without mistakes, and where each value came from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub config: Config,
    origins: BTreeMap<String, Origin>,
    /// What was given from outside the database.
    given: Layers,
}

impl Loaded {
    /// The files that it was read from.
    pub fn files(&self) -> Vec<PathBuf> {
        let paths = self.origins.values().filter_map(|origin| match origin {
            Origin::File(path) | Origin::DotEnv(path, _) => Some(path.clone()),
            _ => None,
        });
        let distinct: BTreeSet<_> = paths.collect();
        distinct.into_iter().collect()
    }

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

impl Tls {
    /// Whether the server encrypts by itself.
    pub fn is_on(&self) -> bool {
        self.cert.is_some() || !self.acme_domains.is_empty()
    }
}

#[cfg(test)]
mod tests;
