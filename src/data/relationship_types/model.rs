//! A kind of relationship.

use crate::{clock::Time, ids::Id};
use serde::{Deserialize, Serialize};

/// What becomes of a relationship when one of its ends is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The end cannot be deleted.
    #[default]
    Restrict,
    /// It is deleted too, and comes back with the end.
    Cascade,
}

impl OnDelete {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Cascade => "cascade",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RelationshipType {
    pub id: Id,
    pub name: String,
    pub on_delete: OnDelete,
    pub allow_self: bool,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
}
