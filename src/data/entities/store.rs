//! Entities in the database. Every query carries what its caller reaches.

use super::{
    model::{Entity, WIDTH, columns},
    scope::Scope,
};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    permit::Action,
    personal::{DataKeys, Erasure},
    refusal::Check,
    storage::{Param, Reader, Tx},
    web::Deleted,
};

/// Names hold no quotes, and standing in the text they let the partial indexes of the type be used.
pub(super) fn of_type(name: &str, deleted: Deleted) -> String {
    match deleted {
        Deleted::Without => format!("type = '{name}' AND deleted_at IS NULL"),
        Deleted::Only => format!("type = '{name}' AND deleted_at IS NOT NULL"),
        Deleted::Include => format!("type = '{name}'"),
    }
}

/// One entity that the caller may read.
pub(super) fn find(reader: &Reader<'_>, scope: &Scope, id: Id, deleted: Deleted) -> Result<Option<Entity>> {
    let mut params = vec![Param::Id(id)];
    let condition = scope.condition(Action::Read, &mut params);
    let of_type = of_type(&scope.entity_type.name, deleted);
    let columns = columns(Some(&scope.entity_type));
    let sql = format!("SELECT {columns} FROM entities WHERE id = ?1 AND {of_type} AND {condition}");
    reader.query_one(&sql, &params, Entity::read)
}

/// One entity to change: not found where the caller may not know of it, forbidden where they may only read it.
pub(super) fn find_for(reader: &Reader<'_>, scope: &Scope, id: Id, action: Action, deleted: Deleted) -> Result<Entity> {
    let mut params = vec![Param::Id(id)];
    let readable = scope.condition(Action::Read, &mut params);
    let within_reach = scope.condition(action, &mut params);
    let of_type = of_type(&scope.entity_type.name, deleted);
    let columns = columns(Some(&scope.entity_type));
    let sql = format!(
        "SELECT {columns}, CASE WHEN {readable} THEN 1 ELSE 0 END, CASE WHEN {within_reach} THEN 1 ELSE 0 END
         FROM entities WHERE id = ?1 AND {of_type}"
    );
    let found = reader.query_one(&sql, &params, |row| {
        Ok((Entity::read(row)?, row.get::<bool>(WIDTH)?, row.get::<bool>(WIDTH + 1)?))
    })?;
    match found {
        Some((entity, _, true)) => Ok(entity),
        Some((_, true, false)) => Err(Error::forbidden("You may read this, but not change it.").because(
            Check::Ownership,
            format!(
                "The entity can be read, but the permission to {} does not reach it: {}.",
                action.as_str(),
                scope.told(action)
            ),
        )),
        _ => Err(Error::not_found()),
    }
}

/// Whether the entity, as it now stands in the transaction, is within reach of the action.
pub(super) fn within_reach(tx: &Tx<'_>, scope: &Scope, id: Id, action: Action) -> Result<bool> {
    let mut params = vec![Param::Id(id)];
    let condition = scope.condition(action, &mut params);
    let sql = format!("SELECT 1 FROM entities WHERE id = ?1 AND {condition}");
    Ok(tx.query_one(&sql, &params, |_| Ok(()))?.is_some())
}

/// Whether the action reaches an entity of the scope's type.
pub(super) fn is_within(reader: &Reader<'_>, scope: &Scope, id: Id, action: Action, deleted: Deleted) -> Result<bool> {
    let mut params = vec![Param::Id(id)];
    let condition = scope.condition(action, &mut params);
    let of_type = of_type(&scope.entity_type.name, deleted);
    let sql = format!("SELECT 1 FROM entities WHERE id = ?1 AND {of_type} AND {condition}");
    Ok(reader.query_one(&sql, &params, |_| Ok(()))?.is_some())
}

pub(super) fn insert(tx: &Tx<'_>, keys: &DataKeys, new: &Entity) -> Result<()> {
    tx.execute(
        "INSERT INTO entities (id, type, name, confidence, data, owner_id, version, created_at, updated_at, created_by,
                               updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            new.id,
            &*new.entity_type,
            new.name.as_deref(),
            new.confidence,
            &new.data,
            new.owner_id,
            new.version,
            new.created_at,
            new.updated_at,
            new.created_by,
            new.updated_by,
        ],
    )?;
    new.key.as_ref().map_or(Ok(()), |key| keys.keep(tx, new.id, key))
}

