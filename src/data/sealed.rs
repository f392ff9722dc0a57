//! Personal data inside `data`: values at marked paths stand there sealed under the entity's own key, as
//! `{"$sealed": "…"}`, with `"$digest": "…"` beside it where values are looked for. What is erased stands there as
//! `{"$sealed": null}`.

use super::{canonical::canonical, pointer};
use crate::{
    error::{Error, Result},
    ids::Id,
    personal::{Cipher, DataKeys, SubjectKey},
};
use serde_json::{Map, Value, json};

const SEALED: &str = "$sealed";
pub const DIGEST: &str = "$digest";
/// What is shown of a value that nobody can open any more.
pub const ERASED: &str = "erased";

/// A path whose values are personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalField {
    pub pointer: String,
    pub path: Vec<String>,
    /// Whether a digest stands beside the value: where it has an index or is unique.
    pub found: bool,
}

/// Whose data it is, and where that is sealed.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub entity_type: &'a str,
    pub id: &'a str,
    pub fields: &'a [PersonalField],
}

impl Subject<'_> {
    fn context(&self, field: &PersonalField) -> String {
        format!("{}\n{}\n{}", self.entity_type, self.id, field.pointer)
    }
}

pub fn is_sealed(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.contains_key(SEALED))
}

/// Visits what stands at the path. Arrays on the way are looked through; `None` takes the value out.
fn each_at(value: &mut Value, path: &[String], visit: &mut impl FnMut(Value) -> Result<Option<Value>>) -> Result<()> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    match value {
        Value::Object(members) if rest.is_empty() => {
            if let Some(member) = members.get_mut(first) {
                match visit(member.take())? {
                    Some(new) => *member = new,
                    None => drop(members.shift_remove(first)),
                }
            }
            Ok(())
        }
        Value::Object(members) => members.get_mut(first).map_or(Ok(()), |member| each_at(member, rest, visit)),
        Value::Array(items) => items.iter_mut().try_for_each(|item| each_at(item, path, visit)),
        _ => Ok(()),
    }
}

/// What becomes of values that nobody can open any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// They are shown as `erased`.
    Told,
    /// They are taken out.
    Gone,
}

/// Opens what is sealed in `data`, save where `skip` says. Values that are not sealed stay as they are.
pub fn open(
    keys: &DataKeys,
    subject: Subject<'_>,
    key: Option<&SubjectKey>,
    data: &mut Value,
    erased: Erased,
    skip: impl Fn(&[String]) -> bool,
) -> Result<()> {
    let mut cipher: Option<Cipher> = None;
    for field in subject.fields.iter().filter(|field| !skip(&field.path)) {
        each_at(data, &field.path, &mut |value| {
            if !is_sealed(&value) {
                return Ok(Some(value));
            }
            let (Some(text), Some(key)) = (value[SEALED].as_str(), key) else {
                return Ok((erased == Erased::Told).then(|| ERASED.into()));
            };
            if cipher.is_none() {
                cipher = Some(keys.open(subject.id, key)?);
            }
            let opened = cipher.as_ref().map(|cipher| cipher.open(&subject.context(field), text)).transpose()?;
            serde_json::from_slice(&opened.unwrap_or_default()).map(Some).map_err(Error::internal)
        })?;
    }
    Ok(())
}

/// What is to be written, beside what is there.
pub struct Before<'a> {
    pub stored: &'a Value,
    pub plain: &'a Value,
    pub key: Option<&'a SubjectKey>,
}

/// Seals the marked values of `data`. What did not change keeps its ciphertext, so that nothing seems changed that is
/// not. Answers the key that it is sealed under, which is a new one where there was none.
pub fn seal(
    keys: &DataKeys,
    subject: Subject<'_>,
    id: Id,
    data: &mut Value,
    before: Option<&Before<'_>>,
) -> Result<Option<SubjectKey>> {
    let mut key = before.and_then(|before| before.key.cloned());
    let mut cipher: Option<Cipher> = None;
    for field in subject.fields {
        let kept = before.and_then(|before| kept(before, field, data));
        each_at(data, &field.path, &mut |value| {
            if value.is_null() {
                return Ok(Some(value));
            }
            if let Some(kept) = &kept {
                return Ok(Some(kept.clone()));
            }
            if cipher.is_none() {
                cipher = Some(if let Some(key) = &key {
                    keys.open(subject.id, key)?
                } else {
                    let (new, cipher) = keys.make(id)?;
                    key = Some(new);
                    cipher
                });
            }
            let plain = serde_json::to_vec(&value).map_err(Error::internal)?;
            let sealed = cipher.as_ref().map(|cipher| cipher.seal(&subject.context(field), &plain)).transpose()?;
            let mut members = Map::from_iter([(SEALED.to_owned(), json!(sealed))]);
            if field.found {
                let digest = digest(keys, subject.entity_type, field, &value)?;
                members.insert(DIGEST.to_owned(), hex::encode(digest).into());
            }
            Ok(Some(Value::Object(members)))
        })?;
    }
    Ok(key)
}

/// What stands there already for the same value.
fn kept(before: &Before<'_>, field: &PersonalField, data: &Value) -> Option<Value> {
    let same = pointer::get(before.plain, &field.path)? == pointer::get(data, &field.path)?;
    let stored = pointer::get(before.stored, &field.path)?;
    // What only looks sealed, from before the field was marked, is its own plain value.
    let opened = Some(stored) != pointer::get(before.plain, &field.path);
    let whole = opened && stored[SEALED].is_string() && stored.get(DIGEST).is_some() == field.found;
    (same && whole && before.key.is_some()).then(|| stored.clone())
}

/// What stands for a value of the field in comparisons.
pub fn digest(keys: &DataKeys, entity_type: &str, field: &PersonalField, value: &Value) -> Result<[u8; 32]> {
    keys.digest(entity_type, &field.pointer, &canonical(value))
}

/// The digest that stands beside a sealed value.
pub fn digest_of(stored: &Value) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(stored.get(DIGEST)?.as_str()?, &mut digest).ok().map(|()| digest)
}

/// Puts `{"$sealed": null}` in the place of every sealed value; whether there was any.
pub fn erase(fields: &[PersonalField], data: &mut Value) -> bool {
    let mut any = false;
    for field in fields {
        let _ = each_at(data, &field.path, &mut |value| {
            any |= !value.is_null();
            Ok(Some(if value.is_null() { value } else { json!({SEALED: null}) }))
        });
    }
    any
}

/// Takes the values of marked paths out.
pub fn remove(fields: &[PersonalField], data: &mut Value) {
    for field in fields {
        pointer::remove(data, &field.path);
    }
}

/// The same without the digests, for where it cannot be changed later: audit events.
pub fn without_digests(fields: &[PersonalField], data: &mut Value) {
    for field in fields {
        let _ = each_at(data, &field.path, &mut |mut value| {
            if let Some(members) = value.as_object_mut().filter(|members| members.contains_key(SEALED)) {
                members.shift_remove(DIGEST);
            }
            Ok(Some(value))
        });
    }
}
