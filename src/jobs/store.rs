//! The `jobs` table.

use super::Priority;
use crate::{
    clock::Time,
    error::Result,
    ids::Id,
    params,
    storage::{Param, Reader, Tx},
};
use std::time::Duration;

/// A job that was claimed for an attempt.
#[derive(Debug)]
pub(super) struct Claimed {
    pub id: Id,
    pub kind: String,
    pub payload: String,
    /// 1 for the first.
    pub attempt: u32,
    /// Attempts before it was last retried by hand.
    pub earlier: u32,
}

/// What a new job is.
pub(super) struct Row<'a> {
    pub kind: &'a str,
    pub payload: &'a str,
    pub about: Option<&'a str>,
    pub unique_key: Option<&'a str>,
    pub priority: Priority,
    pub recurring: bool,
}

pub(super) fn insert(tx: &Tx<'_>, id: Id, row: &Row<'_>, due: Time, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO jobs (id, kind, payload, state, attempts, due_at, about, unique_key, priority, recurring, created_at, updated_at)
         VALUES (?1, ?2, ?3, 'waiting', 0, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        params![
            id,
            row.kind,
            row.payload,
            due,
            row.about,
            row.unique_key,
            row.priority as i64,
            i64::from(row.recurring),
            now
        ],
    )?;
    Ok(())
}

/// The job of this key that waits, runs or is done.
pub(super) fn with_key(reader: &Reader<'_>, key: &str) -> Result<Option<Id>> {
    let sql = "SELECT id FROM jobs WHERE unique_key = ?1 AND state IN ('waiting', 'running', 'done')";
    reader.query_one(sql, params![key], |row| row.get(0))
}

/// When the next job of these kinds is due.
pub(super) fn next_due(reader: &Reader<'_>, kinds: &[&'static str]) -> Result<Option<Time>> {
    let sql = format!("SELECT min(due_at) FROM ({}) AS first", each_kind(kinds.len(), 1, "", "1"));
    let kinds: Vec<Param<'_>> = kinds.iter().map(|kind| Param::from(*kind)).collect();
    Ok(reader.query_one(&sql, &kinds, |row| row.get(0))?.flatten())
}

/// Takes up to `limit` due jobs of these kinds, by priority and then the oldest first, and counts the attempt.
pub(super) fn claim(tx: &Tx<'_>, kinds: &[&'static str], now: Time, limit: usize) -> Result<Vec<Claimed>> {
    let sql = format!(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, claimed_at = ?1, updated_at = ?1,
         progress_done = NULL, progress_total = NULL, progress_note = NULL
         WHERE id IN (SELECT id FROM ({}) AS due ORDER BY priority DESC, due_at, id LIMIT ?2)
         RETURNING id, kind, payload, attempts, earlier",
        each_kind(kinds.len(), 3, "AND due_at <= ?1", "?2")
    );
    let mut values = vec![Param::from(now), Param::from(limit)];
    values.extend(kinds.iter().map(|kind| Param::from(*kind)));
    tx.query_all(&sql, &values, |row| {
        let (attempt, earlier) = (row.get(3)?, row.get(4)?);
        Ok(Claimed { id: row.get(0)?, kind: row.get(1)?, payload: row.get(2)?, attempt, earlier })
    })
}

/// The first jobs that wait, of each priority of each of `count` kinds that stand in the places from `?first` on. Asked
/// for one by one, since the index knows the order of each: many of one kind do not stand before the others.
fn each_kind(count: usize, first: usize, condition: &str, limit: &str) -> String {
    let of = |place: usize, priority: Priority| {
        let priority = priority as i64;
        format!(
            "SELECT * FROM (SELECT id, due_at, priority FROM jobs WHERE state = 'waiting' AND kind = ?{place}
             AND priority = {priority} {condition} ORDER BY due_at, id LIMIT {limit}) AS one"
        )
    };
    (first..first + count)
        .flat_map(|place| Priority::ALL.map(|priority| of(place, priority)))
        .collect::<Vec<_>>()
        .join(" UNION ALL ")
}

/// How an attempt ended.
pub(super) enum End<'a> {
    Done,
    /// To be tried again at this time, or given up.
    Failed(&'a str, Option<Time>),
    Cancelled,
}

/// Notes how an attempt ended; false when somebody else concluded it already.
pub(super) fn conclude(tx: &Tx<'_>, job: &Claimed, end: &End<'_>, now: Time) -> Result<bool> {
    let (state, outcome, error, retry) = match *end {
        End::Done => ("done", "done", None, None),
        End::Failed(error, Some(retry)) => ("waiting", "failed", Some(error), Some(retry)),
        End::Failed(error, None) => ("failed", "failed", Some(error), None),
        End::Cancelled => ("cancelled", "cancelled", None, None),
    };
    let finished = retry.is_none().then_some(now);
    let changed = tx.execute(
        "UPDATE jobs SET state = ?1, finished_at = ?2, due_at = coalesce(?3, due_at), error = ?4, cancelling = 0,
         updated_at = ?5 WHERE id = ?6 AND state = 'running' AND attempts = ?7",
        params![state, finished, retry, error, now, job.id, job.attempt],
    )?;
    if changed == 1 {
        note_attempts(tx, "id = ?4", params![outcome, error, now, job.id])?;
    }
    // Of what comes by itself the last good run tells enough.
    if state == "done" {
        let earlier = "DELETE FROM jobs WHERE kind = ?1 AND state = 'done' AND recurring = 1 AND id <> ?2
                       AND (SELECT recurring FROM jobs WHERE id = ?2) = 1";
        tx.execute(earlier, params![&job.kind, job.id])?;
    }
    Ok(changed == 1)
}

