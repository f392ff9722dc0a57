//! The `backups` table, and the list that it and the folder make together.

use super::{
    Backups,
    check::Good,
    model::{self, Backup, Schedule},
    place::Found,
    recovery::RecoveryPublic,
};
use crate::{
    clock::Time,
    config::Current,
    error::Result,
    params,
    storage::{Reader, Tx},
};
use std::{path::PathBuf, time::Duration};

struct Known {
    created_at: Time,
    scheduled: bool,
    took_ms: Option<i64>,
    verified_at: Option<Time>,
    verify_ms: Option<i64>,
    rows: Option<i64>,
    events: Option<i64>,
    error: Option<String>,
    updated_at: Time,
}

fn known(reader: &Reader<'_>, name: &str) -> Result<Option<Known>> {
    let sql = "SELECT created_at, scheduled, took_ms, verified_at, verify_ms, rows, events, error, updated_at
               FROM backups WHERE name = ?1";
    reader.query_one(sql, params![name], |row| {
        Ok(Known {
            created_at: row.get(0)?,
            scheduled: row.get::<i64>(1)? == 1,
            took_ms: row.get(2)?,
            verified_at: row.get(3)?,
            verify_ms: row.get(4)?,
            rows: row.get(5)?,
            events: row.get(6)?,
            error: row.get(7)?,
            updated_at: row.get(8)?,
        })
    })
}

pub(super) fn insert(
    tx: &Tx<'_>,
    name: &str,
    created_at: Time,
    (scheduled, took): (bool, Option<Duration>),
    now: Time,
) -> Result<()> {
    tx.execute(
        "INSERT INTO backups (name, created_at, scheduled, took_ms, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO NOTHING",
        params![name, created_at, i64::from(scheduled), took.map(|took| took.as_millis() as i64), now],
    )?;
    Ok(())
}

pub(super) fn note_good(tx: &Tx<'_>, name: &str, good: &Good, now: Time) -> Result<()> {
    insert(tx, name, good.head.created_at, (false, None), now)?;
    tx.execute(
        "UPDATE backups SET verified_at = ?1, verify_ms = ?2, rows = ?3, events = ?4, error = NULL, updated_at = ?1
         WHERE name = ?5",
        params![now, good.took.as_millis() as i64, good.rows, good.events, name],
    )?;
    Ok(())
}

pub(super) fn note_bad(tx: &Tx<'_>, name: &str, why: &str, now: Time) -> Result<()> {
    insert(tx, name, now, (false, None), now)?;
    tx.execute(
        "UPDATE backups SET verified_at = NULL, error = ?1, updated_at = ?2 WHERE name = ?3",
        params![why, now, name],
    )?;
    Ok(())
}

pub(super) fn forget(tx: &Tx<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM backups WHERE name = ?1", params![name])?;
    Ok(())
}

/// Those that were found good, the newest first: names, and when they were taken.
pub(super) fn good(reader: &Reader<'_>) -> Result<Vec<(String, Time)>> {
    let sql = "SELECT name, created_at FROM backups WHERE verified_at IS NOT NULL AND error IS NULL
               ORDER BY created_at DESC, name DESC LIMIT 1000";
    reader.query_all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn newest_good(reader: &Reader<'_>) -> Result<Option<(String, Time)>> {
    let sql = "SELECT name, created_at FROM backups WHERE verified_at IS NOT NULL AND error IS NULL
               ORDER BY created_at DESC, name DESC LIMIT 1";
    reader.query_one(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

impl Backups {
    /// The configuration's own files.
    pub(super) fn configuration(&self) -> Vec<PathBuf> {
        self.config.loaded().files()
    }

    /// All backups and how more come about. It looks at files: not for an event loop.
    pub fn list(&self) -> Result<model::Backups> {
        let found = self.place.list()?;
        let mut items = found.into_iter().map(|found| self.shown(found)).collect::<Result<Vec<_>>>()?;
        items.sort_by(|a, b| (b.created_at, &b.name).cmp(&(a.created_at, &a.name)));
        let config: Current = self.config.load();
        let now = self.ledger.clock().now();
        let schedule = config.backup.schedule.as_ref().map(|cron| Schedule {
            cron: cron.to_string(),
            words: cron.in_words(),
            next_at: cron.after(now),
        });
        Ok(model::Backups {
            items,
            next_cursor: None,
            schedule,
            keep: config.backup.keep,
            keep_days: config.backup.keep_days,
            recovery_key: RecoveryPublic::read(self.folder.path())?.map(|public| public.id()),
            beside_data: self.beside_data(),
            place: self.place.shown(),
            files_elsewhere: self.files_elsewhere(),
        })
    }

    pub fn find(&self, name: &str) -> Result<Backup> {
        self.shown(self.place.find(name)?)
    }

    fn shown(&self, found: Found) -> Result<Backup> {
        let head = self.place.head(&found);
        let Found { name, size } = found;
        let known = self.ledger.db().read(|reader| known(reader, &name))?;
        let created_at = head.as_ref().map(|head| head.created_at).ok();
        let made_at = created_at.or(known.as_ref().map(|known| known.created_at)).unwrap_or_default();
        let none = || Known {
            created_at: made_at,
            scheduled: false,
            took_ms: None,
            verified_at: None,
            verify_ms: None,
            rows: None,
            events: None,
            error: None,
            updated_at: made_at,
        };
        let known = known.unwrap_or_else(none);
        Ok(Backup {
            name,
            created_at: made_at,
            updated_at: known.updated_at,
            size,
            verified: known.verified_at.is_some() && known.error.is_none() && head.is_ok(),
            verified_at: known.verified_at,
            verify_ms: known.verify_ms,
            rows: known.rows,
            events: known.events,
            error: head.as_ref().err().map(ToString::to_string).or(known.error),
            scheduled: known.scheduled,
            took_ms: known.took_ms,
            recovery_key: head.ok().and_then(|head| head.recovery).map(|wrapped| wrapped.key),
        })
    }
}
