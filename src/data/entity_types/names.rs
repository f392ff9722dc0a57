//! What a type, or its alias, may be called.

use crate::{error::Faults, permit::is_name};

/// Names that routes have, so that no alias stands in their way.
const RESERVED: [&str; 41] = [
    "access_matrix",
    "admin",
    "anonymous",
    "api",
    "api_keys",
    "audit",
    "auth",
    "backups",
    "batch",
    "console",
    "decisions",
    "docs",
    "doctor",
    "elevations",
    "entities",
    "entity_types",
    "events",
    "files",
    "forward_auth",
    "health",
    "jobs",
    "kill_switch",
    "limits",
    "logs",
    "metrics",
    "observations",
    "openapi",
    "overview",
    "permissions",
    "portcullis",
    "relationship_types",
    "relationships",
    "roles",
    "search",
    "secrets",
    "sessions",
    "settings",
    "setup",
    "system",
    "users",
    "webhooks",
];

pub(super) fn check_name(pointer: &str, name: &str, faults: &mut Faults) {
    if !is_name(name) {
        let rule = "A name is a small letter, then up to 62 small letters, digits and underscores.";
        faults.push(pointer, "invalid", rule);
    } else if RESERVED.contains(&name) {
        faults.push(pointer, "reserved", format!("`{name}` is a name of the system's own."));
    }
}
