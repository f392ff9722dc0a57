//! The one door to write. [`Ledger::change`] commits a row, its audit event and the jobs it causes
//! in one transaction; a change without its event does not compile.

mod anchor;
mod beside;
mod chain;
mod details;
mod event;
mod export;
mod keyed;
mod follower;
mod masking;
mod notes;
mod reads;
mod routes;
mod store;
mod verify;

pub use anchor::{Anchor, Posted};
pub use chain::{GENESIS, link};
pub use details::{Rewritten, forget_labels, rewrite, targets_of};
pub use event::{Event, Outcome, Record, difference};
pub use export::{Export, Format};
pub use follower::{Follower, Recorded};
pub use keyed::{Keyed, Outcome as KeyedOutcome, clean as keyed_clean, forget as keyed_forget, under_way};
pub use masking::{Masking, SeenBy};
pub use reads::{Fields, Watched};
pub use routes::routes;
pub use store::{Filter, Shown, page, since};
pub use verify::{Checkpoint, Verdict, head, verify, verify_from};

use crate::{
    actor::Actor,
    clock::Clock,
    error::Result,
    storage::{Db, Tx, Writer},
};
use arc_swap::ArcSwap;
use notes::Notes;
use reads::Reads;
use std::sync::Arc;

/// The handle for everything that changes something. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    db: Db,
    writer: Writer,
    clock: Clock,
    notes: Arc<Notes>,
    reads: Arc<Reads>,
    followers: Arc<ArcSwap<Vec<Arc<dyn Follower>>>>,
}

impl Ledger {
    pub fn new(db: Db, writer: Writer, clock: Clock) -> Self {
        Self { db, writer, clock, notes: Arc::default(), reads: Arc::default(), followers: Arc::default() }
    }

    /// Tells `follower` of every event from now on, after those who were there before.
    pub fn tell(&self, follower: Arc<dyn Follower>) {
        self.followers.rcu(|followers| followers.iter().chain([&follower]).cloned().collect::<Vec<_>>());
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Writes what waits and closes the database for writing; for the end.
    pub fn close(&self) {
        self.settle_notes();
        self.writer.close();
    }

    /// Runs `change` and writes the events it answers with, all or nothing; answers once it is on disk.
    /// The change may be run again when others in its batch fail, so it must not keep state of its own.
    pub async fn change<T: Send + 'static, R: Into<Record>>(
        &self,
        actor: &Actor,
        change: impl FnMut(&Tx<'_>) -> Result<(T, R)> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(self.recorded(actor, change)).await
    }

    /// [`Ledger::change`] that also says what is answered, for when the request comes again.
    pub async fn change_answered<T: Send + 'static, R: Into<Record>>(
        &self,
        actor: &Actor,
        change: impl FnMut(&Tx<'_>) -> Result<(T, R)> + Send + 'static,
        answer: impl Fn(&Tx<'_>, &T) -> Result<KeyedOutcome> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(self.answered(actor, change, move |tx, result, _| answer(tx, result))).await
    }

    /// [`Ledger::change`] for threads where blocking is fine (commands, jobs).
    pub fn change_blocking<T: Send + 'static, R: Into<Record>>(
        &self,
        actor: &Actor,
        change: impl FnMut(&Tx<'_>) -> Result<(T, R)> + Send + 'static,
    ) -> Result<T> {
        self.writer.write_blocking(self.recorded(actor, change))
    }

    /// A change of many rows, in a transaction of its own, for a thread where blocking is fine: each event is
    /// written as it is told, so that they never stand in memory together.
    pub fn change_rows_blocking<T: Send + 'static>(
        &self,
        actor: &Actor,
        mut change: impl FnMut(&Tx<'_>, &dyn Fn(Event) -> Result<()>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (actor, clock, followers) = (actor.clone(), self.clock.clone(), self.followers.clone());
        self.writer.write_alone_blocking(move |tx| {
            change(tx, &|event| chain::append(tx, &actor, clock.now(), &Record::One(event), &followers.load()))
        })
    }

    /// Writes an event that follows from the change under way, before the change's own.
    pub fn also(&self, tx: &Tx<'_>, actor: &Actor, event: Event) {
        let (actor, at, record, followers) =
            (actor.clone(), self.clock.now(), Record::One(event), self.followers.clone());
        tx.before_commit(move |tx| chain::append(tx, &actor, at, &record, &followers.load()));
    }

    /// Housekeeping that nobody needs to read about later, with the reason why.
    pub async fn unrecorded<T: Send + 'static>(
        &self,
        _reason: &'static str,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(change).await
    }

    /// [`Ledger::unrecorded`] for threads where blocking is fine.
    pub fn unrecorded_blocking<T: Send + 'static>(
        &self,
        _reason: &'static str,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write_blocking(change)
    }

    /// Records a refused request or a failed log-in, without making the caller wait. The first of its kind in a
    /// minute is written at once, further ones are counted and written as one event when the minute ends.
    pub fn note(&self, actor: &Actor, event: Event) {
        let now = self.clock.now();
        let taken = self.notes.take(now, actor, &event);
        for (actor, event) in taken.settled {
            self.post(&actor, event);
        }
        if taken.fresh {
            self.post(actor, event);
        }
        if let (Some(window), Ok(runtime)) = (taken.begun, tokio::runtime::Handle::try_current()) {
            let ledger = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep(notes::WINDOW).await;
                ledger.write_counted(Some(window));
            });
        }
    }

    /// Writes what [`Ledger::note`] has counted so far; for the end of the process.
    pub fn settle_notes(&self) {
        self.write_counted(None);
    }

    fn write_counted(&self, window: Option<u64>) {
        for (actor, event) in self.notes.settle(window) {
            self.post(&actor, event);
        }
    }

    fn post(&self, actor: &Actor, event: Event) {
        self.writer.post(self.recorded(actor, move |_| Ok(((), event.clone()))));
    }

    fn recorded<T, R: Into<Record>>(
        &self,
        actor: &Actor,
        change: impl FnMut(&Tx<'_>) -> Result<(T, R)> + Send + 'static,
    ) -> impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static {
        self.answered(actor, change, |_, _, record| Ok(KeyedOutcome::done(record)))
    }

    fn answered<T, R: Into<Record>>(
        &self,
        actor: &Actor,
        mut change: impl FnMut(&Tx<'_>) -> Result<(T, R)> + Send + 'static,
        answer: impl Fn(&Tx<'_>, &T, &Record) -> Result<KeyedOutcome> + Send + 'static,
    ) -> impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static {
        let (actor, clock, followers) = (actor.clone(), self.clock.clone(), self.followers.clone());
        let keyed = Keyed::current();
        move |tx| {
            let (result, record) = change(tx)?;
            let (actor, at, record, followers) = (actor.clone(), clock.now(), record.into(), followers.clone());
            if let Some(keyed) = &keyed {
                keyed.keep(tx, at, &answer(tx, &result, &record)?, &record.targets())?;
            }
            tx.before_commit(move |tx| chain::append(tx, &actor, at, &record, &followers.load()));
            Ok(result)
        }
    }
}
