//! Sessions and their refresh tokens in the database.

use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    permit::SessionKind,
    storage::{Reader, Row, Tx},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a device counts as new.
const NEW_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How a session is found: by the id in an access token, or by the fingerprint of a cookie.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) enum By<'a> {
    Id(Id),
    Secret(&'a str),
}

/// What authenticating needs to know of a session.
#[derive(Clone, Debug)]
pub(in crate::identity) struct Loaded {
    pub id: Id,
    pub user_id: Id,
    pub kind: SessionKind,
    pub last_used_at: Time,
    pub expires_at: Time,
    pub ended_at: Option<Time>,
}

/// A session on the way in.
#[derive(Clone, Debug)]
pub(super) struct NewSession {
    pub id: Id,
    pub user_id: Id,
    pub kind: SessionKind,
    /// The fingerprint of a cookie.
    pub secret: Option<String>,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub created_at: Time,
    pub expires_at: Time,
    /// From a device that was not seen before.
    pub new_device: bool,
}

/// A session as its owner sees it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Shown {
    pub id: Id,
    pub kind: String,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub created_at: Time,
    pub last_used_at: Time,
    pub expires_at: Time,
    pub current: bool,
    /// Begun lately, from a device that was not seen before.
    pub new_device: bool,
}

pub(super) fn kind_word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Token => "token",
        SessionKind::Cookie => "cookie",
    }
}

pub(super) fn insert(tx: &Tx<'_>, new: &NewSession) -> Result<()> {
    tx.execute(
        "INSERT INTO sessions (id, user_id, kind, secret, user_agent, ip, created_at, last_used_at, expires_at,
                               new_device)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
        params![
            new.id,
            new.user_id,
            kind_word(new.kind),
            new.secret.as_deref(),
            new.user_agent.as_deref(),
            new.ip.as_deref(),
            new.created_at,
            new.expires_at,
            i64::from(new.new_device),
        ],
    )?;
    Ok(())
}

pub(in crate::identity) fn load(reader: &Reader<'_>, by: By<'_>) -> Result<Option<Loaded>> {
    const COLUMNS: &str = "SELECT id, user_id, kind, last_used_at, expires_at, ended_at FROM sessions WHERE";
    match by {
        By::Id(id) => reader.query_one(&format!("{COLUMNS} id = ?1"), params![id], read),
        By::Secret(secret) => reader.query_one(&format!("{COLUMNS} secret = ?1"), params![secret], read),
    }
}

fn read(row: &Row<'_>) -> Result<Loaded> {
    Ok(Loaded {
        id: row.get(0)?,
        user_id: row.get(1)?,
        kind: match row.text(2)? {
            "token" => SessionKind::Token,
            "cookie" => SessionKind::Cookie,
            _ => return Err(Error::internal("a session has an unknown kind")),
        },
        last_used_at: row.get(3)?,
        expires_at: row.get(4)?,
        ended_at: row.get(5)?,
    })
}

/// The sessions of a user that are still good, newest first.
pub(super) fn list(
    reader: &Reader<'_>,
    user: Id,
    now: Time,
    idle: Duration,
    current: Option<Id>,
) -> Result<Vec<Shown>> {
    reader.query_all(
        "SELECT id, kind, user_agent, ip, created_at, last_used_at, expires_at, new_device FROM sessions
         WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 AND (kind <> 'cookie' OR last_used_at > ?3)
         ORDER BY created_at DESC, id DESC LIMIT 200",
        params![user, now, now.minus(idle)],
        |row| {
            let (id, created_at) = (row.get(0)?, row.get(4)?);
            let lately = now.since(created_at) < NEW_FOR;
            Ok(Shown {
                id,
                kind: row.get(1)?,
                user_agent: row.get(2)?,
                ip: row.get(3)?,
                created_at,
                last_used_at: row.get(5)?,
                expires_at: row.get(6)?,
                current: current == Some(id),
                new_device: lately && row.get::<Option<i64>>(7)? == Some(1),
            })
        },
    )
}

/// Ends one session of `user`; whether there was one to end.
pub(super) fn end(tx: &Tx<'_>, user: Id, session: Id, now: Time) -> Result<bool> {
    let sql =
        "UPDATE sessions SET ended_at = ?3 WHERE id = ?1 AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?3";
    Ok(tx.execute(sql, params![session, user, now])? > 0)
}

/// Ends every session of `user`, but for `except`; how many.
pub(in crate::identity) fn end_all(tx: &Tx<'_>, user: Id, except: Option<Id>, now: Time) -> Result<usize> {
    tx.execute(
        "UPDATE sessions SET ended_at = ?3
         WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?3 AND (?2 IS NULL OR id <> ?2)",
        params![user, except, now],
    )
}

