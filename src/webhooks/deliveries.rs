//! Deliveries in the database: the queue of what is to be sent, and the log of what was.

use super::model::{Delivery, State};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    jobs, params,
    storage::{Reader, Row, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

pub(super) const COLUMNS: &str = "id, webhook_id, message_id, replay_of, action, body, state, attempts, status, \
     duration_ms, answer, error, created_at, updated_at, finished_at";
pub(super) const COLUMN_COUNT: usize = 15;

/// The kind of job that sends one.
pub(super) const JOB: &str = "webhooks.deliver";
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Of one webhook, however young they are.
const MOST_KEPT: i64 = 10_000;

/// What the job is given.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Send {
    pub delivery_id: Id,
}

/// Something new to be sent.
pub(super) struct Outgoing<'a> {
    pub webhook_id: Id,
    pub message_id: Id,
    pub replay_of: Option<Id>,
    pub action: &'a str,
    pub body: &'a str,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub number: u32,
    pub status: Option<u16>,
    pub took: Duration,
    pub answer: Option<String>,
    pub error: Option<String>,
    /// What it is from now on.
    pub state: State,
}

/// Adds one and the job that sends it to the change under way.
pub(super) fn enqueue(tx: &Tx<'_>, message: &Outgoing<'_>, now: Time) -> Result<Id> {
    let id = Id::new();
    let job = jobs::NewJob::new(JOB).about(message.action).enqueue(tx, &Send { delivery_id: id }, now, now)?;
    tx.execute(
        "INSERT INTO webhook_deliveries (id, webhook_id, job_id, message_id, replay_of, action, body, state, attempts, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting', 0, ?8, ?8)",
        params![id, message.webhook_id, job, message.message_id, message.replay_of, message.action, message.body, now],
    )?;
    Ok(id)
}

pub(super) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<Delivery>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM webhook_deliveries WHERE id = ?1"), params![id], read)
}

/// Notes how an attempt ended; false when it was concluded already.
pub(super) fn note(tx: &Tx<'_>, id: Id, attempt: &Attempt, now: Time) -> Result<bool> {
    let finished = (attempt.state != State::Waiting).then_some(now);
    let changed = tx.execute(
        "UPDATE webhook_deliveries SET state = ?2, attempts = ?3, status = ?4, duration_ms = ?5, answer = ?6, error = ?7,
         updated_at = ?8, finished_at = ?9 WHERE id = ?1 AND state = 'waiting'",
        params![
            id,
            attempt.state.as_str(),
            attempt.number,
            attempt.status.map(u32::from),
            attempt.took.as_millis() as i64,
            attempt.answer.as_deref(),
            attempt.error.as_deref(),
            now,
            finished,
        ],
    )?;
    Ok(changed == 1)
}

/// Deliveries that wait for a job which is no more: the process ended in its last try.
pub(super) fn stranded(reader: &Reader<'_>) -> Result<Vec<(Id, Id)>> {
    let sql = "SELECT id, webhook_id FROM webhook_deliveries WHERE state = 'waiting' AND NOT EXISTS
               (SELECT 1 FROM jobs WHERE jobs.id = job_id AND jobs.state IN ('waiting', 'running')) LIMIT 1000";
    reader.query_all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Removes a portion of what is old, or too much; whether there may be more.
pub(super) fn remove_old(tx: &Tx<'_>, now: Time) -> Result<bool> {
    const AT_ONCE: usize = 1_000;
    let old = tx.execute(
        "DELETE FROM webhook_deliveries WHERE id IN
         (SELECT id FROM webhook_deliveries WHERE finished_at < ?1 AND finished_at IS NOT NULL LIMIT ?2)",
        params![now.minus(KEPT), AT_ONCE],
    )?;
    let hooks = tx.query_all("SELECT id FROM webhooks", &[], |row| row.get::<Id>(0))?;
    let mut more = old == AT_ONCE;
    for hook in hooks {
        let removed = tx.execute(
            "DELETE FROM webhook_deliveries WHERE id IN
             (SELECT id FROM webhook_deliveries WHERE webhook_id = ?1 AND state <> 'waiting'
              ORDER BY created_at DESC, id DESC LIMIT ?2 OFFSET ?3)",
            params![hook, AT_ONCE, MOST_KEPT],
        )?;
        more |= removed == AT_ONCE;
    }
    Ok(more)
}

pub(super) fn read(row: &Row<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: row.get(0)?,
        webhook_id: row.get(1)?,
        message_id: row.get(2)?,
        replay_of: row.get(3)?,
        action: row.get(4)?,
        body: RawValue::from_string(row.get(5)?).map_err(Error::internal)?,
        state: State::read(row.text(6)?),
        attempts: row.get(7)?,
        status: row.get(8)?,
        duration_ms: row.get(9)?,
        answer: row.get(10)?,
        error: row.get(11)?,
        created_at: row.get(12)?,
        updated_at: row.get(13)?,
        finished_at: row.get(14)?,
    })
}
