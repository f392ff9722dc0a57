//! Elevations in the database.

use super::model::{Cause, Elevation, State, Waiting};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    storage::{Reader, Row, Tx},
};

pub(super) const TABLES: &str = "elevations JOIN users ON users.id = elevations.user_id";
pub(super) const COLUMNS: &str = "elevations.id, elevations.user_id, users.email, elevations.session_id, \
     elevations.reason, elevations.ip, elevations.expires_at, elevations.ended_at, elevations.end_cause, \
     elevations.ended_by, elevations.reviewed_at, elevations.reviewed_by, elevations.review_note, \
     elevations.created_at, elevations.updated_at";
pub(super) const COLUMN_COUNT: usize = 15;

/// What authenticating needs to know.
pub(in crate::identity) struct Running {
    pub id: Id,
    created_at: Time,
    pub expires_at: Time,
}

impl Running {
    /// A clock that was set back before its start does not prolong it.
    pub fn holds_at(&self, now: Time) -> bool {
        self.created_at <= now && now < self.expires_at
    }
}

/// The elevation of a session that nothing has ended yet but perhaps the time.
pub(in crate::identity) fn running(reader: &Reader<'_>, session: Id) -> Result<Option<Running>> {
    reader.query_one(
        "SELECT id, created_at, expires_at FROM elevations WHERE session_id = ?1 AND ended_at IS NULL
         ORDER BY created_at DESC LIMIT 1",
        params![session],
        |row| Ok(Running { id: row.get(0)?, created_at: row.get(1)?, expires_at: row.get(2)? }),
    )
}

pub(super) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<Elevation>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE elevations.id = ?1");
    reader.query_one(&sql, params![id], read)
}

/// What is not written down as ended, of one user.
pub(super) fn open_of(reader: &Reader<'_>, user: Id) -> Result<Vec<Elevation>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE elevations.user_id = ?1 AND elevations.ended_at IS NULL");
    reader.query_all(&sql, params![user], read)
}

/// Whoever has an elevation that is not written down as ended.
pub(in crate::identity) fn elevated_users(reader: &Reader<'_>) -> Result<Vec<Id>> {
    let sql = "SELECT DISTINCT user_id FROM elevations WHERE ended_at IS NULL";
    reader.query_all(sql, &[], |row| row.get(0))
}

/// Start and end of a user's latest elevations, the newest first.
pub(super) fn latest(reader: &Reader<'_>, user: Id) -> Result<Vec<(Time, Time)>> {
    reader.query_all(
        "SELECT created_at, coalesce(ended_at, expires_at) FROM elevations WHERE user_id = ?1
         ORDER BY created_at DESC LIMIT 100",
        params![user],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

pub(super) fn insert(tx: &Tx<'_>, new: &Elevation) -> Result<()> {
    tx.execute(
        "INSERT INTO elevations (id, user_id, session_id, reason, ip, created_at, expires_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)",
        params![new.id, new.user_id, new.session_id, &new.reason, new.ip.as_deref(), new.created_at, new.expires_at,],
    )?;
    Ok(())
}

pub(super) fn end(tx: &Tx<'_>, id: Id, cause: Cause, by: Option<Id>, at: Time) -> Result<()> {
    tx.execute(
        "UPDATE elevations SET ended_at = ?2, end_cause = ?3, ended_by = ?4, updated_at = ?2 WHERE id = ?1",
        params![id, at, cause.as_str(), by],
    )?;
    Ok(())
}

pub(super) fn review(tx: &Tx<'_>, id: Id, by: Option<Id>, note: &str, at: Time) -> Result<()> {
    tx.execute(
        "UPDATE elevations SET reviewed_at = ?2, reviewed_by = ?3, review_note = ?4, updated_at = ?2 WHERE id = ?1",
        params![id, at, by, note],
    )?;
    Ok(())
}

/// How many run now, and how many have ended and wait for their review.
pub(super) fn waiting(reader: &Reader<'_>, now: Time) -> Result<Waiting> {
    let counted = reader.query_one(
        "SELECT coalesce(sum(CASE WHEN ended_at IS NULL AND expires_at > ?1 THEN 1 ELSE 0 END), 0), count(*)
         FROM elevations WHERE reviewed_at IS NULL",
        params![now],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    let (active, open) = counted.unwrap_or_default();
    Ok(Waiting { active, unreviewed: open - active })
}

pub(super) fn read(row: &Row<'_>) -> Result<Elevation> {
    let cause: Option<String> = row.get(8)?;
    let known = |word: String| Cause::ALL.into_iter().find(|cause| cause.as_str() == word);
    let end_cause = match cause {
        Some(word) => Some(known(word).ok_or_else(|| Error::internal("an elevation ended for an unknown cause"))?),
        None => None,
    };
    let ended_at: Option<Time> = row.get(7)?;
    Ok(Elevation {
        id: row.get(0)?,
        user_id: row.get(1)?,
        user_email: row.get(2)?,
        session_id: row.get(3)?,
        reason: row.get(4)?,
        ip: row.get(5)?,
        state: if ended_at.is_some() { State::Ended } else { State::Active },
        expires_at: row.get(6)?,
        ended_at,
        end_cause,
        ended_by: row.get(9)?,
        reviewed_at: row.get(10)?,
        reviewed_by: row.get(11)?,
        review_note: row.get(12)?,
        created_at: row.get(13)?,
        updated_at: row.get(14)?,
    })
}
