//! The database behind a few verbs: query one, query all, execute. Reads go through a pool,
//! changes through one writer thread. SQL is written in the subset that SQLite and PostgreSQL
//! share (`?1 ?2`, `RETURNING`, `ON CONFLICT`, `->>`, text ids, times as integer milliseconds).
//! Only `sqlite.rs` names the driver.

mod folder;
mod schema;
mod json;
mod sqlite;
mod value;
mod writer;

pub use folder::{DataFolder, FolderLock};
pub use json::{contains, json_boolean, json_number, json_path, json_text, json_value};
pub use schema::{MigrationStatus, migration_status};
pub use sqlite::{Reader, Row, Tx};
pub use value::{Column, FromColumn, Param};
pub use writer::Writer;

use crate::error::{Error, Result};
use std::{path::Path, sync::Arc, time::Duration};

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
}

impl Default for Options {
    fn default() -> Self {
        Self { read_pool: 20, read_pool_max: 50, query_timeout: Duration::from_secs(5) }
    }
}

/// The reading side. Clones share the pool.
#[derive(Clone)]
pub struct Db(Arc<sqlite::Pool>);

impl Db {
    /// Runs a short read where it stands, at most for the query timeout.
    pub fn read<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.0.read(query)
    }

    /// Runs a longer read (a list, a search) on a thread where blocking is fine.
    pub async fn read_off<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.clone();
        tokio::task::spawn_blocking(move || db.read(query)).await.map_err(Error::internal)?
    }

    /// Like [`Db::read_off`], from one snapshot and without the query timeout, for exports and checks
    /// that are bounded by the speed of their reader instead.
    pub fn read_long<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.0.read_long(query)
    }

    /// Sizes in bytes of the database and of its write-ahead log.
    pub fn sizes(&self) -> (u64, u64) {
        self.0.sizes()
    }
}

/// Opens the database in `folder`, making and migrating it as needed: the reading and the writing side.
/// A damaged database, or one from a newer version, is refused by name.
pub fn open(folder: &Path, options: &Options) -> Result<(Db, Writer)> {
    let path = folder.join("portcullis.db");
    schema::prepare(&path)?;
    let writer = Writer::start(sqlite::open_writer(&path)?)?;
    let pool = sqlite::Pool::open(&path, options)?;
    Ok((Db(Arc::new(pool)), writer))
}

#[cfg(test)]
mod tests;
