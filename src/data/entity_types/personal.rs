//! Personal fields of a type, and what becomes of the entities there are when a field is marked so.

use super::model::{Definition, EntityType};
use crate::{
    audit::{self, Rewritten},
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

/// Entities that are sealed with the change that marks a field, at most; more of them by a job.
const AT_ONCE: i64 = 500;

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

/// Refuses to write out in plain what was sealed. Whether there is more to seal than others can wait for.
pub(super) fn ensure_can_follow(reader: &Reader<'_>, before: &EntityType, after: &EntityType) -> Result<bool> {
    if before.personal() == after.personal() {
        return Ok(false);
    }
    let sql = "SELECT count(*) FROM (SELECT 1 FROM entities WHERE type = ?1 LIMIT ?2)";
    let some: i64 = reader.query_one(sql, params![&*before.name, AT_ONCE + 1], |row| row.get(0))?.unwrap_or(0);
    let stays = |field: &PersonalField| after.personal().iter().any(|other| other.pointer == field.pointer);
    if let Some(lost) = before.personal().iter().find(|field| some > 0 && !stays(field)) {
        let message = format!(
            "{} was promised to be personal data to those whose it is, so it stays sealed while there are entities. \
             Keep it marked `pii`, or take the entities to another type by export and import.",
            lost.pointer
        );
        let at = format!("/fields/{}/pii", pointer::escape(&lost.pointer));
        return Err(Error::invalid_at(at, "sealed", message));
    }
    Ok(some > AT_ONCE)
}

/// Seals what the entities of a type, their earlier versions and the events of both hold in fields that are marked
/// now; which events those were.
pub(super) fn follow(tx: &Tx<'_>, keys: &DataKeys, before: &EntityType, after: &EntityType) -> Result<Rewritten> {
    let mut rewritten = Rewritten::new();
    if before.personal() == after.personal() {
        return Ok(rewritten);
    }
    let sql = format!("SELECT id, data, {} FROM entities WHERE type = ?1", SubjectKey::COLUMN);
    let all = tx.query_all(&sql, params![&*after.name], |row| {
        Ok((row.get::<Id>(0)?, row.get::<String>(1)?, SubjectKey::read(row, 2)?))
    })?;
    let change = Marking { keys, entity_type: &after.name, was: before.personal(), will: after.personal() };
    for (id, text, had) in all {
        change.seal(tx, id, &text, had, &mut rewritten)?;
    }
    Ok(rewritten)
}

/// What is personal of a type before and after a change. What was stays so.
pub struct Marking<'a> {
    pub keys: &'a DataKeys,
    pub entity_type: &'a str,
    pub was: &'a [PersonalField],
    pub will: &'a [PersonalField],
}

impl Marking<'_> {
    /// Seals one entity with its history and its events; what its data is now, and the key of it.
    pub fn seal(
        &self,
        tx: &Tx<'_>,
        id: Id,
        text: &str,
        had: Option<SubjectKey>,
        rewritten: &mut Rewritten,
    ) -> Result<(String, Option<SubjectKey>)> {
        let (is_new, mut key) = (had.is_none(), had);
        let now = self.again(id, text, &mut key)?;
        tx.execute("UPDATE entities SET data = ?2 WHERE id = ?1", params![id, &now])?;
        let sql = "SELECT version, data FROM entity_versions WHERE id = ?1";
        let versions = tx.query_all(sql, params![id], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
        for (version, text) in versions {
            let stored = self.again(id, &text, &mut key)?;
            let sql = "UPDATE entity_versions SET data = ?3 WHERE id = ?1 AND version = ?2";
            tx.execute(sql, params![id, version, stored])?;
        }
        self.seal_events(tx, id, &mut key, rewritten)?;
        if let Some(key) = key.as_ref().filter(|_| is_new) {
            self.keys.keep(tx, id, key)?;
        }
        tx.leave_no_trace();
        Ok((now, key))
    }

    /// Data as it is stored after the change; `key` becomes the entity's key when there was none.
    fn again(&self, id: Id, text: &str, key: &mut Option<SubjectKey>) -> Result<String> {
        let name = id.to_string();
        let stored: Value = serde_json::from_str(text).map_err(Error::internal)?;
        let mut data = stored.clone();
        let subject = |fields| Subject { entity_type: self.entity_type, id: &name, fields };
        sealed::open(self.keys, subject(self.was), key.as_ref(), &mut data, Erased::Gone, |_| false)?;
        let plain = data.clone();
        let was = sealed::Before { stored: &stored, plain: &plain, key: key.as_ref() };
        let sealed_by = sealed::seal(self.keys, subject(self.will), id, &mut data, Some(&was))?;
        *key = sealed_by;
        Ok(data.to_string())
    }

    /// What events tell of fields that were personal is sealed there already.
    fn seal_events(&self, tx: &Tx<'_>, id: Id, key: &mut Option<SubjectKey>, rewritten: &mut Rewritten) -> Result<()> {
        let was = |field: &&PersonalField| self.was.iter().any(|other| other.pointer == field.pointer);
        let fields: Vec<_> = self.will.iter().filter(|field| !was(field)).cloned().collect();
        let name = id.to_string();
        let subject = Subject { entity_type: self.entity_type, id: &name, fields: &fields };
        audit::rewrite(tx, rewritten, ("entity", &name), |changes| {
            for side in ["before", "after"] {
                let Some(data) = changes.get_mut(side).and_then(|side| side.get_mut("data")) else { continue };
                let none = Value::Null;
                let was = sealed::Before { stored: &none, plain: &none, key: key.as_ref() };
                let sealed_by = sealed::seal(self.keys, subject, id, data, Some(&was))?;
                *key = sealed_by;
                sealed::without_digests(&fields, data);
            }
            Ok(())
        })
    }
}
