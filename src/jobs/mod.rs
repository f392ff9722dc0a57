//! Work to be done later, at least once: enqueued in the transaction of the change that causes it,
//! tried three times for 30 seconds each, taken up again after a crash, handed back at shutdown.
//! What fails three times is kept for 30 days as given up, to be looked at and retried by hand.
//! The engine knows nothing about the jobs; features register handlers for their kinds.

mod engine;
mod handler;
mod progress;
mod schedule;
mod store;

pub use engine::{Engine, MayRun, Policy, Running};
pub use handler::Context;

use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    storage::Tx,
};
use serde::Serialize;
use tokio::sync::Notify;

/// Shared by every engine of the process, so that a change need not carry a handle to say that there is work.
static WORK: Notify = Notify::const_new();
static INTERRUPT: Notify = Notify::const_new();

/// Which waiting jobs go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    Low = -1,
    #[default]
    Normal = 0,
    High = 1,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// For the one that the database keeps.
    pub fn of(number: i64) -> Self {
        match number {
            1.. => Self::High,
            0 => Self::Normal,
            _ => Self::Low,
        }
    }
}

/// A job to be enqueued.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    kind: &'static str,
    about: Option<&'a str>,
    unique: Option<&'a str>,
    priority: Priority,
}

impl<'a> NewJob<'a> {
    /// Handlers of this kind must stand being run more than once.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, about: None, unique: None, priority: Priority::Normal }
    }

    /// What it is about, for people; never a secret or personal data.
    pub fn about(mut self, about: &'a str) -> Self {
        self.about = Some(about);
        self
    }

    /// Enqueues nothing while a job of this kind with the same key waits, runs or is done: that one is answered.
    pub fn once(mut self, key: &'a str) -> Self {
        self.unique = Some(key);
        self
    }

    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Adds it to the change under way: when the change is undone, so is the job.
    pub fn enqueue(self, tx: &Tx<'_>, payload: &impl Serialize, due: Time, now: Time) -> Result<Id> {
        let payload = serde_json::to_string(payload).map_err(Error::internal)?;
        let key = self.unique.map(|key| format!("{}:{key}", self.kind));
        if let Some(there) = key.as_deref().map(|key| store::with_key(tx, key)).transpose()?.flatten() {
            return Ok(there);
        }
        let id = Id::new();
        let row = store::Row {
            kind: self.kind,
            payload: &payload,
            about: self.about,
            unique_key: key.as_deref(),
            priority: self.priority,
            recurring: false,
        };
        store::insert(tx, id, &row, due, now)?;
        tx.after_commit(wake);
        Ok(id)
    }
}

/// Adds a plain job to the change under way: when the change is undone, so is the job.
/// Handlers of its kind must stand being run more than once.
pub fn enqueue(tx: &Tx<'_>, kind: &'static str, payload: &impl Serialize, due: Time) -> Result<Id> {
    NewJob::new(kind).enqueue(tx, payload, due, due)
}

/// Has running attempts look whether they are to end.
pub fn interrupt() {
    INTERRUPT.notify_waiters();
}

/// Lets the engine look for work now, such as when a pause ends.
pub fn wake() {
    WORK.notify_waiters();
}

#[cfg(test)]
mod tests;
