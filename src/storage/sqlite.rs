//! SQLite: with its pool of readers, the only file that names the driver.

mod checkpointer;
mod pool;

pub(super) use pool::{Pool, copy};

use checkpointer::Checkpointer;

use super::{
    Options, search,
    value::{Column, FromColumn, Param},
};
use crate::error::{Code, Error, Result};
pub(super) use rusqlite::{Connection, OpenFlags};
use rusqlite::{
    ErrorCode,
    config::DbConfig,
    functions::FunctionFlags,
    types::{ToSqlOutput, Value, ValueRef},
};
use std::{
    cell::{Cell, RefCell},
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

const STATEMENTS: usize = 256;
/// The longest wait for somebody else's lock.
const BUSY: Duration = Duration::from_secs(5);
/// The longest that changes wait for readers so that nothing is left in the write-ahead log.
const THOROUGH: Duration = Duration::from_millis(100);
/// So long after a reader stood in the way it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// So long after it could not be done, as with a full disk.
const AFTER_AN_ERROR: Duration = Duration::from_secs(30);

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(v) => ToSqlOutput::Owned(Value::Integer(*v)),
            Self::Real(v) => ToSqlOutput::Owned(Value::Real(*v)),
            Self::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Owned(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Blob(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
            Self::Id(v) => ToSqlOutput::Owned(Value::Text(v.to_string())),
        })
    }
}

impl From<rusqlite::Error> for Error {
    fn from(cause: rusqlite::Error) -> Self {
        let error = match &cause {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::ConstraintViolation => match failure.extended_code {
                    rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
                        Self::conflict("Something else refers to this, or what it refers to is not there.")
                    }
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                        Self::conflict("There is one like this already.")
                    }
                    _ => return Self::internal(cause),
                },
                ErrorCode::DiskFull => Self::new(Code::StorageFull, "The disk is full. Free some room and try again."),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    Self::unavailable("The database is busy. Try again in a moment.")
                }
                ErrorCode::OperationInterrupted => {
                    Self::unavailable("The query took too long. Narrow it, or filter on an indexed field.")
                }
                ErrorCode::ReadOnly => Self::unavailable("The database cannot be written to."),
                _ => return Self::internal(cause),
            },
            _ => return Self::internal(cause),
        };
        error.caused_by(cause)
    }
}

/// A row of an answer.
pub struct Row<'a>(&'a rusqlite::Row<'a>);

impl Row<'_> {
    pub fn get<T: FromColumn>(&self, index: usize) -> Result<T> {
        T::from_column(self.column(index)?)
            .ok_or_else(|| Error::internal(format!("column {index} holds another type than expected")))
    }

    /// A text column without copying it.
    pub fn text(&self, index: usize) -> Result<&str> {
        match self.column(index)? {
            Column::Text(text) => Ok(text),
            _ => Err(Error::internal(format!("column {index} is not text"))),
        }
    }

    pub fn column(&self, index: usize) -> Result<Column<'_>> {
        Ok(match self.0.get_ref(index)? {
            ValueRef::Null => Column::Null,
            ValueRef::Integer(v) => Column::Int(v),
            ValueRef::Real(v) => Column::Real(v),
            ValueRef::Text(v) => Column::Text(std::str::from_utf8(v).map_err(Error::internal)?),
            ValueRef::Blob(v) => Column::Blob(v),
        })
    }
}

/// Asks questions of one connection.
pub struct Reader<'c>(&'c Connection);

