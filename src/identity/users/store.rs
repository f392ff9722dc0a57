//! Users in the database.

use super::model::{Kind, Status, User};
use crate::{
    access::ADMIN,
    clock::Time,
    error::{Code, Error, Result},
    identity::Email,
    ids::Id,
    params,
    personal::Erasure,
    storage::{Param, Reader, Row, Tx},
};
use std::collections::HashMap;

pub(super) const COLUMNS: &str = "users.id, users.email, users.name, users.kind, users.status, users.data, users.created_at, \
     users.updated_at, users.last_login_at, users.deleted_at, users.deleted_by, users.version, \
     EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id AND totp.confirmed_at IS NOT NULL)";
pub(super) const COLUMN_COUNT: usize = 13;

/// What signing in needs to know.
#[derive(Clone, Debug)]
pub(in crate::identity) struct Account {
    pub user: User,
    pub password: Option<String>,
}

/// One user by id, deleted or not.
pub(in crate::identity) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1");
    let Some(mut user) = reader.query_one(&sql, params![id], read)? else { return Ok(None) };
    user.roles = roles_of(reader, id)?;
    Ok(Some(user))
}

/// The account that an address signs in to.
pub(in crate::identity) fn account(reader: &Reader<'_>, email_key: &str) -> Result<Option<Account>> {
    account_where(reader, "email_key = ?1", params![email_key])
}

pub(in crate::identity) fn account_of(reader: &Reader<'_>, id: Id) -> Result<Option<Account>> {
    account_where(reader, "id = ?1", params![id])
}

fn account_where(reader: &Reader<'_>, condition: &str, params: &[Param<'_>]) -> Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS}, users.password FROM users WHERE {condition} AND deleted_at IS NULL");
    let found = reader.query_one(&sql, params, |row| Ok((read(row)?, row.get(COLUMN_COUNT)?)))?;
    let Some((mut user, password)) = found else { return Ok(None) };
    user.roles = roles_of(reader, user.id)?;
    Ok(Some(Account { user, password }))
}

pub(super) fn roles_of(reader: &Reader<'_>, id: Id) -> Result<Vec<String>> {
    reader.query_all("SELECT role FROM user_roles WHERE user_id = ?1 ORDER BY role", params![id], |row| row.get(0))
}

/// Fills in the roles of a page of users with one query.
pub(super) fn add_roles(reader: &Reader<'_>, users: &mut [User]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let places: Vec<_> = (1..=users.len()).map(|number| format!("?{number}")).collect();
    let sql = format!("SELECT user_id, role FROM user_roles WHERE user_id IN ({}) ORDER BY role", places.join(", "));
    let ids: Vec<Param<'_>> = users.iter().map(|user| user.id.into()).collect();
    let mut roles: HashMap<Id, Vec<String>> = HashMap::new();
    reader.query_each(&sql, &ids, |row| {
        roles.entry(row.get(0)?).or_default().push(row.get(1)?);
        Ok(())
    })?;
    for user in users {
        user.roles = roles.remove(&user.id).unwrap_or_default();
    }
    Ok(())
}

/// Everybody who is not deleted, by address.
pub(in crate::identity) fn all(reader: &Reader<'_>) -> Result<Vec<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE deleted_at IS NULL ORDER BY email_key");
    let mut users = reader.query_all(&sql, &[], read)?;
    for portion in users.chunks_mut(200) {
        add_roles(reader, portion)?;
    }
    Ok(users)
}

