//! Unique fields: values that only one live entity of a type may have, kept so by the database. Texts are compared as
//! they stand, numbers by their value; what is null or missing is never the same.

use super::{
    mask::Mask,
    model::{Definition, EntityType},
    personal,
    steps::Steps,
};
use crate::{
    data::{canonical::canonical, pointer, sealed},
    error::{Code, Error, Fault, Result},
    ids::Id,
    params,
    personal::{DataKeys, SubjectKey},
    storage::{Reader, Tx},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Entities that a refusal names.
const EXAMPLES: usize = 5;

/// A field that is unique in its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueField {
    pub pointer: String,
    pub path: Vec<String>,
    /// Whether the value is sealed where it is stored.
    pub personal: bool,
}

impl UniqueField {
    /// What stands for the value in comparisons; none where there is no value.
    pub fn digest(&self, keys: &DataKeys, entity_type: &str, data: &Value) -> Result<Option<[u8; 32]>> {
        let Some(value) = pointer::get(data, &self.path).filter(|value| !value.is_null()) else { return Ok(None) };
        let text = canonical(value);
        if self.personal {
            return keys.digest(entity_type, &self.pointer, &text).map(Some);
        }
        Ok(Some(Sha256::digest(text).into()))
    }

    /// [`UniqueField::digest`] of data as it is stored.
    fn digest_of(&self, stored: &Value) -> Option<[u8; 32]> {
        let value = pointer::get(stored, &self.path).filter(|value| !value.is_null())?;
        if self.personal { sealed::digest_of(value) } else { Some(Sha256::digest(canonical(value)).into()) }
    }

    /// The live entity of the type that has the value.
    pub fn holder(&self, reader: &Reader<'_>, entity_type: &str, digest: &[u8; 32]) -> Result<Option<Id>> {
        let sql = "SELECT entity_id FROM entity_unique WHERE type = ?1 AND pointer = ?2 AND digest = ?3";
        reader.query_one(sql, params![entity_type, &self.pointer, digest.as_slice()], |row| row.get(0))
    }

    /// The refusal of a value that somebody else has, which is named only to those who may see the field.
    pub fn taken(&self, mask: &Mask) -> Error {
        if !mask.shows(&self.path) {
            return Error::conflict("Another entity of this type has a value that only one may have.");
        }
        let pointer = format!("/data{}", self.pointer);
        let message = format!("Another entity of this type has this value already, and {} is unique.", self.pointer);
        let fault = Fault { pointer, code: "not_unique".into(), message: message.clone() };
        Error::refused(Code::Conflict, message, vec![fault])
    }
}

