//! Background work as whoever looks after the instance sees it: what waits, runs, failed, and what can be done about
//! it. What a job was given is never shown, only what it is about.

mod action;
mod list;
mod model;
mod routes;
mod words;

pub use list::Query;
pub use model::{Attempt, Job, JobDetails, Progress, State};
pub use routes::routes;

use crate::audit::Ledger;

/// The handle for jobs seen from outside. Clones share it.
#[derive(Clone)]
pub struct Background {
    ledger: Ledger,
}

impl Background {
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }
}
