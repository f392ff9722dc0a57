//! Incidents in the database.

use crate::{
    clock::Time,
    error::Result,
    ids::Id,
    params,
    storage::{Reader, Tx},
};
use serde::Serialize;

/// A rule that is broken, or was.
#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    pub id: Id,
    pub rule: String,
    pub detail: String,
    pub started_at: Time,
}

/// Those that go on, the latest first.
pub(super) fn open(reader: &Reader<'_>) -> Result<Vec<Incident>> {
    let sql = "SELECT id, rule, detail, started_at FROM alert_incidents WHERE ended_at IS NULL ORDER BY started_at DESC, rule";
    reader.query_all(sql, &[], |row| {
        Ok(Incident { id: row.get(0)?, rule: row.get(1)?, detail: row.get(2)?, started_at: row.get(3)? })
    })
}

pub(super) fn begin(tx: &Tx<'_>, incident: &Incident) -> Result<()> {
    tx.execute(
        "INSERT INTO alert_incidents (id, rule, detail, started_at) VALUES (?1, ?2, ?3, ?4)",
        params![incident.id, &incident.rule, &incident.detail, incident.started_at],
    )?;
    Ok(())
}

pub(super) fn end(tx: &Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE alert_incidents SET ended_at = ?2 WHERE id = ?1", params![id, at])?;
    Ok(())
}

/// Forgets what was over before.
pub(super) fn clean(tx: &Tx<'_>, before: Time) -> Result<()> {
    tx.execute("DELETE FROM alert_incidents WHERE ended_at < ?1", params![before])?;
    Ok(())
}
