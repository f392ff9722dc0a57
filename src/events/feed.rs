//! From the commits of the audit log to whoever listens. Nobody is sent anything: listeners are told how far the log
//! goes and take what lies behind their position, so a slow one holds no memory.

use super::{
    room::{Behind, Room},
    told::{Told, told},
};
use crate::{
    audit::{Follower, Ledger, Recorded, head, since},
    error::{Error, Result},
    ids::Id,
    storage::{Db, Reader, Tx},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// Commits within this time are taken in together.
const GATHERED: Duration = Duration::from_millis(10);
/// How often the log is looked at without being told, while somebody listens.
const LOOK: Duration = Duration::from_secs(1);
/// Events read, or looked through for a listener, at a time.
pub(super) const PORTION: u32 = 100;

/// Clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    db: Db,
    /// Whether anybody listens: all that a commit without listeners looks at.
    heard: AtomicBool,
    committed: Notify,
    room: Mutex<Room>,
    signal: watch::Sender<Signal>,
}

/// What wakes listeners.
#[derive(Clone, Copy, Default)]
pub(super) struct Signal {
    /// How far the log goes.
    end: i64,
    /// How often something else happened that may end a stream.
    stirs: u64,
    pub closed: bool,
}

/// A place in the room, and how to know of what happens.
pub(super) struct Place {
    feed: Feed,
    user: Id,
    pub signal: watch::Receiver<Signal>,
}

impl Feed {
    /// Listens to the ledger from now on.
    pub fn open(ledger: &Ledger) -> Self {
        let feed = Self(Arc::new(Shared {
            db: ledger.db().clone(),
            heard: AtomicBool::new(false),
            committed: Notify::new(),
            room: Mutex::default(),
            signal: watch::channel(Signal::default()).0,
        }));
        ledger.tell(Arc::new(feed.clone()));
        feed
    }

    /// Takes in what is committed, for as long as the server runs.
    pub async fn run(self) {
        loop {
            if tokio::time::timeout(LOOK, self.0.committed.notified()).await.is_ok() {
                tokio::time::sleep(GATHERED).await;
            }
            if let Err(error) = self.take_in().await {
                tracing::warn!(?error, "events could not be read for those who listen");
            }
        }
    }

    /// Has every listener look whether it may go on.
    pub fn stir(&self) {
        self.0.signal.send_modify(|signal| signal.stirs += 1);
    }

    /// Ends every stream, and those to come.
    pub fn close(&self) {
        self.0.signal.send_modify(|signal| signal.closed = true);
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.0.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take_in(&self) -> Result<()> {
        loop {
            let Some(end) = self.room().end else { return Ok(()) };
            let told = self.read(end).await?;
            let more = told.len() == PORTION as usize;
            let end = {
                let mut room = self.room();
                room.take_in(told);
                room.end
            };
            if let Some(end) = end {
                self.0.signal.send_if_modified(|signal| std::mem::replace(&mut signal.end, end) != end);
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn read(&self, after: i64) -> Result<Vec<Told>> {
        let read = move |reader: &Reader<'_>| {
            let found = since(reader, after, PORTION)?;
            found.iter().map(|(seq, text)| told(reader, *seq, text)).collect()
        };
        self.0.db.read_off(read).await
    }

    /// A place for one more listener, and where the log ends now.
    pub(super) fn enter(&self, user: Id) -> Result<(Place, i64)> {
        if self.0.signal.borrow().closed {
            return Err(Error::unavailable("The server is shutting down."));
        }
        let mut room = self.room();
        room.enter(user)?;
        self.0.heard.store(true, SeqCst);
        let place = |signal| Place { feed: self.clone(), user, signal };
        let end = match room.end {
            Some(end) => end,
            None => match head(&self.0.db) {
                Ok((end, _)) => *room.end.insert(end),
                Err(error) => {
                    drop(room);
                    drop(place(self.0.signal.subscribe()));
                    return Err(error);
                }
            },
        };
        drop(room);
        Ok((place(self.0.signal.subscribe()), end))
    }
}

impl Follower for Feed {
    fn recorded(&self, tx: &Tx<'_>, _: &Recorded<'_>) -> Result<()> {
        if self.0.heard.load(SeqCst) {
            let shared = self.0.clone();
            tx.after_commit(move || shared.committed.notify_one());
        }
        Ok(())
    }
}

impl Place {
    /// What lies behind `position`; nothing when it is too far back.
    pub async fn behind(&self, position: i64) -> Result<Option<Vec<Arc<Told>>>> {
        let behind = self.feed.room().behind(position, PORTION as usize);
        match behind {
            Behind::Nothing => Ok(Some(Vec::new())),
            Behind::Here(told) => Ok(Some(told)),
            Behind::TooFar => Ok(None),
            Behind::Older => {
                let mut told = self.feed.read(position).await?;
                let end = self.end();
                told.retain(|told| told.seq <= end);
                let unbroken = told.first().is_some_and(|first| first.seq == position + 1);
                Ok(unbroken.then(|| told.into_iter().map(Arc::new).collect()))
            }
        }
    }

    /// Where the log ends for listeners now.
    pub fn end(&self) -> i64 {
        self.feed.room().end.unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut room = self.feed.room();
        if room.leave(self.user) {
            self.feed.0.heard.store(false, SeqCst);
        }
    }
}
