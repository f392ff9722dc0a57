//! What events tell of people. It stands beside the hashed text, which holds a salted digest of it in its place, so that
//! it can be forgotten and the chain still holds. What is replaced is named, with its new digest, by the event of the
//! change that replaced it.

use super::event::{Event, Outcome};
use crate::{
    actor::{Actor, ActorKind},
    error::{Error, Result},
    ids::Id,
    params,
    secrets::random_bytes,
    storage::{Reader, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::BTreeMap};

/// What may have to be forgotten: people, what belongs to them, and what may be about people.
const OF_PEOPLE: [&str; 6] = ["entity", "user", "session", "api_key", "file", "relationship"];
const SALT_BYTES: usize = 16;
/// What is shown of a name that was forgotten.
const FORGOTTEN: &str = "\"erased\"";
const NOTHING: &str = "{\"before\":null,\"after\":null}";

/// Events whose changes were replaced, each with the digest of what stands there now.
pub type Rewritten = BTreeMap<i64, String>;

/// Stands in the hashed text for what is kept beside it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Elsewhere<'a> {
    #[serde(borrow)]
    pub sha256: Cow<'a, str>,
}

impl<'a> Elsewhere<'a> {
    /// None where the text says it itself.
    pub fn read(text: &'a RawValue) -> Option<Self> {
        serde_json::from_str(text.get()).ok()
    }
}

/// Something that is kept beside the text.
pub(super) struct Detail {
    pub text: String,
    pub salt: String,
    pub digest: String,
}

pub(super) fn digest(salt: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(b"\n");
    hasher.update(text);
    hex::encode(hasher.finalize())
}

impl Detail {
    fn new(text: String) -> Result<Self> {
        let salt = hex::encode(random_bytes::<SALT_BYTES>()?);
        let digest = digest(&salt, &text);
        Ok(Self { text, salt, digest })
    }

    /// The changes of an event that may have to be forgotten.
    pub fn of(event: &Event) -> Result<Option<Self>> {
        let of_people = event.target_type.as_deref().is_some_and(|kind| OF_PEOPLE.contains(&kind));
        let told = event.before.is_some() || event.after.is_some();
        if !of_people || !told || event.outcome != Outcome::Success {
            return Ok(None);
        }
        let side = |side: Option<&RawValue>| side.map_or("null", RawValue::get).to_owned();
        let (before, after) = (side(event.before.as_deref()), side(event.after.as_deref()));
        Self::new(format!("{{\"before\":{before},\"after\":{after}}}")).map(Some)
    }
}

/// Whose name is kept beside the text.
pub(super) fn is_named(actor: &Actor) -> Option<Id> {
    actor.id.filter(|_| matches!(actor.kind, ActorKind::User | ActorKind::ApiKey))
}

/// Keeps a name that was not seen before.
pub(super) fn keep_label(tx: &Tx<'_>, subject: Id, label: &str) -> Result<String> {
    let Detail { salt, digest, .. } = Detail::new(label.to_owned())?;
    let sql = "INSERT INTO audit_labels (digest, subject, label, salt) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, params![&digest, subject, label, &salt])?;
    Ok(digest)
}

/// Forgets what somebody was called when they did something.
pub fn forget_labels(tx: &Tx<'_>, subject: Id) -> Result<()> {
    tx.leave_no_trace();
    tx.execute("DELETE FROM audit_labels WHERE subject = ?1", params![subject]).map(drop)
}

/// Changes what the events of one target tell, and notes which those were.
pub fn rewrite(
    tx: &Tx<'_>,
    rewritten: &mut Rewritten,
    (target_type, target_id): (&str, &str),
    mut change: impl FnMut(&mut Value) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT seq, changes FROM audit_events
               WHERE target_id = ?1 AND target_type || '' = ?2 AND changes IS NOT NULL";
    let told =
        tx.query_all(sql, params![target_id, target_type], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
    for (seq, text) in told {
        let mut changes: Value = serde_json::from_str(&text).map_err(Error::internal)?;
        change(&mut changes)?;
        let new = Detail::new(changes.to_string())?;
        if new.text != text {
            tx.leave_no_trace();
            let sql = "UPDATE audit_events SET changes = ?2, salt = ?3 WHERE seq = ?1";
            tx.execute(sql, params![seq, &new.text, &new.salt])?;
            rewritten.insert(seq, new.digest);
        }
    }
    Ok(())
}

/// The targets of a kind that somebody did something to.
pub fn targets_of(reader: &Reader<'_>, actor: Id, target_type: &str) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT target_id FROM audit_events
               WHERE actor_id = ?1 AND target_type || '' = ?2 AND target_id IS NOT NULL";
    reader.query_all(sql, params![actor, target_type], |row| row.get(0))
}

/// The parts of an event's text that may stand elsewhere.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    actor: Who<'a>,
    #[serde(borrow)]
    changes: &'a RawValue,
}

#[derive(Deserialize)]
struct Who<'a> {
    #[serde(borrow)]
    label: &'a RawValue,
}

/// The name of an event's actor, where it is kept beside the text and was not forgotten.
pub(super) fn label(reader: &Reader<'_>, event: &str) -> Result<Option<(String, String)>> {
    let Ok(parts) = serde_json::from_str::<Parts<'_>>(event) else { return Ok(None) };
    let Some(elsewhere) = Elsewhere::read(parts.actor.label) else { return Ok(None) };
    let sql = "SELECT label, salt FROM audit_labels WHERE digest = ?1";
    reader.query_one(sql, params![&*elsewhere.sha256], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// An event's text with what stands beside it in its place. What is no event stays as it is.
pub(super) fn whole(event: &str, changes: Option<&str>, label: Option<&str>) -> String {
    let Ok(Parts { actor, changes: place }) = serde_json::from_str::<Parts<'_>>(event) else {
        return event.to_owned();
    };
    let name = label.and_then(|label| serde_json::to_string(label).ok());
    let mut text = event.to_owned();
    // From the end, so that what comes before keeps its place.
    for (place, put) in [(place, changes.unwrap_or(NOTHING)), (actor.label, name.as_deref().unwrap_or(FORGOTTEN))] {
        if Elsewhere::read(place).is_some() {
            let start = place.get().as_ptr().addr() - event.as_ptr().addr();
            text.replace_range(start..start + place.get().len(), put);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_elsewhere_is_put_in() {
        let event = r#"{"seq":1,"actor":{"type":"user","label":{"sha256":"ab"}},"target":{"id":"{\"sha256\":\"x\"}"},"changes":{"sha256":"cd"}}"#;
        let put = whole(event, Some(r#"{"before":null,"after":1}"#), Some("a\"b"));
        let expected = r#"{"seq":1,"actor":{"type":"user","label":"a\"b"},"target":{"id":"{\"sha256\":\"x\"}"},"changes":{"before":null,"after":1}}"#;
        assert_eq!(put, expected);
        assert_eq!(whole(expected, Some("2"), Some("c")), expected, "what is whole stays");
        assert!(whole(event, None, None).contains(r#""label":"erased""#));
        assert_eq!(whole("no event", Some("2"), None), "no event");
    }
}
