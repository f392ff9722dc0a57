//! The `jobs` table.

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
    pub attempt: u32,
}

pub(super) fn insert(tx: &Tx<'_>, id: Id, kind: &str, payload: &str, due: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO jobs (id, kind, payload, state, attempts, due_at) VALUES (?1, ?2, ?3, 'waiting', 0, ?4)",
        params![id, kind, payload, due],
    )?;
    Ok(())
}

/// When the next job of these kinds is due.
pub(super) fn next_due(reader: &Reader<'_>, kinds: &[&'static str]) -> Result<Option<Time>> {
    let sql = format!("SELECT min(due_at) FROM ({}) AS first", each_kind(kinds.len(), 1, "", "1"));
    let kinds: Vec<Param<'_>> = kinds.iter().map(|kind| Param::from(*kind)).collect();
    Ok(reader.query_one(&sql, &kinds, |row| row.get(0))?.flatten())
}

/// Takes up to `limit` due jobs of these kinds, oldest first, and counts the attempt.
pub(super) fn claim(tx: &Tx<'_>, kinds: &[&'static str], now: Time, limit: usize) -> Result<Vec<Claimed>> {
    let sql = format!(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, claimed_at = ?1
         WHERE id IN (SELECT id FROM ({}) AS due ORDER BY due_at, id LIMIT ?2)
         RETURNING id, kind, payload, attempts",
        each_kind(kinds.len(), 3, "AND due_at <= ?1", "?2")
    );
    let mut values = vec![Param::from(now), Param::from(limit)];
    values.extend(kinds.iter().map(|kind| Param::from(*kind)));
    tx.query_all(&sql, &values, |row| {
        Ok(Claimed { id: row.get(0)?, kind: row.get(1)?, payload: row.get(2)?, attempt: row.get(3)? })
    })
}

/// The first jobs that wait, of each of `count` kinds that stand in the places from `?first` on. Asked for one by
/// one, since the index knows each kind's order: many of one kind do not stand before the others.
fn each_kind(count: usize, first: usize, condition: &str, limit: &str) -> String {
    let of = |place: usize| {
        format!(
            "SELECT * FROM (SELECT id, due_at FROM jobs WHERE state = 'waiting' AND kind = ?{place} {condition}
             ORDER BY due_at, id LIMIT {limit}) AS one"
        )
    };
    (first..first + count).map(of).collect::<Vec<_>>().join(" UNION ALL ")
}

pub(super) fn done(tx: &Tx<'_>, job: &Claimed, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE jobs SET state = 'done', finished_at = ?1, error = NULL
         WHERE id = ?2 AND state = 'running' AND attempts = ?3",
        params![now, job.id, job.attempt],
    )?;
    Ok(())
}

/// Notes a failed attempt: to be tried again at `retry`, or given up.
pub(super) fn failed(tx: &Tx<'_>, job: &Claimed, error: &str, now: Time, retry: Option<Time>) -> Result<()> {
    let (state, finished) = if retry.is_some() { ("waiting", None) } else { ("failed", Some(now)) };
    tx.execute(
        "UPDATE jobs SET state = ?1, finished_at = ?2, due_at = coalesce(?3, due_at), error = ?4
         WHERE id = ?5 AND state = 'running' AND attempts = ?6",
        params![state, finished, retry, error, job.id, job.attempt],
    )?;
    Ok(())
}

/// What ran when the process last ended is due again, unless that was its last try.
pub(super) fn take_up(tx: &Tx<'_>, now: Time, tries: u32) -> Result<()> {
    const WHY: &str = "The process ended while this ran.";
    tx.execute(
        "UPDATE jobs SET state = 'failed', finished_at = ?1, error = ?2 WHERE state = 'running' AND attempts >= ?3",
        params![now, WHY, tries],
    )?;
    tx.execute(
        "UPDATE jobs SET state = 'waiting', due_at = ?1, error = ?2 WHERE state = 'running'",
        params![now, WHY],
    )?;
    Ok(())
}

/// Undoes a claim: the attempt does not count.
pub(super) fn hand_back(tx: &Tx<'_>, jobs: &[(Id, u32)], now: Time) -> Result<()> {
    for (id, attempt) in jobs {
        tx.execute(
            "UPDATE jobs SET state = 'waiting', attempts = attempts - 1, due_at = ?1
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
pub(super) fn put_on_schedule(tx: &Tx<'_>, kind: &'static str, due: Time, latest: Time) -> Result<()> {
    let moved = tx.execute(
        "UPDATE jobs SET due_at = ?1 WHERE kind = ?2 AND state = 'waiting' AND due_at > ?3",
        params![latest, kind, latest],
    )?;
    if moved == 0 && off_schedule(tx, kind, latest)? {
        super::enqueue(tx, kind, &(), due)?;
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
