//! What listeners hear of an audit event: what was done to what, without its contents.

use crate::{
    audit::Outcome,
    error::{Error, Result},
    ids::Id,
    params,
    storage::Reader,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What events are about besides entities, as audit events and as permissions name it.
pub(super) const RESOURCES: [(&str, &str); 10] = [
    ("user", "users"),
    ("role", "roles"),
    ("api_key", "api_keys"),
    ("entity_type", "entity_types"),
    ("webhook", "webhooks"),
    ("elevation", "elevations"),
    ("job", "jobs"),
    ("backup", "backups"),
    ("kill_switch", "kill_switch"),
    ("settings", "settings"),
];
/// Files, each told of to those who may read it.
pub(super) const FILES: &str = "files";
/// Relationships, each told of to those who may read both of its ends.
pub(super) const RELATIONSHIPS: &str = "relationships";
/// Every event whatever it is about, for those who may read the log. Told only to those who ask for it by name.
pub(super) const AUDIT: &str = "audit";

/// One event, worded once for all who hear of it.
pub(super) struct Told {
    pub seq: i64,
    pub subject: Subject,
    /// As one of `subject`.
    pub frame: Bytes,
    /// As one of the audit log.
    pub audit_frame: Bytes,
}

pub(super) enum Subject {
    Entity {
        entity_type: Arc<str>,
        id: Id,
    },
    File {
        id: Id,
    },
    Relationship {
        id: Id,
    },
    /// A resource by its name in permissions.
    Resource(&'static str),
    /// Nothing that has a list of its own.
    Other,
}

#[derive(Deserialize)]
struct Said<'a> {
    action: String,
    target: Target,
    outcome: Outcome,
    #[serde(borrow)]
    changes: Changes<'a>,
}

#[derive(Deserialize)]
struct Target {
    r#type: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct After {
    r#type: Option<String>,
    version: Option<i64>,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    action: &'a str,
    id: Option<&'a str>,
    version: Option<i64>,
}

/// The event with this text. One that cannot be read is told to nobody.
pub(super) fn told(reader: &Reader<'_>, seq: i64, text: &str) -> Result<Told> {
    let Ok(said) = serde_json::from_str::<Said<'_>>(text) else {
        return Ok(Told { seq, subject: Subject::Other, frame: Bytes::new(), audit_frame: Bytes::new() });
    };
    let after = said.changes.after.and_then(|after| serde_json::from_str::<After>(after.get()).ok());
    let After { r#type, version } = after.unwrap_or_default();
    let subject = subject(reader, &said, r#type)?;
    let name = match &subject {
        Subject::Entity { entity_type, .. } => &**entity_type,
        Subject::File { .. } => FILES,
        Subject::Relationship { .. } => RELATIONSHIPS,
        Subject::Resource(name) => *name,
        Subject::Other => AUDIT,
    };
    let message = |name, id, version| frame(seq, &Message { r#type: name, action: &said.action, id, version });
    let number = seq.to_string();
    let (frame, audit_frame) =
        (message(name, said.target.id.as_deref(), version)?, message(AUDIT, Some(&number), None)?);
    Ok(Told { seq, subject, frame, audit_frame })
}

/// Only what changed something is told as being about it: `user.updated` and not a log-in that failed.
fn subject(reader: &Reader<'_>, said: &Said<'_>, entity_type: Option<String>) -> Result<Subject> {
    let Some(target) = said.target.r#type.as_deref().filter(|_| said.outcome == Outcome::Success) else {
        return Ok(Subject::Other);
    };
    let verb = said.action.strip_prefix(target).and_then(|rest| rest.strip_prefix('.'));
    if verb.is_none_or(|verb| verb == "read") {
        return Ok(Subject::Other);
    }
    if let Some((_, resource)) = RESOURCES.iter().find(|(event, _)| *event == target) {
        return Ok(Subject::Resource(resource));
    }
    let Some(id) = said.target.id.as_deref().and_then(|id| id.parse::<Id>().ok()) else { return Ok(Subject::Other) };
    match target {
        "file" => return Ok(Subject::File { id }),
        "relationship" => return Ok(Subject::Relationship { id }),
        "entity" => {}
        _ => return Ok(Subject::Other),
    }
    let entity_type = match entity_type {
        Some(name) => Some(name),
        None => reader.query_one("SELECT type FROM entities WHERE id = ?1", params![id], |row| row.get(0))?,
    };
    Ok(entity_type.map_or(Subject::Other, |name| Subject::Entity { entity_type: name.into(), id }))
}

fn frame(seq: i64, message: &Message<'_>) -> Result<Bytes> {
    let data = serde_json::to_string(message).map_err(Error::internal)?;
    Ok(format!("id: {seq}\ndata: {data}\n\n").into())
}
