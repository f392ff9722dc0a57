//! Second factors in the database.

use crate::{
    clock::Time,
    error::Result,
    ids::Id,
    params,
    storage::{Reader, Tx},
};

/// The authenticator app of a user.
pub(super) struct Stored {
    pub sealed: String,
    pub last_step: i64,
    pub confirmed: bool,
}

pub(super) fn find(reader: &Reader<'_>, user: Id) -> Result<Option<Stored>> {
    reader.query_one(
        "SELECT secret, last_step, confirmed_at IS NOT NULL FROM totp WHERE user_id = ?1",
        params![user],
        |row| Ok(Stored { sealed: row.get(0)?, last_step: row.get(1)?, confirmed: row.get(2)? }),
    )
}

/// Keeps a secret that no code has been seen of; an earlier such one is forgotten.
pub(super) fn hand_out(tx: &Tx<'_>, user: Id, sealed: &str, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO totp (user_id, secret, last_step, created_at) VALUES (?1, ?2, 0, ?3)
         ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
         WHERE totp.confirmed_at IS NULL",
        params![user, sealed, now],
    )?;
    Ok(())
}

pub(super) fn confirm(tx: &Tx<'_>, user: Id, step: i64, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE totp SET confirmed_at = ?2, last_step = ?3 WHERE user_id = ?1 AND confirmed_at IS NULL",
        params![user, now, step],
    )?;
    Ok(())
}

/// Codes up to this step are refused from now on.
pub(super) fn take_step(tx: &Tx<'_>, user: Id, step: i64) -> Result<()> {
    tx.execute("UPDATE totp SET last_step = ?2 WHERE user_id = ?1", params![user, step])?;
    Ok(())
}

/// Removes the second factor with its recovery codes; whether there was one in force.
pub(in crate::identity) fn remove(tx: &Tx<'_>, user: Id) -> Result<bool> {
    let confirmed = find(tx, user)?.is_some_and(|stored| stored.confirmed);
    tx.execute("DELETE FROM recovery_codes WHERE user_id = ?1", params![user])?;
    tx.execute("DELETE FROM totp WHERE user_id = ?1", params![user])?;
    Ok(confirmed)
}

/// Puts new recovery codes in the place of all earlier ones.
pub(super) fn set_codes(tx: &Tx<'_>, user: Id, fingerprints: &[String]) -> Result<()> {
    tx.execute("DELETE FROM recovery_codes WHERE user_id = ?1", params![user])?;
    for fingerprint in fingerprints {
        tx.execute("INSERT INTO recovery_codes (fingerprint, user_id) VALUES (?1, ?2)", params![fingerprint, user])?;
    }
    Ok(())
}

pub(super) fn has_code(reader: &Reader<'_>, user: Id, fingerprint: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM recovery_codes WHERE user_id = ?1 AND fingerprint = ?2";
    Ok(reader.query_one(sql, params![user, fingerprint], |_| Ok(()))?.is_some())
}

pub(super) fn take_code(tx: &Tx<'_>, user: Id, fingerprint: &str) -> Result<()> {
    let sql = "DELETE FROM recovery_codes WHERE user_id = ?1 AND fingerprint = ?2";
    tx.execute(sql, params![user, fingerprint])?;
    Ok(())
}

pub(in crate::identity) fn codes_left(reader: &Reader<'_>, user: Id) -> Result<i64> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = ?1";
    Ok(reader.query_one(sql, params![user], |row| row.get(0))?.unwrap_or(0))
}
