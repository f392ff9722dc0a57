//! Keys whose feature this version does not have yet. A value other than the default is refused, since it
//! would silently do nothing. Whoever builds the feature deletes its line.

/// Names of keys.
pub(super) const KEYS: &[&str] = &["cache.cold_s", "audit.retention_days"];

/// Sections that have no keys yet.
pub(super) const SECTIONS: &[&str] = &["webhooks"];

pub(super) const MESSAGE: &str = "not available in this version; leave it out";
