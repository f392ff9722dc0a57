//! Which of the events that match a webhook's patterns it is told of.

use crate::{
    audit::{Event, Outcome},
    error::Result,
    ids::Id,
    params,
    storage::Reader,
};
use serde::{Deserialize, Serialize};

const MOST: usize = 50;

/// An empty list rules nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// What it was done to: `user`, `role`, or the name of an entity type.
    pub target_types: Vec<String>,
    pub outcomes: Vec<Outcome>,
}

impl Filter {
    pub(super) fn passes(&self, reader: &Reader<'_>, event: &Event) -> Result<bool> {
        if !self.outcomes.is_empty() && !self.outcomes.contains(&event.outcome) {
            return Ok(false);
        }
        let names = |kind: Option<&str>| kind.is_some_and(|kind| self.target_types.iter().any(|own| own == kind));
        Ok(self.target_types.is_empty()
            || names(event.target_type.as_deref())
            || names(entity_type(reader, event)?.as_deref()))
    }

    /// What is wrong with it: where, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if self.target_types.len() > MOST || self.outcomes.len() > MOST {
            return Some(("/filter", format!("A filter names at most {MOST} of each.")));
        }
        let is_name = |name: &&String| {
            !name.is_empty()
                && name.len() <= 63
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let wrong = self.target_types.iter().find(|name| !is_name(name))?;
        Some(("/filter/target_types", format!("`{wrong}` is not what something is called, such as user or orders.")))
    }
}

/// The type of the entity that it happened to; what is deleted is still there.
fn entity_type(reader: &Reader<'_>, event: &Event) -> Result<Option<String>> {
    let id = event.target_id.as_deref().filter(|_| event.target_type.as_deref() == Some("entity"));
    let Some(id) = id.and_then(|id| id.parse::<Id>().ok()) else { return Ok(None) };
    reader.query_one("SELECT type FROM entities WHERE id = ?1", params![id], |row| row.get(0))
}
