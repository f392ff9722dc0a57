//! The pool of read connections.

use super::{Connection, OpenFlags, Options, Reader, configure};
use crate::{
    error::{Error, Result},
    priority,
    storage::PoolState,
};
use rusqlite::backup::StepResult;
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// Progress callbacks come every so many virtual machine steps.
const STEPS: i32 = 4_000;

/// Read connections, each with a deadline of its own.
pub(in crate::storage) struct Pool {
    connections: r2d2::Pool<Opener>,
    path: PathBuf,
    timeout: Duration,
    start: Instant,
}

pub(super) struct ReadConnection {
    connection: Connection,
    deadline: Arc<AtomicI64>,
}

struct Opener {
    path: PathBuf,
    start: Instant,
    mapped: bool,
}

impl r2d2::ManageConnection for Opener {
    type Connection = ReadConnection;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<ReadConnection, rusqlite::Error> {
        let mut connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        configure(&connection).map_err(|_| rusqlite::Error::InvalidQuery)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        if !self.mapped {
            connection.execute_batch("PRAGMA mmap_size = 0;")?;
        }
        let deadline = Arc::new(AtomicI64::new(i64::MAX));
        let (limit, start) = (deadline.clone(), self.start);
        let overdue = move || {
            priority::make_way();
            start.elapsed().as_millis() as i64 > limit.load(Ordering::Relaxed)
        };
        connection.progress_handler(STEPS, Some(overdue))?;
        Ok(ReadConnection { connection, deadline })
    }

    fn is_valid(&self, open: &mut ReadConnection) -> Result<(), rusqlite::Error> {
        open.connection.prepare_cached("SELECT 1")?.query_row([], |_| Ok(()))
    }

    fn has_broken(&self, open: &mut ReadConnection) -> bool {
        !open.connection.is_autocommit()
    }
}

/// Pages of one step: a quarter of a MB.
const STEP: i32 = 64;

/// Copies what `from` sees now, in steps, so that others get their turn. The snapshot is held by a transaction: without
/// one every change by others would begin the copy anew.
pub(in crate::storage) fn copy(
    from: &Connection,
    path: &Path,
    mut each: impl FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::internal)?;
    let mut into = Connection::open(path)?;
    // A copy that was cut short is thrown away.
    into.execute_batch("PRAGMA synchronous = OFF;")?;
    from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_master;")?;
    let mut copied = || {
        let backup = rusqlite::backup::Backup::new(from, &mut into)?;
        loop {
            match backup.step(STEP)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {
                    let progress = backup.progress();
                    let total = u64::try_from(progress.pagecount).unwrap_or(0);
                    each(total.saturating_sub(u64::try_from(progress.remaining).unwrap_or(0)), total)?;
                }
                _ => return Err(Error::unavailable("The database is locked by somebody else. Try again later.")),
            }
        }
    };
    let outcome = copied();
    from.execute_batch("COMMIT;")?;
    outcome?;
    into.close().map_err(|(_, cause)| cause.into())
}

impl Pool {
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        let start = Instant::now();
        let opener = Opener { path: path.to_owned(), start, mapped: options.mapped };
        let connections = r2d2::Pool::builder()
            .max_size(options.read_pool_max.max(1))
            .min_idle(Some(2.min(options.read_pool)))
            .idle_timeout(Some(Duration::from_secs(300)))
            .max_lifetime(Some(Duration::from_secs(3600)))
            .connection_timeout(Duration::from_secs(5))
            .test_on_check_out(true)
            .build(opener)
            .map_err(Error::internal)?;
        Ok(Self { connections, path: path.to_owned(), timeout: options.query_timeout, start })
    }

    pub fn read<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.within(Some(self.timeout), query)
    }

    pub fn read_long<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.within(None, |reader| {
            reader.0.execute_batch("BEGIN")?;
            let outcome = query(reader);
            reader.0.execute_batch("COMMIT")?;
            outcome
        })
    }

    fn within<T>(&self, limit: Option<Duration>, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let open = self.connections.get().map_err(|cause| {
            Error::unavailable("All database connections are in use. Try again in a moment.").caused_by(cause)
        })?;
        let end = limit.map_or(i64::MAX, |limit| (self.start.elapsed() + limit).as_millis() as i64);
        open.deadline.store(end, Ordering::Relaxed);
        let outcome = query(&Reader(&open.connection));
        open.deadline.store(i64::MAX, Ordering::Relaxed);
        outcome
    }

    pub fn state(&self) -> PoolState {
        let state = self.connections.state();
        PoolState { open: state.connections, idle: state.idle_connections, most: self.connections.max_size() }
    }

    /// On a connection of its own, so that no reader waits for it.
    pub fn copy_to(&self, path: &Path, each: impl FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        configure(&connection)?;
        copy(&connection, path, each)
    }

    pub fn sizes(&self) -> (u64, u64) {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        (size(&self.path), size(&self.path.with_extension("db-wal")))
    }
}