/// Writes `new` over `old`, which is kept as a version that `ended_by` ended.
pub(super) fn update(tx: &Tx<'_>, keys: &DataKeys, old: &Entity, new: &Entity, ended_by: &str) -> Result<()> {
    tx.execute(
        "INSERT INTO entity_versions (id, version, name, confidence, data, owner_id, updated_at, updated_by, deleted_at,
                                      deleted_by, ended_by)
         SELECT id, version, name, confidence, data, owner_id, updated_at, updated_by, deleted_at, deleted_by, ?2
         FROM entities WHERE id = ?1",
        params![new.id, ended_by],
    )?;
    tx.execute(
        "UPDATE entities SET name = ?2, confidence = ?3, data = ?4, owner_id = ?5, version = ?6, updated_at = ?7,
                updated_by = ?8, deleted_at = ?9, deleted_by = ?10 WHERE id = ?1",
        params![
            new.id,
            new.name.as_deref(),
            new.confidence,
            &new.data,
            new.owner_id,
            new.version,
            new.updated_at,
            new.updated_by,
            new.deleted_at,
            new.deleted_by,
        ],
    )?;
    new.key.as_ref().filter(|_| old.key.is_none()).map_or(Ok(()), |key| keys.keep(tx, new.id, key))
}

pub(super) fn user_exists(reader: &Reader<'_>, id: Id) -> Result<bool> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NULL";
    Ok(reader.query_one(sql, params![id], |_| Ok(()))?.is_some())
}

/// Whether the id is taken, by whatever entity.
pub(super) fn is_taken(reader: &Reader<'_>, id: Id) -> Result<bool> {
    Ok(reader.query_one("SELECT 1 FROM entities WHERE id = ?1", params![id], |_| Ok(()))?.is_some())
}

/// Removes entities of a type that were deleted before a moment, and answers which.
pub(super) fn purge(tx: &Tx<'_>, entity_type: &str, before: Time, most: u32) -> Result<Vec<Id>> {
    let of_type = of_type(entity_type, Deleted::Only);
    let sql = format!("SELECT id FROM entities WHERE {of_type} AND deleted_at <= ?1 ORDER BY deleted_at, id LIMIT ?2");
    let ids = tx.query_all(&sql, params![before, most], |row| row.get::<Id>(0))?;
    for id in &ids {
        tx.execute("DELETE FROM entities WHERE id = ?1", params![*id])?;
    }
    Ok(ids)
}

pub(super) fn is_erased(reader: &Reader<'_>, id: Id) -> Result<bool> {
    let sql = "SELECT 1 FROM entities WHERE id = ?1 AND erased_at IS NOT NULL";
    Ok(reader.query_one(sql, params![id], |_| Ok(()))?.is_some())
}

/// One entity of whatever type, for the program's own work.
pub(super) fn anywhere(reader: &Reader<'_>, id: Id) -> Result<Option<Entity>> {
    let sql = format!("SELECT {} FROM entities WHERE id = ?1", columns(None));
    reader.query_one(&sql, params![id], Entity::read)
}

/// Whether this database is from before an erasure.
pub(super) fn knows(reader: &Reader<'_>, erasure: &Erasure) -> Result<bool> {
    let sql = "SELECT 1 FROM entities WHERE id = ?1 AND (updated_at < ?2
                   OR EXISTS (SELECT 1 FROM data_keys WHERE subject = ?1 AND key_id = ?3))";
    Ok(reader.query_one(sql, params![erasure.id, erasure.at, erasure.key], |_| Ok(()))?.is_some())
}

/// Up to ?2 entities of the scope's type that the user ?1 owns, the newest first.
pub(super) fn owned(
    reader: &Reader<'_>,
    scope: &Scope,
    deleted: Deleted,
    condition: &str,
    params: &[Param<'static>],
) -> Result<Vec<Entity>> {
    let (columns, of_type) = (columns(Some(&scope.entity_type)), of_type(&scope.entity_type.name, deleted));
    let sql = format!(
        "SELECT {columns} FROM entities WHERE owner_id = ?1 AND {of_type} AND {condition}
         ORDER BY created_at DESC, id DESC LIMIT ?2"
    );
    reader.query_all(&sql, params, Entity::read)
}