/// Writes the current attempt of the jobs that fulfil `which` down, with `?1` outcome, `?2` error and `?3` its end.
fn note_attempts(tx: &Tx<'_>, which: &str, values: &[Param<'_>]) -> Result<()> {
    let sql = format!(
        "INSERT INTO job_attempts (job_id, number, started_at, finished_at, outcome, error)
         SELECT id, attempts, coalesce(claimed_at, ?3), ?3, ?1, ?2 FROM jobs WHERE {which} ON CONFLICT DO NOTHING"
    );
    tx.execute(&sql, values)?;
    Ok(())
}

pub(super) fn progress(
    tx: &Tx<'_>,
    (id, attempt): (Id, u32),
    (done, total, note): (u64, u64, &str),
    now: Time,
) -> Result<()> {
    tx.execute(
        "UPDATE jobs SET progress_done = ?1, progress_total = ?2, progress_note = ?3, updated_at = ?4
         WHERE id = ?5 AND state = 'running' AND attempts = ?6",
        params![done as i64, total as i64, note, now, id, attempt],
    )?;
    Ok(())
}

/// Whether somebody wants this attempt to end.
pub(super) fn is_cancelling(reader: &Reader<'_>, id: Id) -> Result<bool> {
    let sql = "SELECT 1 FROM jobs WHERE id = ?1 AND cancelling = 1";
    Ok(reader.query_one(sql, params![id], |_| Ok(()))?.is_some())
}

/// What ran when the process last ended is due again, unless that was its last try or somebody wanted it to end.
pub(super) fn take_up(tx: &Tx<'_>, now: Time, tries: u32) -> Result<()> {
    const WHY: &str = "The process ended while this ran.";
    note_attempts(tx, "state = 'running'", params!["lost", WHY, now])?;
    tx.execute(
        "UPDATE jobs SET finished_at = ?1, updated_at = ?1, error = ?2, cancelling = 0,
         state = CASE cancelling WHEN 1 THEN 'cancelled' ELSE 'failed' END
         WHERE state = 'running' AND (cancelling = 1 OR attempts - earlier >= ?3)",
        params![now, WHY, tries],
    )?;
    tx.execute(
        "UPDATE jobs SET state = 'waiting', due_at = ?1, updated_at = ?1, error = ?2 WHERE state = 'running'",
        params![now, WHY],
    )?;
    Ok(())
}

/// Removes what waits for a schedule that is no more.
pub(super) fn drop_unscheduled(tx: &Tx<'_>, scheduled: &[&'static str]) -> Result<()> {
    let recurring = "SELECT DISTINCT kind FROM jobs WHERE state = 'waiting' AND recurring = 1";
    for kind in tx.query_all(recurring, &[], |row| row.get::<String>(0))? {
        if !scheduled.contains(&&*kind) {
            tx.execute("DELETE FROM jobs WHERE state = 'waiting' AND recurring = 1 AND kind = ?1", params![&*kind])?;
        }
    }
    Ok(())
}

/// Undoes a claim: the attempt does not count.
pub(super) fn hand_back(tx: &Tx<'_>, jobs: &[(Id, u32)], now: Time) -> Result<()> {
    for (id, attempt) in jobs {
        tx.execute(
            "UPDATE jobs SET state = 'waiting', attempts = attempts - 1, due_at = ?1, updated_at = ?1
             WHERE id = ?2 AND state = 'running' AND attempts = ?3",
            params![now, *id, *attempt],
        )?;
    }
    Ok(())
}

/// Whether a job of this kind is missing, or due later than its schedule allows (the clock was set back).
pub(super) fn off_schedule(reader: &Reader<'_>, kind: &str, latest: Time) -> Result<bool> {
    let good = reader.query_one(
        "SELECT 1 FROM jobs WHERE state IN ('waiting', 'running') AND kind = ?1 AND (state = 'running' OR due_at <= ?2)",
        params![kind, latest],
        |_| Ok(()),
    )?;
    Ok(good.is_none())
}

/// Makes one job of this kind wait, due at `due` or earlier.
pub(super) fn put_on_schedule(tx: &Tx<'_>, kind: &'static str, due: Time, latest: Time, now: Time) -> Result<()> {
    let moved = tx.execute(
        "UPDATE jobs SET due_at = ?1, updated_at = ?2 WHERE kind = ?3 AND state = 'waiting' AND due_at > ?1",
        params![latest, now, kind],
    )?;
    if moved == 0 && off_schedule(tx, kind, latest)? {
        let row =
            Row { kind, payload: "null", about: None, unique_key: None, priority: Priority::Normal, recurring: true };
        insert(tx, Id::new(), &row, due, now)?;
        tx.after_commit(super::wake);
    }
    Ok(())
}

/// Removes up to `limit` jobs that were done, or given up, longer ago than is of interest; how many.
pub(super) fn remove_finished(tx: &Tx<'_>, now: Time, limit: usize) -> Result<usize> {
    const DAY: Duration = Duration::from_secs(86_400);
    tx.execute(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_at < ?1
         AND (state = 'done' OR finished_at < ?2) AND finished_at IS NOT NULL LIMIT ?3)",
        params![now.minus(7 * DAY), now.minus(30 * DAY), limit],
    )
}
