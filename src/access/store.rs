//! Roles in the database.

use super::role::{RateLimit, Role};
use crate::{
    clock::Time,
    error::{Error, Result},
    params,
    permit::Permission,
    storage::{Reader, Row, Tx},
};

const COLUMNS: &str = "id, name, permissions, clearance, per_minute, built_in, version, created_at, updated_at";

pub(super) fn all(reader: &Reader<'_>) -> Result<Vec<Role>> {
    reader.query_all(&format!("SELECT {COLUMNS} FROM roles ORDER BY name"), &[], read)
}

pub(super) fn find(reader: &Reader<'_>, name: &str) -> Result<Option<Role>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM roles WHERE name = ?1"), params![name], read)
}

pub(super) fn insert(tx: &Tx<'_>, role: &Role) -> Result<()> {
    tx.execute(
        "INSERT INTO roles (id, name, permissions, clearance, per_minute, built_in, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)",
        params![
            role.id,
            &*role.name,
            permissions(role)?,
            role.clearance.as_str(),
            role.rate_limit.map(|limit| limit.per_minute),
            role.version,
            role.created_at,
            role.updated_at,
        ],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, role: &Role) -> Result<()> {
    tx.execute(
        "UPDATE roles SET permissions = ?2, clearance = ?3, per_minute = ?4, version = ?5, updated_at = ?6 WHERE name = ?1",
        params![
            &*role.name,
            permissions(role)?,
            role.clearance.as_str(),
            role.rate_limit.map(|limit| limit.per_minute),
            role.version,
            role.updated_at,
        ],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &Tx<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM roles WHERE name = ?1", params![name])?;
    Ok(())
}

fn permissions(role: &Role) -> Result<String> {
    serde_json::to_string(&role.permissions).map_err(Error::internal)
}

fn read(row: &Row<'_>) -> Result<Role> {
    let texts: Vec<String> = serde_json::from_str(row.text(2)?).map_err(Error::internal)?;
    let permissions: Result<Vec<Permission>, String> = texts.iter().map(|text| text.parse()).collect();
    Ok(Role {
        id: row.get(0)?,
        name: row.text(1)?.into(),
        permissions: permissions.map_err(Error::internal)?,
        clearance: row.text(3)?.parse().map_err(|cause: String| Error::internal(cause))?,
        rate_limit: row.get::<Option<u32>>(4)?.map(|per_minute| RateLimit { per_minute }),
        built_in: row.get(5)?,
        version: row.get(6)?,
        created_at: row.get::<Time>(7)?,
        updated_at: row.get(8)?,
    })
}
