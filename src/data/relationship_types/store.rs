//! Kinds of relationships in the database.

use super::model::{OnDelete, RelationshipType};
use crate::{
    error::Result,
    params,
    storage::{Reader, Row, Tx},
};

const COLUMNS: &str = "id, name, on_delete, allow_self, version, created_at, updated_at";

/// The names of the kinds that go with their ends, for conditions.
pub const CASCADING: &str = "SELECT name FROM relationship_types WHERE on_delete = 'cascade'";

/// In the order of their names.
pub fn all(reader: &Reader<'_>) -> Result<Vec<RelationshipType>> {
    reader.query_all(&format!("SELECT {COLUMNS} FROM relationship_types ORDER BY name"), &[], read)
}

pub fn find(reader: &Reader<'_>, name: &str) -> Result<Option<RelationshipType>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM relationship_types WHERE name = ?1"), params![name], read)
}

pub(super) fn count(reader: &Reader<'_>) -> Result<i64> {
    Ok(reader.query_one("SELECT count(*) FROM relationship_types", &[], |row| row.get(0))?.unwrap_or(0))
}

pub(super) fn page(reader: &Reader<'_>, behind: &str, limit: u32) -> Result<Vec<RelationshipType>> {
    let sql = format!("SELECT {COLUMNS} FROM relationship_types WHERE name > ?1 ORDER BY name LIMIT ?2");
    reader.query_all(&sql, params![behind, limit], read)
}

pub(super) fn insert(tx: &Tx<'_>, new: &RelationshipType) -> Result<()> {
    tx.execute(
        "INSERT INTO relationship_types (id, name, on_delete, allow_self, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![new.id, &new.name, new.on_delete.as_str(), new.allow_self, new.version, new.created_at, new.updated_at],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, new: &RelationshipType) -> Result<()> {
    tx.execute(
        "UPDATE relationship_types SET on_delete = ?2, allow_self = ?3, version = ?4, updated_at = ?5 WHERE name = ?1",
        params![&new.name, new.on_delete.as_str(), new.allow_self, new.version, new.updated_at],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &Tx<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM relationship_types WHERE name = ?1", params![name])?;
    Ok(())
}

/// Relationships of a kind that lead from an entity to itself.
pub(super) fn loops(reader: &Reader<'_>, name: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM relationships WHERE type = ?1 AND from_id = to_id AND deleted_at IS NULL";
    Ok(reader.query_one(sql, params![name], |row| row.get(0))?.unwrap_or(0))
}

fn read(row: &Row<'_>) -> Result<RelationshipType> {
    Ok(RelationshipType {
        id: row.get(0)?,
        name: row.get(1)?,
        on_delete: if row.text(2)? == "cascade" { OnDelete::Cascade } else { OnDelete::Restrict },
        allow_self: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}
