//! Entity types in the database.

use super::{
    indexing,
    model::{Definition, FieldOptions},
};
use crate::{
    clock::Time,
    config::InspectionMode,
    error::{Error, Result},
    ids::Id,
    params,
    storage::{Reader, Row, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

const COLUMNS: &str = "id, name, schema, fields, indexes, alias, owner_only, version, created_at, updated_at, inspection, search, \
     retention_days";

pub(super) fn all(reader: &Reader<'_>) -> Result<Vec<Definition>> {
    reader.query_all(&format!("SELECT {COLUMNS} FROM entity_types ORDER BY name"), &[], read)
}

pub(super) fn find(reader: &Reader<'_>, name: &str) -> Result<Option<Definition>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM entity_types WHERE name = ?1"), params![name], read)
}

/// The version of a type as the transaction sees it, and whether its entities are being migrated; none when it is
/// gone.
pub(super) fn version(reader: &Reader<'_>, id: Id) -> Result<Option<(i64, bool)>> {
    let sql = "SELECT version, EXISTS (SELECT 1 FROM entity_type_migrations WHERE type = name) FROM entity_types
               WHERE id = ?1";
    reader.query_one(sql, params![id], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn has_alias(reader: &Reader<'_>, alias: &str) -> Result<Option<String>> {
    reader.query_one("SELECT name FROM entity_types WHERE alias = ?1", params![alias], |row| row.get(0))
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

pub(super) fn insert(tx: &Tx<'_>, new: &Definition) -> Result<()> {
    tx.execute(
        "INSERT INTO entity_types (id, name, schema, fields, indexes, alias, owner_only, version, created_at, updated_at, inspection,
                                   search, retention_days)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            new.id,
            &*new.name,
            text(&new.schema)?,
            text(&new.fields)?,
            text(&new.indexes)?,
            new.alias.as_deref(),
            new.owner_only,
            new.version,
            new.created_at,
            new.updated_at,
            new.inspection.map(InspectionMode::as_str),
            new.search.as_ref().map(text).transpose()?,
            new.retention_days,
        ],
    )?;
    indexing::follow(tx, new)
}

pub(super) fn update(tx: &Tx<'_>, new: &Definition) -> Result<()> {
    tx.execute(
        "UPDATE entity_types SET schema = ?2, fields = ?3, indexes = ?4, alias = ?5, owner_only = ?6, version = ?7,
                updated_at = ?8, inspection = ?9, search = ?10, retention_days = ?11 WHERE name = ?1",
        params![
            &*new.name,
            text(&new.schema)?,
            text(&new.fields)?,
            text(&new.indexes)?,
            new.alias.as_deref(),
            new.owner_only,
            new.version,
            new.updated_at,
            new.inspection.map(InspectionMode::as_str),
            new.search.as_ref().map(text).transpose()?,
            new.retention_days,
        ],
    )?;
    indexing::follow(tx, new)
}

/// Removes a type together with what was deleted in it; how many entities that were.
pub(super) fn delete(tx: &Tx<'_>, old: &Definition) -> Result<usize> {
    let purged = tx.execute("DELETE FROM entities WHERE type = ?1 AND deleted_at IS NOT NULL", params![&*old.name])?;
    indexing::forget(tx, old)?;
    tx.execute("DELETE FROM entity_types WHERE name = ?1", params![&*old.name])?;
    Ok(purged)
}

/// Entities of a type that are not deleted.
pub(super) fn entities(reader: &Reader<'_>, name: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM entities WHERE type = ?1 AND deleted_at IS NULL";
    Ok(reader.query_one(sql, params![name], |row| row.get(0))?.unwrap_or(0))
}

/// What a change says of a type, kept until a migration is through.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    schema: Value,
    fields: BTreeMap<String, FieldOptions>,
    indexes: Vec<String>,
    search: Option<Vec<String>>,
    alias: Option<Arc<str>>,
    owner_only: bool,
    inspection: Option<InspectionMode>,
    retention_days: Option<u32>,
}

impl From<&Definition> for Kept {
    fn from(new: &Definition) -> Self {
        Self {
            schema: new.schema.clone(),
            fields: new.fields.clone(),
            indexes: new.indexes.clone(),
            search: new.search.clone(),
            alias: new.alias.clone(),
            owner_only: new.owner_only,
            inspection: new.inspection,
            retention_days: new.retention_days,
        }
    }
}

impl Kept {
    /// The type with all of it, as the version after `before`.
    pub fn onto(self, before: Definition, now: Time) -> Definition {
        let Self { schema, fields, indexes, search, alias, owner_only, inspection, retention_days } = self;
        let version = before.version + 1;
        let said = Definition { schema, fields, indexes, search, alias, owner_only, inspection, ..before };
        Definition { retention_days, version, updated_at: now, ..said }
    }
}

fn mode(text: String) -> Result<InspectionMode> {
    serde_json::from_value(Value::String(text)).map_err(Error::internal)
}

fn read(row: &Row<'_>) -> Result<Definition> {
    let json = |index| serde_json::from_str::<Value>(row.text(index)?).map_err(Error::internal);
    Ok(Definition {
        id: row.get(0)?,
        name: row.text(1)?.into(),
        schema: json(2)?,
        fields: serde_json::from_value(json(3)?).map_err(Error::internal)?,
        indexes: serde_json::from_value(json(4)?).map_err(Error::internal)?,
        alias: row.get::<Option<String>>(5)?.map(Into::into),
        owner_only: row.get(6)?,
        version: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        retention_days: row.get(12)?,
        inspection: row.get::<Option<String>>(10)?.map(mode).transpose()?,
        search: match row.get::<Option<String>>(11)? {
            Some(text) => serde_json::from_str(&text).map_err(Error::internal)?,
            None => None,
        },
    })
}
