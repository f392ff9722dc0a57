//! A role as it is shown and kept.

use crate::{
    clock::Time,
    ids::Id,
    permit::{Clearance, Grants, Permission},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Holds everything and cannot be changed.
pub const ADMIN: &str = "admin";
/// What callers without credentials hold; nobody is given it.
pub const ANONYMOUS: &str = "anonymous";
/// For service accounts alone.
pub const SYSTEM: &str = "system";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub per_minute: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Role {
    pub id: Id,
    pub name: Arc<str>,
    pub permissions: Vec<Permission>,
    pub clearance: Clearance,
    pub rate_limit: Option<RateLimit>,
    pub built_in: bool,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Role {
    /// What this role alone allows.
    pub fn grants(&self) -> Grants {
        Grants::new(self.permissions.clone(), Some(self.clearance))
    }
}
