//! Keys and their secrets in the database.

use super::model::ApiKey;
use crate::{
    access::RateLimit,
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    permit::Permission,
    storage::{Reader, Row, Tx},
};

pub(super) const COLUMNS: &str = "api_keys.id, api_keys.name, api_keys.prefix, api_keys.scopes, api_keys.owner_id, \
     users.email, api_keys.per_minute, api_keys.expires_at, api_keys.last_used_at, \
     (SELECT max(ends_at) FROM api_key_secrets WHERE key_id = api_keys.id), \
     api_keys.created_at, api_keys.created_by, api_keys.updated_at, api_keys.version";
pub(super) const COLUMN_COUNT: usize = 14;
pub(super) const TABLES: &str = "api_keys JOIN users ON users.id = api_keys.owner_id";

/// What authenticating needs to know of a key.
#[derive(Clone, Debug)]
pub(in crate::identity) struct Loaded {
    pub id: Id,
    pub owner_id: Id,
    pub name: String,
    pub scopes: Vec<Permission>,
    pub per_minute: Option<u32>,
    pub expires_at: Option<Time>,
    /// Of the secret: when a rotation ends it.
    pub ends_at: Option<Time>,
    pub last_used_at: Option<Time>,
}

/// The key of a secret, whether it has ended or not.
pub(in crate::identity) fn load(reader: &Reader<'_>, fingerprint: &str) -> Result<Option<Loaded>> {
    reader.query_one(
        "SELECT api_keys.id, owner_id, name, scopes, per_minute, expires_at, ends_at, last_used_at
         FROM api_key_secrets JOIN api_keys ON api_keys.id = key_id WHERE fingerprint = ?1",
        params![fingerprint],
        |row| {
            Ok(Loaded {
                id: row.get(0)?,
                owner_id: row.get(1)?,
                name: row.get(2)?,
                scopes: scopes(row.text(3)?)?,
                per_minute: row.get(4)?,
                expires_at: row.get(5)?,
                ends_at: row.get(6)?,
                last_used_at: row.get(7)?,
            })
        },
    )
}

pub(in crate::identity) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE api_keys.id = ?1");
    reader.query_one(&sql, params![id], read)
}

pub(in crate::identity) fn all(reader: &Reader<'_>) -> Result<Vec<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} ORDER BY users.email_key, api_keys.created_at, api_keys.id");
    reader.query_all(&sql, &[], read)
}

pub(super) fn count_of(reader: &Reader<'_>, owner: Id) -> Result<i64> {
    let sql = "SELECT count(*) FROM api_keys WHERE owner_id = ?1";
    Ok(reader.query_one(sql, params![owner], |row| row.get(0))?.unwrap_or(0))
}

pub(super) fn insert(tx: &Tx<'_>, key: &ApiKey) -> Result<()> {
    let scopes = serde_json::to_string(&key.scopes).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO api_keys (id, owner_id, name, prefix, scopes, per_minute, version, created_at, created_by, updated_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            key.id,
            key.owner_id,
            &key.name,
            &key.prefix,
            scopes,
            key.rate_limit.map(|limit| limit.per_minute),
            key.version,
            key.created_at,
            key.created_by,
            key.updated_at,
            key.expires_at,
        ],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, key: &ApiKey) -> Result<()> {
    tx.execute(
        "UPDATE api_keys SET name = ?2, prefix = ?3, per_minute = ?4, version = ?5, updated_at = ?6, expires_at = ?7 WHERE id = ?1",
        params![
            key.id,
            &key.name,
            &key.prefix,
            key.rate_limit.map(|limit| limit.per_minute),
            key.version,
            key.updated_at,
            key.expires_at,
        ],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &Tx<'_>, id: Id) -> Result<()> {
    tx.execute("DELETE FROM api_key_secrets WHERE key_id = ?1", params![id])?;
    tx.execute("DELETE FROM api_keys WHERE id = ?1", params![id])?;
    Ok(())
}

/// Removes the keys of `owner` with their secrets.
pub(in crate::identity) fn remove_all(tx: &Tx<'_>, owner: Id) -> Result<()> {
    let keys = "SELECT id FROM api_keys WHERE owner_id = ?1";
    tx.execute(&format!("DELETE FROM api_key_secrets WHERE key_id IN ({keys})"), params![owner])?;
    tx.execute("DELETE FROM api_keys WHERE owner_id = ?1", params![owner])?;
    Ok(())
}

pub(in crate::identity) fn of_owner(reader: &Reader<'_>, owner: Id) -> Result<Vec<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE api_keys.owner_id = ?1 ORDER BY api_keys.created_at");
    reader.query_all(&sql, params![owner], read)
}

pub(super) fn insert_secret(tx: &Tx<'_>, key: Id, fingerprint: &str, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO api_key_secrets (fingerprint, key_id, created_at) VALUES (?1, ?2, ?3)",
        params![fingerprint, key, now],
    )?;
    Ok(())
}

/// Has the secrets that a key has so far end at `end`, where they would live longer.
pub(super) fn end_secrets(tx: &Tx<'_>, key: Id, end: Time) -> Result<()> {
    tx.execute(
        "UPDATE api_key_secrets SET ends_at = ?2 WHERE key_id = ?1 AND (ends_at IS NULL OR ends_at > ?2)",
        params![key, end],
    )?;
    Ok(())
}

/// Moves on when a key was last used.
pub(in crate::identity) fn used(tx: &Tx<'_>, key: Id, at: Time) -> Result<()> {
    let sql = "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";
    tx.execute(sql, params![key, at])?;
    Ok(())
}

/// Removes secrets that ended before `now`. Keys that expired stay until somebody removes them.
pub(in crate::identity) fn clean(tx: &Tx<'_>, now: Time) -> Result<()> {
    tx.execute("DELETE FROM api_key_secrets WHERE ends_at <= ?1", params![now])?;
    Ok(())
}

/// A scope that this version does not know allows nothing.
fn scopes(text: &str) -> Result<Vec<Permission>> {
    let texts: Vec<String> = serde_json::from_str(text).map_err(Error::internal)?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

pub(super) fn read(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        prefix: row.get(2)?,
        scopes: scopes(row.text(3)?)?,
        owner_id: row.get(4)?,
        owner_email: row.get(5)?,
        rate_limit: row.get::<Option<u32>>(6)?.map(|per_minute| RateLimit { per_minute }),
        expires_at: row.get(7)?,
        last_used_at: row.get(8)?,
        overlap_ends_at: row.get(9)?,
        created_at: row.get(10)?,
        created_by: row.get(11)?,
        updated_at: row.get(12)?,
        version: row.get(13)?,
    })
}
