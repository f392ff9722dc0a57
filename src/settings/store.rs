//! Changed settings in the database.

use crate::{
    clock::Time,
    config::Stored,
    error::{Error, Result},
    params,
    storage::{Reader, Tx},
};

pub(super) fn load(reader: &Reader<'_>) -> Result<Stored> {
    let rows = reader.query_all("SELECT key, value FROM settings ORDER BY key", &[], |row| {
        Ok((row.get::<String>(0)?, serde_json::from_str(row.text(1)?).map_err(Error::internal)?))
    })?;
    Ok(rows.into_iter().collect())
}

/// Keeps `after` where `before` was kept.
pub(super) fn replace(tx: &Tx<'_>, before: &Stored, after: &Stored, now: Time) -> Result<()> {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        tx.execute("DELETE FROM settings WHERE key = ?1", params![key])?;
    }
    for (key, value) in after.iter().filter(|(key, value)| before.get(*key) != Some(value)) {
        let text = serde_json::to_string(value).map_err(Error::internal)?;
        tx.execute(
            "INSERT INTO settings (key, value, updated_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
            params![key, text, now],
        )?;
    }
    Ok(())
}
