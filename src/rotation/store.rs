//! What the database knows of the keys: which there are, and when each was last used.

use crate::{
    clock::Time,
    error::Result,
    params,
    secrets::KeyFacts,
    storage::{Reader, Tx},
};

/// The keys that were written down: id and purpose.
pub(super) fn known(reader: &Reader<'_>) -> Result<Vec<(String, String)>> {
    reader.query_all("SELECT id, purpose FROM secret_keys", &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// When keys were last used.
pub(super) fn uses(reader: &Reader<'_>) -> Result<Vec<(String, Time)>> {
    let sql = "SELECT id, last_used_at FROM secret_keys WHERE last_used_at IS NOT NULL";
    reader.query_all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn insert(tx: &Tx<'_>, key: &KeyFacts) -> Result<()> {
    tx.execute(
        "INSERT INTO secret_keys (id, purpose, created_at, last_used_at) VALUES (?1, ?2, ?3, ?4)",
        params![&*key.id, key.purpose.as_str(), key.created_at, key.last_used_at],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &Tx<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM secret_keys WHERE id = ?1", params![id])?;
    Ok(())
}

/// Moves on when keys were last used.
pub(super) fn used(tx: &Tx<'_>, keys: &[KeyFacts]) -> Result<()> {
    for key in keys {
        tx.execute(
            "UPDATE secret_keys SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, 0) < ?2",
            params![&*key.id, key.last_used_at],
        )?;
    }
    Ok(())
}
