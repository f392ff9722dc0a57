//! The migration of a type's entities while it runs: begun with the change that asks for it, carried out by a job in
//! chunks, and ended with the type as it was asked for. Meanwhile the entities are read, under the marks of both, and
//! not written.

use super::{
    model::{Definition, EntityType},
    registry::EntityTypes,
    steps::Steps,
    store, unique,
};
use crate::{
    audit::Event,
    clock::Time,
    data::{pointer, sealed::PersonalField},
    error::{Code, Error, Result},
    ids::Id,
    jobs, params,
    permit::Clearance,
    storage::{Reader, Row, Tx},
};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// The job that carries them out.
pub const MIGRATE: &str = "entity_types.migrate";

/// One that runs.
pub struct Migration {
    pub entity_type: Arc<str>,
    pub steps: Steps,
    pub after_id: String,
    was: Vec<String>,
    definition: String,
    progress: Progress,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    pub done: i64,
    pub total: i64,
    pub percent: u8,
}

const COLUMNS: &str = "type, steps, after_id, definition, done, total, was";

fn read(row: &Row<'_>) -> Result<Migration> {
    let (done, total) = (row.get::<i64>(4)?, row.get::<i64>(5)?);
    let percent = (done * 100 / total.max(1)).clamp(0, 99) as u8;
    Ok(Migration {
        entity_type: row.text(0)?.into(),
        steps: serde_json::from_str(row.text(1)?).map_err(Error::internal)?,
        after_id: row.get(2)?,
        definition: row.get(3)?,
        was: serde_json::from_str(row.text(6)?).map_err(Error::internal)?,
        progress: Progress { done, total, percent },
    })
}

impl Migration {
    /// The type as it was asked for, on what it is meanwhile.
    pub fn asked_for(&self, meanwhile: &Definition, now: Time) -> Result<EntityType> {
        let kept: store::Kept = serde_json::from_str(&self.definition).map_err(Error::internal)?;
        EntityType::new(kept.onto(meanwhile.clone(), now))
    }

    /// The fields of `will` that were personal when it began.
    pub fn was_personal(&self, will: &EntityType) -> Vec<PersonalField> {
        will.personal().iter().filter(|field| self.was.contains(&field.pointer)).cloned().collect()
    }
}

/// Those that run.
pub fn all(reader: &Reader<'_>) -> Result<Vec<Migration>> {
    reader.query_all(&format!("SELECT {COLUMNS} FROM entity_type_migrations ORDER BY begun_at"), &[], read)
}

pub fn of(reader: &Reader<'_>, entity_type: &str) -> Result<Option<Migration>> {
    let sql = format!("SELECT {COLUMNS} FROM entity_type_migrations WHERE type = ?1");
    reader.query_one(&sql, params![entity_type], read)
}

pub fn progress(reader: &Reader<'_>, entity_type: &str) -> Result<Option<Progress>> {
    Ok(of(reader, entity_type)?.map(|migration| migration.progress))
}

/// Refuses another change of a type while it is migrated.
pub(super) fn ensure_none(reader: &Reader<'_>, entity_type: &str) -> Result<()> {
    let Some(Progress { done, total, .. }) = progress(reader, entity_type)? else { return Ok(()) };
    let message =
        format!("The entities of {entity_type} are being migrated: {done} of {total} are done. Wait for that.");
    Err(Error::conflict(message))
}

/// The answer to somebody who would write meanwhile.
pub(super) fn under_way(entity_type: &str) -> Error {
    let message =
        format!("The entities of {entity_type} are being migrated and can be read only. Try again in a moment.");
    Error::new(Code::Unavailable, message)
}