/// Moves what an entity claims from its old data to its new; none where it is not live.
pub fn claim(
    tx: &Tx<'_>,
    entity_type: &EntityType,
    mask: &Mask,
    id: Id,
    (old, new): (Option<&str>, Option<&str>),
) -> Result<()> {
    if entity_type.unique().is_empty() {
        return Ok(());
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(Error::internal);
    let (old, new) = (old.map(parse).transpose()?, new.map(parse).transpose()?);
    for field in entity_type.unique() {
        let digest = |data: &Option<Value>| data.as_ref().and_then(|data| field.digest_of(data));
        let (had, has) = (digest(&old), digest(&new));
        if had == has {
            continue;
        }
        if had.is_some() {
            let sql = "DELETE FROM entity_unique WHERE entity_id = ?1 AND pointer = ?2";
            tx.execute(sql, params![id, &field.pointer])?;
        }
        if let Some(digest) = has
            && !insert(tx, &entity_type.name, field, &digest, id)?
        {
            return Err(field.taken(mask));
        }
    }
    Ok(())
}

fn insert(tx: &Tx<'_>, entity_type: &str, field: &UniqueField, digest: &[u8; 32], id: Id) -> Result<bool> {
    let sql = "INSERT INTO entity_unique (type, pointer, digest, entity_id) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (type, pointer, digest) DO NOTHING";
    Ok(tx.execute(sql, params![entity_type, &field.pointer, digest.as_slice(), id])? == 1)
}

/// The fields that become unique with a change.
pub(super) fn added(old: &Definition, new: &EntityType) -> Vec<UniqueField> {
    let was = |field: &&UniqueField| {
        old.fields.get(&field.pointer).is_some_and(|options| options.unique && options.pii == field.personal)
    };
    new.unique().iter().filter(|field| !was(field)).cloned().collect()
}

fn live_of_type() -> String {
    format!("SELECT id, data, {} FROM entities WHERE type = ?1 AND deleted_at IS NULL", SubjectKey::COLUMN)
}

/// Refuses fields whose values stand twice already, with how many entities that concerns and the first of them.
pub(super) fn ensure_none_twice(
    reader: &Reader<'_>,
    keys: &DataKeys,
    stored_as: &EntityType,
    fields: &[UniqueField],
    steps: Option<&Steps>,
) -> Result<()> {
    for field in fields {
        let (mut seen, mut count, mut faults) = (HashMap::<[u8; 32], Id>::new(), 0_u64, Vec::new());
        let at = format!("/fields/{}/unique", pointer::escape(&field.pointer));
        reader.query_each(&live_of_type(), params![&*stored_as.name], |row| {
            let key = SubjectKey::read(row, 2)?;
            let mut data = personal::opened(keys, stored_as, row.text(0)?, key.as_ref(), row.text(1)?)?;
            // One that cannot be migrated is refused as such.
            let _ = steps.map(|steps| steps.apply(&mut data));
            let Some(digest) = field.digest(keys, &stored_as.name, &data)? else { return Ok(()) };
            let id = row.get(0)?;
            if let Some(first) = seen.get(&digest) {
                count += 1;
                if faults.len() < EXAMPLES {
                    let message = format!("The entities {first} and {id} have the same value.");
                    faults.push(Fault { pointer: at.clone(), code: "same_value".into(), message });
                }
            } else {
                seen.insert(digest, id);
            }
            Ok(())
        })?;
        if count > 0 {
            let noun = if count == 1 { "entity has" } else { "entities have" };
            let message =
                format!("{count} {noun} a value of {} that another has too. Change them first.", field.pointer);
            faults.insert(0, Fault { pointer: at, code: "not_unique".into(), message });
            return Err(Error::invalid(faults).with("count", count));
        }
    }
    Ok(())
}

/// Takes over in the database what becomes unique and what no longer is.
pub(super) fn adopt(tx: &Tx<'_>, old: &Definition, new: &EntityType, added: &[UniqueField]) -> Result<()> {
    let gone = old.fields.iter().filter(|(_, options)| options.unique).map(|(pointer, _)| pointer);
    for pointer in gone.filter(|pointer| !new.unique().iter().any(|field| field.pointer == **pointer)) {
        tx.execute("DELETE FROM entity_unique WHERE type = ?1 AND pointer = ?2", params![&*new.name, pointer])?;
    }
    if added.is_empty() {
        return Ok(());
    }
    for field in added {
        tx.execute("DELETE FROM entity_unique WHERE type = ?1 AND pointer = ?2", params![&*new.name, &field.pointer])?;
    }
    tx.query_each(&live_of_type(), params![&*new.name], |row| {
        let (id, data) = (row.get(0)?, serde_json::from_str(row.text(1)?).map_err(Error::internal)?);
        for field in added {
            if let Some(digest) = field.digest_of(&data)
                && !insert(tx, &new.name, field, &digest, id)?
            {
                return Err(Error::conflict(format!(
                    "An entity got a value of {} meanwhile that another has too. Try again.",
                    field.pointer
                )));
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_have_one_digest() {
        let field = UniqueField { pointer: "/a".into(), path: vec!["a".into()], personal: false };
        let digest = |value: Value| field.digest_of(&json!({ "a": value }));
        assert_eq!(digest(json!(1)), digest(json!(1.0)));
        assert_ne!(digest(json!(1)), digest(json!("1")));
        assert_ne!(digest(json!("a")), digest(json!("A")));
        assert_eq!(digest(json!({"x": 1, "y": [2]})), digest(json!({"y": [2], "x": 1})));
        assert_ne!(digest(json!(["a,b"])), digest(json!(["a", "b"])));
        assert_eq!((digest(Value::Null), field.digest_of(&json!({}))), (None, None));
    }
}
