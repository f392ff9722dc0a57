//! Counts in the database.

use super::counted::{Counted, Example};
use crate::{
    error::{Error, Result},
    params,
    storage::{Reader, Tx},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub(super) fn all(reader: &Reader<'_>) -> Result<BTreeMap<Arc<str>, Counted>> {
    let sql = "SELECT rule, count, first_seen, last_seen, examples FROM observations";
    let rows = reader.query_all(sql, &[], |row| {
        let examples: VecDeque<Example> = serde_json::from_str(row.text(4)?).map_err(Error::internal)?;
        let count = u64::try_from(row.get::<i64>(1)?).unwrap_or(0);
        let (first_seen, last_seen) = (row.get(2)?, row.get(3)?);
        Ok((row.text(0)?.into(), Counted { count, first_seen, last_seen, examples, written: Some(count) }))
    })?;
    Ok(rows.into_iter().collect())
}

pub(super) fn write(tx: &Tx<'_>, rule: &str, counted: &Counted) -> Result<()> {
    if counted.count == 0 {
        return remove(tx, rule);
    }
    let examples = serde_json::to_string(&counted.examples).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO observations (rule, count, first_seen, last_seen, examples) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (rule) DO UPDATE SET count = excluded.count, first_seen = excluded.first_seen,
         last_seen = excluded.last_seen, examples = excluded.examples",
        params![
            rule,
            i64::try_from(counted.count).unwrap_or(i64::MAX),
            counted.first_seen,
            counted.last_seen,
            examples
        ],
    )?;
    Ok(())
}

pub(super) fn remove(tx: &Tx<'_>, rule: &str) -> Result<()> {
    tx.execute("DELETE FROM observations WHERE rule = ?1", params![rule])?;
    Ok(())
}