/// The type until all are done: as it was, with the stricter of both marks on each field.
pub(super) fn interim(before: &EntityType, after: &EntityType) -> Result<Arc<EntityType>> {
    let mut definition: Definition = before.definition().clone();
    for (pointer, options) in after.fields.iter().filter(|(_, options)| options.sensitivity > Clearance::Public) {
        let known = definition.fields.get(pointer).map(|known| known.sensitivity);
        let sensitivity = options.sensitivity.max(known.unwrap_or_default());
        definition.fields.entry(pointer.clone()).or_default().sensitivity = sensitivity;
    }
    let was = |pointer: &str| before.personal().iter().any(|field| field.pointer == pointer);
    for field in after.personal().iter().filter(|field| !was(&field.pointer)) {
        // Some are sealed and some are not yet, so nothing looks into them.
        let options = definition.fields.entry(field.pointer.clone()).or_default();
        (options.pii, options.index, options.unique) = (true, false, false);
        let touches = |text: &str| {
            let path = pointer::segments(text).unwrap_or_default();
            path.starts_with(&field.path) || field.path.starts_with(&path)
        };
        definition.indexes.retain(|text| !touches(text));
        definition.search.iter_mut().for_each(|search| search.retain(|text| !touches(text)));
        for (text, options) in &mut definition.fields {
            if *text != field.pointer && touches(text) {
                (options.index, options.unique) = (false, false);
            }
        }
    }
    definition.version = after.version;
    definition.updated_at = after.updated_at;
    EntityType::new(definition).map(Arc::new)
}

/// Puts the type into its interim state and says what is to be done.
pub(super) fn begin(
    tx: &Tx<'_>,
    types: &EntityTypes,
    before: &EntityType,
    interim: &Arc<EntityType>,
    after: &EntityType,
    steps: &Steps,
) -> Result<Event> {
    store::update(tx, interim)?;
    types.replace(tx, &interim.name, Some(interim.clone()));
    let definition = serde_json::to_string(&store::Kept::from(after.definition())).map_err(Error::internal)?;
    let said = serde_json::to_string(steps).map_err(Error::internal)?;
    let was: Vec<_> = before.personal().iter().map(|field| &field.pointer).collect();
    let marked: Vec<_> =
        after.personal().iter().map(|field| &field.pointer).filter(|text| !was.contains(text)).collect();
    let was = serde_json::to_string(&was).map_err(Error::internal)?;
    let sql = "SELECT count(*) FROM entities WHERE type = ?1";
    let total: i64 = tx.query_one(sql, params![&*after.name], |row| row.get(0))?.unwrap_or(0);
    tx.execute(
        "INSERT INTO entity_type_migrations (type, steps, definition, after_id, done, total, begun_at, was)
         VALUES (?1, ?2, ?3, '', 0, ?4, ?5, ?6)",
        params![&*after.name, said, definition, total, after.updated_at, was],
    )?;
    let event = Event::new("entity_type.migration_begun", "entity_type", &after.name);
    jobs::enqueue(tx, MIGRATE, &(), after.updated_at)?;
    Ok(event.after(&json!({"steps": steps, "seals": marked, "entities": total})))
}

/// Notes that the entities up to `last` are done.
pub fn advance(tx: &Tx<'_>, entity_type: &str, last: Id, count: usize) -> Result<()> {
    let sql = "UPDATE entity_type_migrations SET after_id = ?2, done = done + ?3 WHERE type = ?1";
    tx.execute(sql, params![entity_type, last, count as i64])?;
    Ok(())
}

/// Puts the type into the state that was asked for.
pub fn end(tx: &Tx<'_>, types: &EntityTypes, migration: &Migration, now: Time) -> Result<Option<Event>> {
    let name = &*migration.entity_type;
    tx.execute("DELETE FROM entity_type_migrations WHERE type = ?1", params![name])?;
    let Some(before) = store::find(tx, name)? else { return Ok(None) };
    let after = Arc::new(migration.asked_for(&before, now)?);
    store::update(tx, &after)?;
    unique::adopt(tx, &before, &after, &unique::added(&before, &after))?;
    types.replace(tx, &after.name, Some(after.clone()));
    Ok(Some(Event::new("entity_type.updated", "entity_type", name).changed(&before, after.definition())))
}
