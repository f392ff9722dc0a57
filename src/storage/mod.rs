//! The database behind a few verbs: query one, query all, execute. Reads go through a pool,
//! changes through one writer thread. SQL is written in the subset that SQLite and PostgreSQL
//! share (`?1 ?2`, `RETURNING`, `ON CONFLICT`, `->>`, text ids, times as integer milliseconds).
//! Only `sqlite.rs` names the driver.

mod copies;
mod folder;
pub mod indexes;
mod json;
mod schema;
pub mod search;
mod sqlite;
mod value;
mod writer;

pub use folder::{DataFolder, FolderLock};
pub use json::{contains, day, json_boolean, json_member, json_moment, json_number, json_path, json_text, json_value};
pub use schema::{MigrationStatus, latest_migration, migration_status};
pub use sqlite::{Reader, Row, Tx};
pub use value::{Column, FromColumn, Param};
pub use writer::{Load, Writer};

use crate::error::{Error, Result};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// `params![a, b]`: the values of one statement, `?1` first.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::storage::Param::from($value)),*] as &[$crate::storage::Param<'_>] };
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// Read connections kept open.
    pub read_pool: u32,
    /// Read connections at most.
    pub read_pool_max: u32,
    /// The longest a read may take.
    pub query_timeout: Duration,
    /// Whether the file is mapped into memory. One that is cut short while it is read must not be.
    pub mapped: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_pool: 20, read_pool_max: 50, query_timeout: Duration::from_secs(5), mapped: true }
    }
}

/// The reading side. Clones share the pool. Longer reads have their own part of it, so that however many there are,
/// and however slow their readers, a short one finds a connection.
#[derive(Clone)]
pub struct Db {
    pool: Arc<sqlite::Pool>,
    lists: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

/// How many connections for reading there are.
#[derive(Clone, Copy, Debug)]
pub struct PoolState {
    pub open: u32,
    pub idle: u32,
    pub most: u32,
}

/// The longest that a list waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// The right to one long read.
pub struct LongRead {
    pool: Arc<sqlite::Pool>,
    _turn: OwnedSemaphorePermit,
}

impl LongRead {
    /// Reads from one snapshot and without the query timeout, for exports and checks that are bounded by the speed
    /// of their reader instead.
    pub fn run<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.pool.read_long(query)
    }
}

impl Db {
    fn new(pool: sqlite::Pool, options: &Options) -> Self {
        let part = |of: u32| Arc::new(Semaphore::new((options.read_pool_max / of).max(1) as usize));
        Self { pool: Arc::new(pool), lists: part(2), long: part(4) }
    }

    /// Runs a short read where it stands, at most for the query timeout.
    pub fn read<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.pool.read(query)
    }

    /// Runs a longer read (a list, a search) on a thread where blocking is fine.
    pub async fn read_off<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = tokio::time::timeout(TURN, self.lists.clone().acquire_owned()).await.map_err(|_| busy())?;
        let (turn, db) = (turn.map_err(Error::internal)?, self.clone());
        let read = move || {
            let _turn = turn;
            db.read(query)
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
    }

    /// Takes the right to a long read, when not too many are under way.
    pub fn long(&self) -> Result<LongRead> {
        let turn = self.long.clone().try_acquire_owned().map_err(|_| busy())?;
        Ok(LongRead { pool: self.pool.clone(), _turn: turn })
    }

    /// One long read.
    pub fn read_long<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.long()?.run(query)
    }

    /// The connections for reading.
    pub fn pool(&self) -> PoolState {
        self.pool.state()
    }

    /// Copies the database as one snapshot sees it into a new file, however much is written meanwhile. After each step
    /// `each` hears how many pages are done, of how many; it may rest, and may end it.
    pub fn copy_to(&self, path: &Path, each: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        self.pool.copy_to(path, each)
    }

    /// What a look at every page finds wrong, if anything.
    pub fn damage(&self) -> Result<Option<String>> {
        let verdict = self.read_long(|r| r.query_one("PRAGMA integrity_check(1)", &[], |row| row.get::<String>(0)))?;
        let stray = self.read_long(|r| r.query_one("PRAGMA foreign_key_check", &[], |row| row.get::<String>(0)))?;
        let damage = verdict.filter(|verdict| verdict != "ok");
        Ok(damage.or(stray.map(|table| format!("a row of {table} refers to nothing"))))
    }

    /// Sizes in bytes of the database and of its write-ahead log.
    pub fn sizes(&self) -> (u64, u64) {
        self.pool.sizes()
    }
}

fn busy() -> Error {
    Error::unavailable("Too many long reads are under way. Try again in a few seconds.").retry_after(TURN)
}

/// Opens the database in `folder`, making and migrating it as needed: the reading and the writing side.
/// A damaged database, or one from a newer version, is refused by name.
pub fn open(folder: &Path, options: &Options) -> Result<(Db, Writer)> {
    let path = folder.join("portcullis.db");
    schema::prepare(&path)?;
    let writer = Writer::start(sqlite::open_writer(&path)?)?;
    let pool = sqlite::Pool::open(&path, options)?;
    Ok((Db::new(pool, options), writer))
}

/// Opens a copy that nobody writes to, for reading alone. No connection is opened ahead: it may be removed soon.
pub fn open_copy(path: &Path) -> Result<Db> {
    let options = Options { read_pool: 0, read_pool_max: 4, query_timeout: Duration::from_secs(3600), mapped: false };
    Ok(Db::new(sqlite::Pool::open(path, &options)?, &options))
}

#[cfg(test)]
mod tests;
