//! The one writer: a thread that owns the only write connection and commits waiting changes together.
//!
//! Each change runs in a savepoint of its own, so that one failure undoes only itself; callers are
//! answered after the commit, so an acknowledged change is on disk. When a batch fails as a whole
//! (full disk, I/O error), each of its changes is run again alone: a change may run more than once.

use super::sqlite::{Tx, WriteConnection};
use crate::error::{Error, Result};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Changes in one commit, at most.
const BATCH: usize = 512;
/// A batch is closed after this long, so that the first in it does not wait for the last.
const BATCH_TIME: Duration = Duration::from_millis(20);

/// The writing side. Clones share the thread; it ends when the last is dropped.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    queue: Mutex<Option<Sender<Box<dyn Pending>>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    waiting: AtomicU64,
    changes: AtomicU64,
    /// Commits of at most as many changes as the bound says, each counted once.
    batches: [AtomicU64; BATCHES.len()],
}

/// Bounds of the sizes of batches.
const BATCHES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// What the writer has done, and what waits for it.
#[derive(Clone, Debug)]
pub struct Load {
    /// Changes that wait for their commit now.
    pub waiting: u64,
    /// Changes that were committed or refused so far.
    pub changes: u64,
    /// How many commits had at most so many changes; the last has no bound.
    pub batches: Vec<(f64, u64)>,
}

impl Writer {
    pub(super) fn start(connection: WriteConnection) -> Result<Self> {
        let (queue, changes) = channel::<Box<dyn Pending>>();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(None),
            waiting: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            batches: Default::default(),
        });
        let counters = Arc::downgrade(&shared);
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                let mut connection = connection;
                let mut held = None;
                while let Some(first) = held.take().or_else(|| next(&mut connection, &changes)) {
                    let done;
                    (done, held) = commit_batch(&mut connection, first, &changes);
                    if let Some(shared) = counters.upgrade() {
                        shared.waiting.fetch_sub(done as u64, Ordering::Relaxed);
                        shared.changes.fetch_add(done as u64, Ordering::Relaxed);
                        let size = BATCHES.iter().position(|bound| done as u64 <= *bound);
                        shared.batches[size.unwrap_or(BATCHES.len() - 1)].fetch_add(1, Ordering::Relaxed);
                    }
                    connection.tidy();
                }
                connection.close();
            })
            .map_err(Error::internal)?;
        *shared.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(thread);
        Ok(Self(shared))
    }

    /// Runs `change` in the writer and answers after it is on disk.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.submit(change, false)?;
        answer.await.map_err(|_| Error::unavailable("The server is shutting down."))?
    }

    /// [`Writer::write`] for threads where blocking is fine.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.submit(change, false)?;
        answer.blocking_recv().map_err(|_| Error::unavailable("The server is shutting down."))?
    }

    /// [`Writer::write_blocking`] in a transaction of its own, for changes of many rows.
    pub fn write_alone_blocking<T: Send + 'static>(
        &self,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.submit(change, true)?;
        answer.blocking_recv().map_err(|_| Error::unavailable("The server is shutting down."))?
    }

    /// Hands over a change that nobody waits for; a failure goes to the log.
    pub fn post(&self, change: impl FnMut(&Tx<'_>) -> Result<()> + Send + 'static) {
        if let Err(error) = self.send(Box::new(Posted { change, failed: None })) {
            tracing::error!(?error, "a change that nobody waits for could not be written");
        }
    }

    fn submit<T: Send + 'static>(
        &self,
        change: impl FnMut(&Tx<'_>) -> Result<T> + Send + 'static,
        alone: bool,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(Waiting { change, alone, result: None, reply: Some(reply) }))?;
        Ok(answer)
    }

    fn send(&self, pending: Box<dyn Pending>) -> Result<()> {
        let queue = self.0.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let closed = || Error::unavailable("The server is shutting down.");
        queue.as_ref().ok_or_else(closed)?.send(pending).map_err(|_| closed())?;
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What waits now and what was done so far.
    pub fn load(&self) -> Load {
        let mut total = 0;
        let batches = BATCHES.iter().zip(&self.0.batches).map(|(bound, count)| {
            total += count.load(Ordering::Relaxed);
            (*bound as f64, total)
        });
        let mut batches: Vec<_> = batches.collect();
        batches.push((f64::INFINITY, total));
        let (waiting, changes) = (&self.0.waiting, &self.0.changes);
        Load { waiting: waiting.load(Ordering::Relaxed), changes: changes.load(Ordering::Relaxed), batches }
    }

    /// Finishes what waits, empties the write-ahead log and closes the connection. Later changes are refused.
    pub fn close(&self) {
        drop(self.0.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let thread = self.0.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// A change on its way: run (perhaps twice), then answered once.
trait Pending: Send {
    /// Runs the change; `false` asks for its savepoint to be rolled back.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    fn answer(&mut self, failed: Option<Error>);
    /// Whether it takes a transaction of its own.
    fn alone(&self) -> bool {
        false
    }
}

struct Waiting<T, F> {
    change: F,
    alone: bool,
    result: Option<Result<T>>,
    reply: Option<oneshot::Sender<Result<T>>>,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T> + Send> Pending for Waiting<T, F> {
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.change)(tx)))
            .unwrap_or_else(|_| Err(Error::internal("a change panicked")));
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn answer(&mut self, failed: Option<Error>) {
        let result = match (failed, self.result.take()) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            (None, None) => Err(Error::internal("a change was not run")),
        };
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
    }

    fn alone(&self) -> bool {
        self.alone
    }
}

