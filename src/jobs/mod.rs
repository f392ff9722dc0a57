//! Work to be done later, at least once: enqueued in the transaction of the change that causes it,
//! tried three times for 30 seconds each, taken up again after a crash, handed back at shutdown.
//! The engine knows nothing about the jobs; features register handlers for their kinds.

mod engine;
mod handler;
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

/// Adds a job to the change under way: when the change is undone, so is the job.
/// Handlers of its kind must stand being run more than once.
pub fn enqueue(tx: &Tx<'_>, kind: &'static str, payload: &impl Serialize, due: Time) -> Result<Id> {
    let payload = serde_json::to_string(payload).map_err(Error::internal)?;
    let id = Id::new();
    store::insert(tx, id, kind, &payload, due)?;
    tx.after_commit(wake);
    Ok(id)
}

/// Lets the engine look for work now, such as when a pause ends.
pub fn wake() {
    WORK.notify_waiters();
}

#[cfg(test)]
mod tests;