impl Reader<'_> {
    /// The first row, if there is one.
    pub fn query_one<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        map: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        rows.next()?.map(|row| map(&Row(row))).transpose()
    }

    /// All rows. Bound them with `LIMIT`.
    pub fn query_all<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut map: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.query_each(sql, params, |row| {
            all.push(map(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Hands over row after row, for answers that should not stand in memory whole.
    pub fn query_each(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            each(&Row(row))?;
        }
        Ok(())
    }
}

type Hook = Box<dyn FnOnce() + Send>;
type Ending = Box<dyn FnOnce(&Tx<'_>) -> Result<()> + Send>;

/// A change under way. Everything a [`Reader`] can, and execute.
pub struct Tx<'c> {
    reader: Reader<'c>,
    hooks: RefCell<Vec<Hook>>,
    endings: RefCell<Vec<Ending>>,
    traceless: Cell<bool>,
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl Tx<'_> {
    /// Runs a statement; how many rows it touched.
    pub fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize> {
        Ok(self.reader.0.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?)
    }

    /// Runs `ending` behind every change of the transaction and before its commit, outside of savepoints; never
    /// when the change is undone. When it fails, so does the whole transaction.
    pub fn before_commit(&self, ending: impl FnOnce(&Tx<'_>) -> Result<()> + Send + 'static) {
        self.endings.borrow_mut().push(Box::new(ending));
    }

    /// Runs `hook` after the commit and before anyone is told of it; never when the change is undone.
    pub fn after_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.borrow_mut().push(Box::new(hook));
    }

    /// Once it is committed, what it overwrote is taken out of the write-ahead log too.
    pub fn leave_no_trace(&self) {
        self.traceless.set(true);
    }

    /// Runs `step` in a savepoint that is released when it answers `true`, else rolled back.
    /// An error means that the whole transaction is lost.
    pub(super) fn savepoint(&self, step: impl FnOnce(&Self) -> bool) -> Result<()> {
        let kept = (self.hooks.borrow().len(), self.endings.borrow().len());
        self.execute("SAVEPOINT change", &[])?;
        let good = step(self);
        if self.reader.0.is_autocommit() {
            return Err(Error::unavailable("The transaction was ended by the database."));
        }
        if !good {
            self.hooks.borrow_mut().truncate(kept.0);
            self.endings.borrow_mut().truncate(kept.1);
            self.execute("ROLLBACK TO change", &[])?;
        }
        self.execute("RELEASE change", &[])?;
        Ok(())
    }

    fn run_endings(&self) -> Result<()> {
        for ending in self.endings.take() {
            catch_unwind(AssertUnwindSafe(|| ending(self)))
                .unwrap_or_else(|_| Err(Error::internal("the end of a change panicked")))?;
        }
        Ok(())
    }
}

/// The connection that only the writer thread holds.
pub(super) struct WriteConnection {
    connection: Connection,
    checkpointer: Checkpointer,
    /// When what was to leave no trace is taken out of the write-ahead log. At the start it may be left of a crash.
    traces: Option<Instant>,
}

impl WriteConnection {
    /// Runs `steps` in one transaction and commits it to disk.
    pub fn transaction(&mut self, steps: impl FnOnce(&Tx<'_>) -> Result<()>) -> Result<()> {
        let tx = Tx {
            reader: Reader(&self.connection),
            hooks: RefCell::default(),
            endings: RefCell::default(),
            traceless: Cell::default(),
        };
        tx.execute("BEGIN IMMEDIATE", &[])?;
        let outcome = steps(&tx)
            .and_then(|()| tx.run_endings())
            .and_then(|()| search::settle(&tx))
            .and_then(|()| tx.execute("COMMIT", &[]).map(drop));
        if outcome.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        outcome?;
        if tx.traceless.get() {
            self.traces.get_or_insert_with(Instant::now);
        }
        tx.hooks.into_inner().into_iter().for_each(|hook| hook());
        Ok(())
    }

    /// Between two changes: keeps the write-ahead log short, and free of what is to leave no trace.
    pub fn tidy(&mut self) {
        if self.traces.is_some_and(|due| due <= Instant::now()) {
            self.checkpointer.settle();
            let done = self.checkpoint("TRUNCATE", THOROUGH);
            let again = if done.is_ok() { AGAIN } else { AFTER_AN_ERROR };
            self.traces = (!done.unwrap_or(false)).then(|| Instant::now() + again);
        } else if self.checkpointer.is_ready() {
            let _ = self.checkpoint("RESTART", self.checkpointer.patience());
        }
    }

    /// When [`WriteConnection::tidy`] is due even without a change: a reader stood in its way.
    pub fn due(&self) -> Option<Instant> {
        self.traces
    }

    /// Whether nobody was in its way.
    fn checkpoint(&mut self, mode: &str, patience: Duration) -> rusqlite::Result<bool> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let _ = self.connection.busy_timeout(patience);
        let busy = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        let _ = self.connection.busy_timeout(BUSY);
        let busy =
            busy.inspect_err(|error| tracing::warn!(%error, mode, "the write-ahead log could not be checkpointed"))?;
        let done = busy == 0;
        if done {
            self.checkpointer.begun_anew();
        }
        Ok(done)
    }

    pub fn close(mut self) {
        self.checkpointer.settle();
        let _ = self.checkpoint("TRUNCATE", BUSY);
        self.checkpointer.close();
    }
}

pub(super) fn open_writer(path: &Path) -> Result<WriteConnection> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = ON;",
    )?;
    let checkpointer = Checkpointer::start(path, &mut connection)?;
    Ok(WriteConnection { connection, checkpointer, traces: Some(Instant::now()) })
}

fn configure(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY)?;
    // Plans do not depend on bound values, so that a cached statement is not prepared again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection
        .execute_batch("PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;")?;
    connection.create_scalar_function(
        "contains_folded",
        2,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |call| {
            let (ValueRef::Text(text), ValueRef::Text(part)) = (call.get_raw(0), call.get_raw(1)) else {
                return Ok(None);
            };
            let (text, part) = (String::from_utf8_lossy(text), String::from_utf8_lossy(part));
            Ok(Some(text.to_lowercase().contains(&*part)))
        },
    )?;
    connection.create_scalar_function(
        "holds_words",
        4,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |call| {
            let sight = call.get_or_create_aux(2, |value| value.as_str().map(search::read::<search::Sight>)?)?;
            let words = call.get_or_create_aux(3, |value| value.as_str().map(search::read::<search::Words>)?)?;
            let name = call.get_raw(0).as_str_or_null().ok().flatten();
            Ok(Some(search::holds_words(name, call.get_raw(1).as_str()?, &sight, &words)))
        },
    )?;
    Ok(())
}