struct Posted<F> {
    change: F,
    failed: Option<Error>,
}

impl<F: FnMut(&Tx<'_>) -> Result<()> + Send> Pending for Posted<F> {
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.change)(tx)));
        self.failed = outcome.unwrap_or_else(|_| Err(Error::internal("a change panicked"))).err();
        self.failed.is_none()
    }

    fn answer(&mut self, failed: Option<Error>) {
        if let Some(error) = failed.or(self.failed.take()) {
            tracing::error!(?error, "a change that nobody waits for could not be written");
        }
    }
}

/// The next change; until it comes the log is tidied when that is due. None once there will be no more; what is due then
/// is left to the end.
fn next(connection: &mut WriteConnection, changes: &Receiver<Box<dyn Pending>>) -> Option<Box<dyn Pending>> {
    while let Some(due) = connection.due() {
        match changes.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => connection.tidy(),
            received => return received.ok(),
        }
    }
    changes.recv().ok()
}

/// Runs `first` and whatever waits behind it in one transaction; how many changes that were, and the one after
/// them that takes a transaction of its own.
fn commit_batch(
    connection: &mut WriteConnection,
    first: Box<dyn Pending>,
    changes: &Receiver<Box<dyn Pending>>,
) -> (usize, Option<Box<dyn Pending>>) {
    let started = Instant::now();
    let alone = first.alone();
    let mut batch = Vec::with_capacity(64);
    let mut next = Some(first);
    let mut held = None;
    let outcome = connection.transaction(|tx| {
        while let Some(mut change) = next.take() {
            let outcome = tx.savepoint(|tx| change.run(tx));
            batch.push(change);
            outcome?;
            if !alone && batch.len() < BATCH && started.elapsed() < BATCH_TIME {
                let waiting = changes.try_recv().ok();
                (held, next) =
                    if waiting.as_ref().is_some_and(|next| next.alone()) { (waiting, None) } else { (None, waiting) };
            }
        }
        Ok(())
    });
    batch.extend(next);
    let count = batch.len();
    match outcome {
        Ok(()) => batch.iter_mut().for_each(|change| change.answer(None)),
        Err(error) if count == 1 => batch[0].answer(Some(error)),
        Err(_) => batch.iter_mut().for_each(|change| run_alone(connection, change.as_mut())),
    }
    (count, held)
}

fn run_alone(connection: &mut WriteConnection, change: &mut dyn Pending) {
    let outcome = connection.transaction(|tx| tx.savepoint(|tx| change.run(tx)));
    change.answer(outcome.err());
}