/// Whether somebody can administer this instance.
pub(in crate::identity) fn has_admin(reader: &Reader<'_>) -> Result<bool> {
    let found = reader.query_one(
        "SELECT 1 FROM user_roles JOIN users ON users.id = user_roles.user_id
         WHERE role = ?1 AND status = 'active' AND kind = 'person' AND deleted_at IS NULL LIMIT 1",
        params![ADMIN],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The addresses of those who administer this instance, as many as a notice goes to.
pub(in crate::identity) fn administrators(reader: &Reader<'_>) -> Result<Vec<String>> {
    reader.query_all(
        "SELECT email FROM user_roles JOIN users ON users.id = user_roles.user_id
         WHERE role = ?1 AND status = 'active' AND kind = 'person' AND deleted_at IS NULL ORDER BY email_key LIMIT 50",
        params![ADMIN],
        |row| row.get(0),
    )
}

pub(super) fn insert(tx: &Tx<'_>, user: &User, email: &Email, password: Option<&str>) -> Result<()> {
    tx.execute(
        "INSERT INTO users (id, email, email_key, name, data, kind, status, password, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            user.id,
            &user.email,
            email.key(),
            user.name.as_deref(),
            data(user)?,
            user.kind.as_str(),
            user.status.as_str(),
            password,
            user.version,
            user.created_at,
            user.updated_at,
        ],
    )
    .map_err(|cause| taken(cause, email))?;
    set_roles(tx, user)
}

pub(super) fn update(tx: &Tx<'_>, user: &User, email: &Email) -> Result<()> {
    tx.execute(
        "UPDATE users SET email = ?2, email_key = ?3, name = ?4, data = ?5, kind = ?6, status = ?7, version = ?8,
                          updated_at = ?9, deleted_at = ?10, deleted_by = ?11
         WHERE id = ?1",
        params![
            user.id,
            &user.email,
            email.key(),
            user.name.as_deref(),
            data(user)?,
            user.kind.as_str(),
            user.status.as_str(),
            user.version,
            user.updated_at,
            user.deleted_at,
            user.deleted_by,
        ],
    )
    .map_err(|cause| taken(cause, email))?;
    Ok(())
}

pub(super) fn set_roles(tx: &Tx<'_>, user: &User) -> Result<()> {
    tx.execute("DELETE FROM user_roles WHERE user_id = ?1", params![user.id])?;
    for role in &user.roles {
        tx.execute("INSERT INTO user_roles (user_id, role) VALUES (?1, ?2)", params![user.id, role])?;
    }
    Ok(())
}

pub(in crate::identity) fn set_password(tx: &Tx<'_>, id: Id, hashed: &str) -> Result<()> {
    tx.execute("UPDATE users SET password = ?2 WHERE id = ?1", params![id, hashed])?;
    Ok(())
}

/// What others see of the user changed in another table.
pub(in crate::identity) fn touch(tx: &Tx<'_>, id: Id, now: Time) -> Result<()> {
    tx.execute("UPDATE users SET version = version + 1, updated_at = ?2 WHERE id = ?1", params![id, now])?;
    Ok(())
}

pub(in crate::identity) fn signed_in(tx: &Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE users SET last_login_at = ?2 WHERE id = ?1", params![id, at])?;
    Ok(())
}

fn taken(cause: Error, email: &Email) -> Error {
    match cause.code() {
        Code::Conflict => Error::conflict(format!("There is an account for {email} already.")).caused_by(cause),
        _ => cause,
    }
}

fn data(user: &User) -> Result<String> {
    serde_json::to_string(&user.data).map_err(Error::internal)
}

pub(super) fn read(row: &Row<'_>) -> Result<User> {
    let word = |what: &str| Error::internal(format!("a user has an unknown {what}"));
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        kind: Kind::parse(row.text(3)?).ok_or_else(|| word("kind"))?,
        status: Status::parse(row.text(4)?).ok_or_else(|| word("status"))?,
        roles: Vec::new(),
        data: serde_json::from_str(row.text(5)?).map_err(Error::internal)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        last_login_at: row.get(8)?,
        deleted_at: row.get(9)?,
        deleted_by: row.get(10)?,
        version: row.get(11)?,
        mfa_enabled: row.get(12)?,
    })
}

/// Takes away what an account signs in with; `erased_at` where it was erased.
pub(super) fn forget(tx: &Tx<'_>, id: Id, erased_at: Option<Time>) -> Result<()> {
    let sql = "UPDATE users SET password = NULL, last_login_at = NULL, erased_at = ?2 WHERE id = ?1";
    tx.execute(sql, params![id, erased_at])?;
    Ok(())
}

pub(super) fn is_erased(reader: &Reader<'_>, id: Id) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND erased_at IS NOT NULL";
    Ok(reader.query_one(sql, params![id], |_| Ok(()))?.is_some())
}

/// Whether this database is from before an erasure.
pub(super) fn knows(reader: &Reader<'_>, erasure: &Erasure) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND (updated_at < ?2
                   OR EXISTS (SELECT 1 FROM data_keys WHERE subject = ?1 AND key_id = ?3))";
    Ok(reader.query_one(sql, params![erasure.id, erasure.at, erasure.key], |_| Ok(()))?.is_some())
}
