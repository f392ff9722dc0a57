//! Whoever acts on what is recorded, in the transaction that records it.

use super::event::Event;
use crate::{actor::Actor, clock::Time, error::Result, storage::Tx};

/// An event as it is being recorded.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    pub seq: i64,
    pub at: Time,
    pub actor: &'a Actor,
    pub event: &'a Event,
}

/// Told of each event in the writer, where every change waits for it: most events have to cost next to nothing.
/// An error undoes the change.
pub trait Follower: Send + Sync {
    fn recorded(&self, tx: &Tx<'_>, recorded: &Recorded<'_>) -> Result<()>;
}
