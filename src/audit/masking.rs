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

    /// [`Masking::masked`] with personal data opened, or shown as erased; nothing when it stays as it is stored.
    fn opened(&self, reader: &Reader<'_>, event: &str, clearance: Clearance) -> Result<Option<String>>;
}

/// Somebody who looks at events.
#[derive(Clone)]
pub struct SeenBy {
    masking: Arc<dyn Masking>,
    actor: Actor,
    clearance: Clearance,
    as_stored: bool,
}

impl SeenBy {
    pub fn new(masking: Arc<dyn Masking>, permit: &Permit) -> Self {
        Self { masking, actor: permit.actor(), clearance: permit.clearance(), as_stored: false }
    }

    /// The same with personal data as it is stored, so that whoever may see everything gets the bytes that were hashed.
    pub fn as_stored(self) -> Self {
        Self { as_stored: true, ..self }
    }

    /// The event without what they may not see. The hashes stay those of the whole.
    pub fn apply(&self, reader: &Reader<'_>, mut stored: Stored) -> Result<Stored> {
        let whole = stored.whole();
        let seen = match self.as_stored {
            true if self.clearance == Clearance::Restricted => {
                self.masking.shown(reader, &whole, &self.actor, self.clearance)?;
                return Ok(stored);
            }
            true => self.masking.masked(reader, &whole, self.clearance)?,
            false => self.masking.opened(reader, &whole, self.clearance)?,
        };
        stored.event = seen.unwrap_or(whole);
        stored.beside = None;
        self.masking.shown(reader, &stored.event, &self.actor, self.clearance)?;
        Ok(stored)
    }
}
