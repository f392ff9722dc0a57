//! Personal fields of a type, and what becomes of the entities there are when a field is marked so.

use super::model::{Definition, EntityType};
use crate::{
    data::{
        pointer,
        sealed::{self, DIGEST, Erased, PersonalField, Subject},
    },
    error::{Error, Faults, Result},
    filter::{Field, Kind},
    ids::Id,
    params,
    personal::{DataKeys, SubjectKey},
    storage::{Reader, Tx},
};
use serde_json::Value;

/// Entities that are sealed with the change that marks a field, at most.
const AT_ONCE: i64 = 5000;

/// The marked fields, without those that lie in another.
pub(super) fn fields(definition: &Definition) -> Vec<PersonalField> {
    let marked = definition.fields.iter().filter(|(_, options)| options.pii);
    let mut fields: Vec<_> = marked
        .filter_map(|(pointer, options)| {
            let found = options.unique || definition.indexed().any(|indexed| indexed == pointer);
            Some(PersonalField { pointer: pointer.clone(), path: pointer::segments(pointer)?, found })
        })
        .collect();
    let paths: Vec<_> = fields.iter().map(|field| field.path.clone()).collect();
    fields.retain(|field| !paths.iter().any(|path| path.len() < field.path.len() && field.path.starts_with(path)));
    fields
}

/// Refuses what would look into sealed values.
pub(super) fn check(definition: &Definition, personal: &[PersonalField], faults: &mut Faults) {
    let touching = |text: &str| {
        let path = pointer::segments(text)?;
        personal.iter().find(|field| path.starts_with(&field.path) || field.path.starts_with(&path))
    };
    for (index, pointer) in definition.search.iter().flatten().enumerate() {
        if touching(pointer).is_some() {
            let message = format!("`{pointer}` is personal data, which no search index takes in.");
            faults.push(format!("/search/{index}"), "personal", message);
        }
    }
    for (index, pointer) in definition.indexes.iter().enumerate() {
        if let Some(field) = touching(pointer).filter(|field| field.pointer != *pointer) {
            let message =
                format!("`{pointer}` is sealed together with {}; only that can have an index.", field.pointer);
            faults.push(format!("/indexes/{index}"), "personal", message);
        }
    }
    let asking = definition.fields.iter().filter(|(_, options)| options.index || options.unique);
    for (pointer, options) in asking {
        let Some(field) = touching(pointer).filter(|field| field.pointer != *pointer) else { continue };
        let word = if options.unique { "unique" } else { "index" };
        let message = format!("`{pointer}` is sealed together with {}, so it cannot be `{word}`.", field.pointer);
        faults.push(format!("/fields/{}/{word}", pointer::escape(pointer)), "personal", message);
    }
}

/// The digest beside a sealed value, as SQL.
pub fn digest_sql(path: &[String]) -> Option<String> {
    let beside: Vec<_> = path.iter().cloned().chain([DIGEST.to_owned()]).collect();
    Field::json("data", &beside, Kind::Text).map(|field| field.sql())
}

/// The data of an entity as its type says it is, opened.
pub(super) fn opened(
    keys: &DataKeys,
    stored_as: &EntityType,
    id: &str,
    key: Option<&SubjectKey>,
    text: &str,
) -> Result<Value> {
    let mut data = serde_json::from_str(text).map_err(Error::internal)?;
    let subject = Subject { entity_type: &stored_as.name, id, fields: stored_as.personal() };
    sealed::open(keys, subject, key, &mut data, Erased::Gone, |_| false)?;
    Ok(data)
}

/// Refuses to write out in plain what was sealed, and to seal more at once than others can wait for.
pub(super) fn ensure_can_follow(reader: &Reader<'_>, before: &EntityType, after: &EntityType) -> Result<()> {
    if before.personal() == after.personal() {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM (SELECT 1 FROM entities WHERE type = ?1 LIMIT ?2)";
    let some: i64 = reader.query_one(sql, params![&*before.name, AT_ONCE + 1], |row| row.get(0))?.unwrap_or(0);
    if some == 0 {
        return Ok(());
    }
    let stays = |field: &PersonalField| after.personal().iter().any(|other| other.pointer == field.pointer);
    if let Some(lost) = before.personal().iter().find(|field| !stays(field)) {
        let message = format!(
            "{} was promised to be personal data to those whose it is, so it stays sealed while there are entities. \
             Keep it marked `pii`, or take the entities to another type by export and import.",
            lost.pointer
        );
        let at = format!("/fields/{}/pii", pointer::escape(&lost.pointer));
        return Err(Error::invalid_at(at, "sealed", message));
    }
    if some > AT_ONCE {
        let message = format!(
            "There are more than {AT_ONCE} entities to seal at once. Make a type with this field marked `pii`, and \
             take them there by export and import."
        );
        return Err(Error::invalid_at("/fields", "too_many_entities", message));
    }
    Ok(())
}

/// Seals what the entities of a type and their earlier versions hold in fields that are marked now.
pub(super) fn follow(tx: &Tx<'_>, keys: &DataKeys, before: &EntityType, after: &EntityType) -> Result<()> {
    if before.personal() == after.personal() {
        return Ok(());
    }
    ensure_can_follow(tx, before, after)?;
    let sql = format!("SELECT id, data, {} FROM entities WHERE type = ?1", SubjectKey::COLUMN);
    let all = tx.query_all(&sql, params![&*after.name], |row| {
        Ok((row.get::<Id>(0)?, row.get::<String>(1)?, SubjectKey::read(row, 2)?))
    })?;
    for (id, text, had) in all {
        let mut key = had.clone();
        let stored = again(keys, before, after, id, &text, &mut key)?;
        tx.execute("UPDATE entities SET data = ?2 WHERE id = ?1", params![id, stored])?;
        let sql = "SELECT version, data FROM entity_versions WHERE id = ?1";
        let versions = tx.query_all(sql, params![id], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
        for (version, text) in versions {
            let stored = again(keys, before, after, id, &text, &mut key)?;
            let sql = "UPDATE entity_versions SET data = ?3 WHERE id = ?1 AND version = ?2";
            tx.execute(sql, params![id, version, stored])?;
        }
        if let Some(key) = key.filter(|_| had.is_none()) {
            keys.keep(tx, id, &key)?;
        }
    }
    tx.leave_no_trace();
    Ok(())
}

/// Data as the type after a change stores it; `key` becomes the entity's key when there was none.
fn again(
    keys: &DataKeys,
    before: &EntityType,
    after: &EntityType,
    id: Id,
    text: &str,
    key: &mut Option<SubjectKey>,
) -> Result<String> {
    let name = id.to_string();
    let stored: Value = serde_json::from_str(text).map_err(Error::internal)?;
    let mut data = stored.clone();
    let subject = |fields| Subject { entity_type: &after.name, id: &name, fields };
    sealed::open(keys, subject(before.personal()), key.as_ref(), &mut data, Erased::Gone, |_| false)?;
    let plain = data.clone();
    let was = sealed::Before { stored: &stored, plain: &plain, key: key.as_ref() };
    let sealed_by = sealed::seal(keys, subject(after.personal()), id, &mut data, Some(&was))?;
    *key = sealed_by;
    Ok(data.to_string())
}
