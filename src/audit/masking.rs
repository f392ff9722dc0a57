//! What an event may show to whom: an event repeats the values of what was changed, so whoever may not see a field
//! there does not see it here.

use super::store::Stored;
use crate::{
    actor::Actor,
    error::Result,
    permit::{Clearance, Permit},
    storage::Reader,
};
use std::sync::Arc;

/// Knows what is hidden in the events of its own kind of thing.
pub trait Masking: Send + Sync {
    /// The text of an event as `clearance` may see it; nothing when it may see all of it.
    fn masked(&self, reader: &Reader<'_>, event: &str, clearance: Clearance) -> Result<Option<String>>;

    /// Records what `event`, as somebody is about to see it, shows of sensitive fields.
    fn shown(&self, reader: &Reader<'_>, event: &str, to: &Actor, clearance: Clearance) -> Result<()>;
}

/// Somebody who looks at events.
#[derive(Clone)]
pub struct SeenBy {
    masking: Arc<dyn Masking>,
    actor: Actor,
    clearance: Clearance,
}

impl SeenBy {
    pub fn new(masking: Arc<dyn Masking>, permit: &Permit) -> Self {
        Self { masking, actor: permit.actor(), clearance: permit.clearance() }
    }

    /// The event without what they may not see. The hashes stay those of the whole.
    pub fn apply(&self, reader: &Reader<'_>, mut stored: Stored) -> Result<Stored> {
        if self.clearance < Clearance::Restricted
            && let Some(masked) = self.masking.masked(reader, &stored.event, self.clearance)?
        {
            stored.event = masked;
        }
        self.masking.shown(reader, &stored.event, &self.actor, self.clearance)?;
        Ok(stored)
    }
}
