//! Indexes that are made and dropped while the program runs.

use super::{Reader, Tx};
use crate::{error::Result, params};
use std::collections::BTreeSet;

/// The names of the indexes that begin so.
pub fn named(reader: &Reader<'_>, beginning: &str) -> Result<BTreeSet<String>> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND substr(name, 1, length(?1)) = ?1";
    Ok(reader.query_all(sql, params![beginning], |row| row.get(0))?.into_iter().collect())
}

/// Makes an index, where it is not there. Nothing else is written meanwhile. Its parts are SQL of our own making.
pub fn make(tx: &Tx<'_>, name: &str, on: &str, condition: &str) -> Result<()> {
    tx.execute(&format!("CREATE INDEX IF NOT EXISTS {name} ON {on} WHERE {condition}"), &[]).map(drop)
}

pub fn remove(tx: &Tx<'_>, name: &str) -> Result<()> {
    tx.execute(&format!("DROP INDEX IF EXISTS {name}"), &[]).map(drop)
}
