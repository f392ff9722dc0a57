//! Webhooks in the database.

use super::{model::Webhook, subscriptions::Subscription};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    storage::{Reader, Row, Tx},
};
use serde::{Serialize, de::DeserializeOwned};

pub(super) const COLUMNS: &str = "id, name, url, events, filter, active, pending, skipped, failures, failing_since, \
     disabled_reason, overlap_ends_at, last_delivered_at, created_at, created_by, updated_at, version";
pub(super) const COLUMN_COUNT: usize = 17;

/// The sealed secrets of a webhook: the current one, and the one before.
pub(super) struct Sealed {
    pub current: String,
    pub old: Option<String>,
}

pub(super) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<Webhook>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM webhooks WHERE id = ?1"), params![id], read)
}

pub(super) fn sealed(reader: &Reader<'_>, id: Id) -> Result<Option<Sealed>> {
    let sql = "SELECT secret, old_secret FROM webhooks WHERE id = ?1";
    reader.query_one(sql, params![id], |row| Ok(Sealed { current: row.get(0)?, old: row.get(1)? }))
}

/// Those that are to hear of events.
pub(super) fn active(reader: &Reader<'_>) -> Result<Vec<Subscription>> {
    let sql = "SELECT id, events, filter FROM webhooks WHERE active = 1 ORDER BY created_at, id";
    reader.query_all(sql, &[], |row| {
        Ok(Subscription { webhook_id: row.get(0)?, events: json(row.text(1)?)?, filter: json(row.text(2)?)? })
    })
}

pub(super) fn count(reader: &Reader<'_>) -> Result<i64> {
    Ok(reader.query_one("SELECT count(*) FROM webhooks", &[], |row| row.get(0))?.unwrap_or(0))
}

pub(super) fn insert(tx: &Tx<'_>, hook: &Webhook, secret: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO webhooks (id, name, url, events, active, secret, pending, skipped, failures, version, created_at, created_by, updated_at, filter)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, ?7, ?8, ?9, ?10, ?11)",
        params![
            hook.id,
            &hook.name,
            &hook.url,
            text(&hook.events)?,
            hook.active,
            secret,
            hook.version,
            hook.created_at,
            hook.created_by,
            hook.updated_at,
            text(&hook.filter)?,
        ],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, hook: &Webhook) -> Result<()> {
    tx.execute(
        "UPDATE webhooks SET name = ?2, url = ?3, events = ?4, active = ?5, skipped = ?6, failures = ?7,
         failing_since = ?8, disabled_reason = ?9, overlap_ends_at = ?10, version = ?11, updated_at = ?12, filter = ?13
         WHERE id = ?1",
        params![
            hook.id,
            &hook.name,
            &hook.url,
            text(&hook.events)?,
            hook.active,
            hook.skipped,
            hook.failures,
            hook.failing_since,
            hook.disabled_reason.as_deref(),
            hook.overlap_ends_at,
            hook.version,
            hook.updated_at,
            text(&hook.filter)?,
        ],
    )?;
    Ok(())
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

pub(super) fn rotate(tx: &Tx<'_>, id: Id, secret: &str) -> Result<()> {
    tx.execute("UPDATE webhooks SET old_secret = secret, secret = ?2 WHERE id = ?1", params![id, secret])?;
    Ok(())
}

pub(super) fn delete(tx: &Tx<'_>, id: Id) -> Result<()> {
    tx.execute("DELETE FROM webhook_deliveries WHERE webhook_id = ?1", params![id])?;
    tx.execute("DELETE FROM webhooks WHERE id = ?1", params![id])?;
    Ok(())
}

/// Counts one more that waits, unless `most` do already; false where nothing is to be queued.
pub(super) fn admit(tx: &Tx<'_>, id: Id, most: i64) -> Result<bool> {
    let admitted = "UPDATE webhooks SET pending = pending + 1 WHERE id = ?1 AND pending < ?2";
    if tx.execute(admitted, params![id, most])? == 1 {
        return Ok(true);
    }
    tx.execute("UPDATE webhooks SET skipped = skipped + 1 WHERE id = ?1", params![id])?;
    Ok(false)
}

pub(super) fn delivered(tx: &Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute(
        "UPDATE webhooks SET pending = pending - 1, failures = 0, failing_since = NULL, last_delivered_at = ?2
         WHERE id = ?1",
        params![id, at],
    )?;
    Ok(())
}

pub(super) fn given_up(tx: &Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute(
        "UPDATE webhooks SET pending = pending - 1, failures = failures + 1, failing_since = coalesce(failing_since, ?2)
         WHERE id = ?1",
        params![id, at],
    )?;
    Ok(())
}

/// One that waited was not sent, which says nothing about its receiver.
pub(super) fn dropped(tx: &Tx<'_>, id: Id) -> Result<()> {
    tx.execute("UPDATE webhooks SET pending = pending - 1 WHERE id = ?1", params![id])?;
    Ok(())
}

/// Forgets secrets whose overlap is over.
pub(super) fn forget_old_secrets(tx: &Tx<'_>, now: Time) -> Result<()> {
    let sql = "UPDATE webhooks SET old_secret = NULL WHERE old_secret IS NOT NULL AND overlap_ends_at <= ?1";
    tx.execute(sql, params![now])?;
    Ok(())
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}

pub(super) fn read(row: &Row<'_>) -> Result<Webhook> {
    Ok(Webhook {
        id: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        events: json(row.text(3)?)?,
        filter: json(row.text(4)?)?,
        active: row.get(5)?,
        pending: row.get(6)?,
        skipped: row.get(7)?,
        failures: row.get(8)?,
        failing_since: row.get(9)?,
        disabled_reason: row.get(10)?,
        overlap_ends_at: row.get(11)?,
        last_delivered_at: row.get(12)?,
        created_at: row.get(13)?,
        created_by: row.get(14)?,
        updated_at: row.get(15)?,
        version: row.get(16)?,
    })
}
