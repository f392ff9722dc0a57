//! Relationships in the database. Every query carries what its caller may know of.

use super::{
    model::{COLUMNS, Relationship, WIDTH},
    sight::Sight,
};
use crate::{
    error::{Error, Result},
    ids::Id,
    params,
    permit::Action,
    refusal::Check,
    storage::{Param, Reader, Tx},
    web::Deleted,
};

pub(super) fn deleted(which: Deleted) -> &'static str {
    match which {
        Deleted::Without => "deleted_at IS NULL",
        Deleted::Only => "deleted_at IS NOT NULL",
        Deleted::Include => "1 = 1",
    }
}

/// One that the caller may read.
pub(super) fn find(reader: &Reader<'_>, sight: &Sight, id: Id, which: Deleted) -> Result<Option<Relationship>> {
    let mut params = vec![Param::Id(id)];
    let (ends, within) = (sight.ends(&mut params), sight.within(Action::Read, &mut params));
    let deleted = deleted(which);
    let sql = format!("SELECT {COLUMNS} FROM relationships WHERE id = ?1 AND {deleted} AND {within} AND {ends}");
    reader.query_one(&sql, &params, Relationship::read)
}

/// One to change: not found where the caller may not know of it, forbidden where they may only read it.
pub(super) fn find_for(
    reader: &Reader<'_>,
    sight: &Sight,
    id: Id,
    action: Action,
    which: Deleted,
) -> Result<Relationship> {
    let mut params = vec![Param::Id(id)];
    let ends = sight.ends(&mut params);
    let (readable, within) = (sight.within(Action::Read, &mut params), sight.within(action, &mut params));
    let deleted = deleted(which);
    let sql = format!(
        "SELECT {COLUMNS}, CASE WHEN {readable} THEN 1 ELSE 0 END, CASE WHEN {within} THEN 1 ELSE 0 END
         FROM relationships WHERE id = ?1 AND {deleted} AND {ends}"
    );
    let found = reader.query_one(&sql, &params, |row| {
        Ok((Relationship::read(row)?, row.get::<bool>(WIDTH)?, row.get::<bool>(WIDTH + 1)?))
    })?;
    match found {
        Some((relationship, _, true)) => Ok(relationship),
        Some((_, true, false)) => Err(Error::forbidden("You may read this, but not change it.").because(
            Check::Ownership,
            format!("The permission to {} relationships does not reach it.", action.as_str()),
        )),
        _ => Err(Error::not_found()),
    }
}

/// Whether it, as it now stands in the transaction, is within the caller's permission on relationships.
pub(super) fn is_reached(reader: &Reader<'_>, sight: &Sight, id: Id, action: Action) -> Result<bool> {
    let mut params = vec![Param::Id(id)];
    let within = sight.within(action, &mut params);
    let sql = format!("SELECT 1 FROM relationships WHERE id = ?1 AND {within}");
    Ok(reader.query_one(&sql, &params, |_| Ok(()))?.is_some())
}

/// Whether two entities are joined like this already.
pub(super) fn is_joined(reader: &Reader<'_>, from: Id, to: Id, kind: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM relationships WHERE from_id = ?1 AND to_id = ?2 AND type = ?3 AND deleted_at IS NULL";
    Ok(reader.query_one(sql, params![from, to, kind], |_| Ok(()))?.is_some())
}

pub(super) fn is_live(reader: &Reader<'_>, entity: Id) -> Result<bool> {
    let sql = "SELECT 1 FROM entities WHERE id = ?1 AND deleted_at IS NULL";
    Ok(reader.query_one(sql, params![entity], |_| Ok(()))?.is_some())
}

pub(super) fn insert(tx: &Tx<'_>, new: &Relationship) -> Result<()> {
    tx.execute(
        "INSERT INTO relationships (id, type, from_id, to_id, data, version, created_at, updated_at, created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            new.id,
            &new.r#type,
            new.from_id,
            new.to_id,
            new.data.get(),
            new.version,
            new.created_at,
            new.updated_at,
            new.created_by,
            new.updated_by,
        ],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, new: &Relationship) -> Result<()> {
    tx.execute(
        "UPDATE relationships SET data = ?2, version = ?3, updated_at = ?4, updated_by = ?5, deleted_at = ?6,
                deleted_by = ?7, deleted_with = ?8 WHERE id = ?1",
        params![
            new.id,
            new.data.get(),
            new.version,
            new.updated_at,
            new.updated_by,
            new.deleted_at,
            new.deleted_by,
            new.deleted_with,
        ],
    )?;
    Ok(())
}

/// Live ones of an entity, whichever end it is.
pub(super) fn of_entity(reader: &Reader<'_>, entity: Id) -> Result<Vec<Relationship>> {
    let sql = format!("SELECT {COLUMNS} FROM relationships WHERE (from_id = ?1 OR to_id = ?1) AND deleted_at IS NULL");
    reader.query_all(&sql, params![entity], Relationship::read)
}

/// Those that went with an entity.
pub(super) fn deleted_with(reader: &Reader<'_>, entity: Id) -> Result<Vec<Relationship>> {
    let sql = format!("SELECT {COLUMNS} FROM relationships WHERE deleted_with = ?1");
    reader.query_all(&sql, params![entity], Relationship::read)
}
