//! How far an attempt is, written down now and then while it runs.

use super::store;
use crate::{clock::Clock, ids::Id, storage::Writer};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Reports that follow closer than this on one before are left out, but for the last.
const EVERY: Duration = Duration::from_millis(500);

/// Where an attempt reports to.
#[derive(Clone)]
pub(super) struct Progress(Arc<Shared>);

struct Shared {
    writer: Writer,
    clock: Clock,
    id: Id,
    attempt: u32,
    written: Mutex<Option<Instant>>,
}

impl Progress {
    pub fn new(writer: Writer, clock: Clock, id: Id, attempt: u32) -> Self {
        Self(Arc::new(Shared { writer, clock, id, attempt, written: Mutex::default() }))
    }

    pub fn report(&self, done: u64, total: u64, note: &str) {
        let Shared { writer, clock, id, attempt, written } = &*self.0;
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        if done < total && written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        *written = Some(Instant::now());
        let (id, attempt, now, note) = (*id, *attempt, clock.now(), note.to_owned());
        writer.post(move |tx| store::progress(tx, (id, attempt), (done, total, &note), now));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({})", self.0.id)
    }
}
