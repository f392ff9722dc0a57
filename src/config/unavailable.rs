//! Keys whose feature this version does not have yet. A value other than the default is refused, since it
//! would silently do nothing. Whoever builds the feature deletes its line.

/// Names of keys.
pub(super) const KEYS: &[&str] = &[
    "server.public_dir",
    "tls.cert",
    "tls.key",
    "tls.acme_email",
    "tls.acme_domains",
    "cache.cold_s",
    "files.store",
    "files.max_mb",
    "files.allow",
    "backup.schedule",
    "backup.keep",
    "backup.to",
    "audit.retention_days",
    "log.file",
    "sentry.dsn",
    "security_txt.contact",
];

/// Sections that have no keys yet.
pub(super) const SECTIONS: &[&str] = &["webhooks", "alerts"];

pub(super) const MESSAGE: &str = "not available in this version; leave it out";
