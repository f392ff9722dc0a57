//! Brings the write-ahead log back into the database on a thread and a connection of its own, beside the writer: what
//! is left for the writer is the last few pages and the new beginning of the log, which only it can make.

use super::{Connection, OpenFlags, configure};
use crate::error::{Error, Result};
use rusqlite::hooks::Wal;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Pages of the log from which on it is brought back: 16 MB.
const DUE: u32 = 4_096;
/// Where a reader stands in the way, it is tried again after so many more.
const AGAIN: u32 = 1_024;
/// So few pages the writer brings back itself.
const FEW: u32 = 256;
/// From here on changes wait for readers so that the log begins anew: 64 MB.
const LONG: u32 = 16_384;
/// The longest that they wait.
const BRIEF: Duration = Duration::from_millis(10);
/// While the log is brought back it grows; so often that is followed.
const PASSES: u32 = 4;

pub(super) struct Checkpointer {
    pages: Arc<AtomicU32>,
    due: u32,
    working: bool,
    orders: SyncSender<()>,
    left: Receiver<u32>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// For the log of `writer`, the connection that writes to the database at `path`.
    pub fn start(path: &Path, writer: &mut Connection) -> Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = pages.clone();
        writer.wal_hook(Some(move |_: &mut Wal, count: i32| {
            counted.store(count.try_into().unwrap_or(0), Relaxed);
            Ok(())
        }))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        configure(&connection)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        let (orders, ordered) = sync_channel(1);
        let (tell, left) = sync_channel(1);
        let work = move || {
            while ordered.recv().is_ok() && tell.send(bring_back(&connection)).is_ok() {}
        };
        let thread = thread::Builder::new().name("checkpointer".into()).spawn(work).map_err(Error::internal)?;
        Ok(Self { pages, due: DUE, working: false, orders, left, thread })
    }

    /// Whether so little is left that the writer may begin the log anew. Where more is due, it is begun.
    pub fn is_ready(&mut self) -> bool {
        if self.working {
            let left = match self.left.try_recv() {
                Ok(left) => left,
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => 0,
            };
            self.working = false;
            self.due = self.pages.load(Relaxed) + AGAIN;
            return left <= FEW;
        }
        if self.pages.load(Relaxed) >= self.due {
            self.working = self.orders.try_send(()).is_ok();
        }
        false
    }

    /// How long readers may be waited for.
    pub fn patience(&self) -> Duration {
        if self.pages.load(Relaxed) < LONG { Duration::ZERO } else { BRIEF }
    }

    /// The log begins anew with the next change.
    pub fn begun_anew(&mut self) {
        self.pages.store(0, Relaxed);
        self.due = DUE;
    }

    /// Waits until nothing is under way.
    pub fn settle(&mut self) {
        if self.working {
            let _ = self.left.recv();
            self.working = false;
            self.due = self.pages.load(Relaxed) + AGAIN;
        }
    }

    pub fn close(self) {
        drop((self.orders, self.left));
        let _ = self.thread.join();
    }
}

/// How many pages are left, since readers need them or they came meanwhile; all of them after an error.
fn bring_back(connection: &Connection) -> u32 {
    let pass = || {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok(row.get::<_, u32>(1)?.saturating_sub(row.get(2)?))
        })
    };
    let mut left = u32::MAX;
    for _ in 0..PASSES {
        left = match pass() {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be brought back into the database");
                return u32::MAX;
            }
        };
        if left <= FEW {
            break;
        }
    }
    left
}