/// Ends every session there is; how many.
pub(in crate::identity) fn end_everybodys(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("UPDATE sessions SET ended_at = ?1 WHERE ended_at IS NULL AND expires_at > ?1", params![now])
}

/// Removes every trace of the sessions of `user`, the tokens of each included.
pub(in crate::identity) fn remove_all(tx: &Tx<'_>, user: Id) -> Result<()> {
    tx.execute("DELETE FROM sessions WHERE user_id = ?1", params![user])?;
    Ok(())
}

/// All that is kept of the sessions of `user`.
pub(in crate::identity) fn kept_of(reader: &Reader<'_>, user: Id) -> Result<Vec<Value>> {
    let sql = "SELECT id, kind, user_agent, ip, created_at, last_used_at, expires_at, ended_at FROM sessions
               WHERE user_id = ?1 ORDER BY created_at DESC, id DESC LIMIT 1000";
    reader.query_all(sql, params![user], |row| {
        Ok(json!({
            "id": row.get::<Id>(0)?, "kind": row.get::<String>(1)?, "user_agent": row.get::<Option<String>>(2)?,
            "ip": row.get::<Option<String>>(3)?, "created_at": row.get::<Time>(4)?,
            "last_used_at": row.get::<Time>(5)?, "expires_at": row.get::<Time>(6)?,
            "ended_at": row.get::<Option<Time>>(7)?,
        }))
    })
}

/// Moves on when a session was last used.
pub(in crate::identity) fn used(tx: &Tx<'_>, session: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE sessions SET last_used_at = ?2 WHERE id = ?1 AND last_used_at < ?2", params![session, at])?;
    Ok(())
}

/// A refresh token as it stands.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pub session: Loaded,
    pub replaced_at: Option<Time>,
    /// Its successor was used in turn.
    pub successor_used: bool,
}

pub(super) fn find_refresh(reader: &Reader<'_>, fingerprint: &str) -> Result<Option<Refresh>> {
    let found = reader.query_one(
        "SELECT token.session_id, token.replaced_at, successor.replaced_at
         FROM refresh_tokens AS token LEFT JOIN refresh_tokens AS successor ON successor.fingerprint = token.replaced_by
         WHERE token.fingerprint = ?1",
        params![fingerprint],
        |row| Ok((row.get::<Id>(0)?, row.get(1)?, row.get::<Option<Time>>(2)?.is_some())),
    )?;
    let Some((session, replaced_at, successor_used)) = found else { return Ok(None) };
    let session = load(reader, By::Id(session))?;
    Ok(session.map(|session| Refresh { session, replaced_at, successor_used }))
}

pub(super) fn insert_refresh(tx: &Tx<'_>, session: Id, fingerprint: &str, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO refresh_tokens (fingerprint, session_id, created_at) VALUES (?1, ?2, ?3)",
        params![fingerprint, session, now],
    )?;
    Ok(())
}

/// Puts `successor` in the place of `fingerprint`, and lets the session live on.
pub(super) fn rotate(
    tx: &Tx<'_>,
    session: Id,
    fingerprint: &str,
    successor: &str,
    now: Time,
    expires_at: Time,
) -> Result<()> {
    tx.execute(
        "UPDATE refresh_tokens SET replaced_at = ?2, replaced_by = ?3 WHERE fingerprint = ?1",
        params![fingerprint, now, successor],
    )?;
    insert_refresh(tx, session, successor, now)?;
    tx.execute(
        "UPDATE sessions SET last_used_at = ?2, expires_at = ?3 WHERE id = ?1",
        params![session, now, expires_at],
    )?;
    Ok(())
}

/// Sessions removed in one change, so that others do not wait.
const PORTION: i64 = 500;

/// Removes some of the sessions that ended or expired before `before`, with their tokens; whether there are more.
pub(in crate::identity) fn clean(tx: &Tx<'_>, before: Time) -> Result<bool> {
    let ids: Vec<Id> = tx.query_all(
        "SELECT id FROM sessions WHERE expires_at < ?1 OR ended_at < ?1 LIMIT ?2",
        params![before, PORTION],
        |row| row.get(0),
    )?;
    for id in &ids {
        tx.execute("DELETE FROM refresh_tokens WHERE session_id = ?1", params![*id])?;
        tx.execute("DELETE FROM sessions WHERE id = ?1", params![*id])?;
    }
    Ok(ids.len() as i64 == PORTION)
}

/// Removes refresh tokens that were used before `before`: they have expired in any case.
pub(in crate::identity) fn clean_tokens(tx: &Tx<'_>, before: Time) -> Result<usize> {
    tx.execute("DELETE FROM refresh_tokens WHERE replaced_at < ?1", params![before])
}
