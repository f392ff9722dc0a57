//! Files in the database. Every query carries what its caller may know of.

use super::{
    model::{COLUMNS, File, Upload, WIDTH},
    sight::Sight,
};
use crate::{
    clock::Time,
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
pub(super) fn find(reader: &Reader<'_>, sight: &Sight, id: Id, which: Deleted) -> Result<Option<File>> {
    let mut params = vec![Param::Id(id)];
    let seen = sight.seen(Action::Read, &mut params);
    let sql = format!("SELECT {COLUMNS} FROM files WHERE id = ?1 AND {} AND {seen}", deleted(which));
    reader.query_one(&sql, &params, File::read)
}

/// One to change: not found where the caller may not know of it, forbidden where they may only read it.
pub(super) fn find_for(reader: &Reader<'_>, sight: &Sight, id: Id, action: Action, which: Deleted) -> Result<File> {
    let mut params = vec![Param::Id(id)];
    let (readable, within) = (sight.seen(Action::Read, &mut params), sight.seen(action, &mut params));
    let sql = format!(
        "SELECT {COLUMNS}, CASE WHEN {readable} THEN 1 ELSE 0 END, CASE WHEN {within} THEN 1 ELSE 0 END
         FROM files WHERE id = ?1 AND {}",
        deleted(which)
    );
    let found = reader
        .query_one(&sql, &params, |row| Ok((File::read(row)?, row.get::<bool>(WIDTH)?, row.get::<bool>(WIDTH + 1)?)))?;
    match found {
        Some((file, _, true)) => Ok(file),
        Some((_, true, false)) => Err(Error::forbidden("You may read this, but not change it.")
            .because(Check::Ownership, format!("The permission to {} files does not reach it.", action.as_str()))),
        _ => Err(Error::not_found()),
    }
}

/// Whether it, as it now stands in the transaction, is within reach.
pub(super) fn is_seen(reader: &Reader<'_>, sight: &Sight, id: Id, action: Action) -> Result<bool> {
    let mut params = vec![Param::Id(id)];
    let seen = sight.seen(action, &mut params);
    Ok(reader.query_one(&format!("SELECT 1 FROM files WHERE id = ?1 AND {seen}"), &params, |_| Ok(()))?.is_some())
}

/// One for the program's own work.
pub(super) fn any(reader: &Reader<'_>, id: Id) -> Result<Option<File>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM files WHERE id = ?1"), params![id], File::read)
}

pub(super) fn insert(tx: &Tx<'_>, new: &File) -> Result<()> {
    tx.execute(
        "INSERT INTO files (id, name, content_type, size, sha256, content, entity_id, owner_id, state, job_id, details,
                            version, created_at, updated_at, created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        params![
            new.id,
            &new.name,
            &new.content_type,
            new.size as i64,
            &new.sha256,
            &new.content,
            new.entity_id,
            new.owner_id,
            new.state.as_str(),
            new.job_id,
            new.details.to_string(),
            new.version,
            new.created_at,
            new.updated_at,
            new.created_by,
            new.updated_by,
        ],
    )?;
    Ok(())
}

pub(super) fn update(tx: &Tx<'_>, new: &File) -> Result<()> {
    tx.execute(
        "UPDATE files SET name = ?2, entity_id = ?3, state = ?4, details = ?5, error = ?6, version = ?7,
                updated_at = ?8, updated_by = ?9, deleted_at = ?10, deleted_by = ?11 WHERE id = ?1",
        params![
            new.id,
            &new.name,
            new.entity_id,
            new.state.as_str(),
            new.details.to_string(),
            new.error.as_deref(),
            new.version,
            new.updated_at,
            new.updated_by,
            new.deleted_at,
            new.deleted_by,
        ],
    )?;
    Ok(())
}

/// Takes up to `most` that were deleted before a moment out of the database.
pub(super) fn purge(tx: &Tx<'_>, before: Time, most: u32) -> Result<Vec<File>> {
    let sql = format!("SELECT {COLUMNS} FROM files WHERE deleted_at <= ?1 ORDER BY deleted_at LIMIT ?2");
    let gone = tx.query_all(&sql, params![before, most], File::read)?;
    for file in &gone {
        tx.execute("DELETE FROM files WHERE id = ?1", params![file.id])?;
    }
    Ok(gone)
}

/// Those that nobody looks into any more: their job's last attempt was lost.
pub(super) fn stranded(reader: &Reader<'_>) -> Result<Vec<File>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM files WHERE state = 'processing'
         AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = files.job_id AND jobs.state IN ('waiting', 'running'))
         LIMIT 100"
    );
    reader.query_all(&sql, &[], File::read)
}

/// Whether a content of the store belongs to a file.
pub(super) fn is_content(reader: &Reader<'_>, content: &str) -> Result<bool> {
    Ok(reader.query_one("SELECT 1 FROM files WHERE content = ?1", params![content], |_| Ok(()))?.is_some())
}

pub(super) fn insert_upload(tx: &Tx<'_>, new: &Upload) -> Result<()> {
    tx.execute(
        "INSERT INTO file_uploads (id, name, content_type, size, entity_id, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![new.id, &new.name, &new.content_type, new.size as i64, new.entity_id, new.expires_at],
    )?;
    Ok(())
}

pub(super) fn upload(reader: &Reader<'_>, id: Id) -> Result<Option<Upload>> {
    let sql = "SELECT id, name, content_type, size, entity_id, expires_at FROM file_uploads WHERE id = ?1";
    reader.query_one(sql, params![id], |row| {
        Ok(Upload {
            id: row.get(0)?,
            name: row.get(1)?,
            content_type: row.get(2)?,
            size: row.get(3)?,
            entity_id: row.get(4)?,
            expires_at: row.get(5)?,
        })
    })
}

/// Whether it was still to come; now it is not any more.
pub(super) fn take_upload(tx: &Tx<'_>, id: Id) -> Result<bool> {
    Ok(tx.execute("DELETE FROM file_uploads WHERE id = ?1", params![id])? == 1)
}

pub(super) fn forget_uploads(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("DELETE FROM file_uploads WHERE expires_at <= ?1", params![now])
}
