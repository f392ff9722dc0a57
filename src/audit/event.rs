//! What an audit event says.

use super::details::{Detail, Elsewhere, Rewritten};
use crate::{actor::Actor, clock::Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Denied,
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was done: the action, what it was done to, and what changed.
#[derive(Clone, Debug)]
pub struct Event {
    pub action: Cow<'static, str>,
    pub target_type: Option<Cow<'static, str>>,
    pub target_id: Option<String>,
    pub outcome: Outcome,
    pub before: Option<Box<RawValue>>,
    pub after: Option<Box<RawValue>>,
    pub at: Option<Time>,
    /// Earlier events that tell something else by this change.
    pub rewritten: Rewritten,
}

impl Event {
    /// `Event::new("user.created", "user", id)`.
    pub fn new(
        action: impl Into<Cow<'static, str>>,
        target_type: impl Into<Cow<'static, str>>,
        target_id: impl ToString,
    ) -> Self {
        Self { target_type: Some(target_type.into()), target_id: Some(target_id.to_string()), ..Self::bare(action) }
    }

    /// An event without a target.
    pub fn bare(action: impl Into<Cow<'static, str>>) -> Self {
        Self {
            action: action.into(),
            target_type: None,
            target_id: None,
            outcome: Outcome::Success,
            before: None,
            after: None,
            at: None,
            rewritten: Rewritten::new(),
        }
    }

    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    pub fn before(mut self, state: &impl Serialize) -> Self {
        self.before = serde_json::value::to_raw_value(state).ok();
        self
    }

    pub fn after(mut self, state: &impl Serialize) -> Self {
        self.after = serde_json::value::to_raw_value(state).ok();
        self
    }

    pub fn rewriting(mut self, rewritten: Rewritten) -> Self {
        self.rewritten = rewritten;
        self
    }

    /// Both states, reduced to what differs.
    pub fn changed(self, before: &impl Serialize, after: &impl Serialize) -> Self {
        let (old, new) = (serde_json::to_value(before), serde_json::to_value(after));
        let (Ok(old), Ok(new)) = (old, new) else { return self };
        let (old, new) = difference(&old, &new);
        self.before(&old).after(&new)
    }

    /// The text that is stored and hashed, with digests of what is kept beside it: the actor's name and the changes.
    pub(super) fn to_json(
        &self,
        seq: i64,
        at: Time,
        actor: &Actor,
        label: Option<&str>,
        detail: Option<&Detail>,
    ) -> String {
        let hashed = Hashed { seq, at: self.at.unwrap_or(at), actor, event: self, label, detail };
        serde_json::to_string(&hashed).unwrap_or_default()
    }
}

struct Hashed<'a> {
    seq: i64,
    at: Time,
    actor: &'a Actor,
    event: &'a Event,
    label: Option<&'a str>,
    detail: Option<&'a Detail>,
}

/// Something, or the digest of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a, T> {
    Here(T),
    Elsewhere(Elsewhere<'a>),
}

impl<'a, T> Said<'a, T> {
    fn new(here: T, digest: Option<&'a str>) -> Self {
        digest.map_or(Self::Here(here), |digest| Self::Elsewhere(Elsewhere { sha256: digest.into() }))
    }
}

impl Serialize for Hashed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Who<'a> {
            r#type: crate::actor::ActorKind,
            id: Option<crate::ids::Id>,
            label: Said<'a, &'a str>,
        }
        #[derive(Serialize)]
        struct Target<'a> {
            r#type: Option<&'a str>,
            id: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Changes<'a> {
            before: Option<&'a RawValue>,
            after: Option<&'a RawValue>,
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            seq: i64,
            at: Time,
            actor: Who<'a>,
            action: &'a str,
            target: Target<'a>,
            outcome: Outcome,
            ip: Option<std::net::IpAddr>,
            request_id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            elevation_id: Option<crate::ids::Id>,
            #[serde(skip_serializing_if = "Rewritten::is_empty")]
            rewritten: &'a Rewritten,
            changes: Said<'a, Changes<'a>>,
        }
        let Self { seq, at, actor, event, label, detail } = self;
        let changes = Changes { before: event.before.as_deref(), after: event.after.as_deref() };
        Whole {
            seq: *seq,
            at: *at,
            actor: Who { r#type: actor.kind, id: actor.id, label: Said::new(&actor.label, *label) },
            action: &event.action,
            target: Target { r#type: event.target_type.as_deref(), id: event.target_id.as_deref() },
            outcome: event.outcome,
            ip: actor.ip,
            request_id: actor.request_id.as_deref(),
            elevation_id: actor.elevation,
            rewritten: &event.rewritten,
            changes: Said::new(changes, detail.map(|detail| detail.digest.as_str())),
        }
        .serialize(serializer)
    }
}

/// The events of one change.
pub enum Record {
    One(Event),
    /// One event for each row of a batch or an import.
    Many(Vec<Event>),
    /// Nothing was changed after all, so there is nothing to record.
    Unchanged,
}

impl Record {
    /// The ids of what it tells of.
    pub(super) fn targets(&self) -> Vec<&str> {
        let events = match self {
            Self::One(event) => std::slice::from_ref(event),
            Self::Many(events) => events.as_slice(),
            Self::Unchanged => &[],
        };
        events.iter().filter_map(|event| event.target_id.as_deref()).collect()
    }
}

impl From<Event> for Record {
    fn from(event: Event) -> Self {
        Self::One(event)
    }
}

impl From<Vec<Event>> for Record {
    fn from(events: Vec<Event>) -> Self {
        Self::Many(events)
    }
}

impl From<Option<Event>> for Record {
    fn from(event: Option<Event>) -> Self {
        event.map_or(Self::Unchanged, Self::One)
    }
}

/// The parts of two states that differ, member by member.
pub fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before.clone(), after.clone());
    };
    let (mut left, mut right) = (Map::new(), Map::new());
    for (name, was) in old {
        match new.get(name) {
            Some(is) if is == was => {}
            Some(is) => {
                let (was, is) = difference(was, is);
                left.insert(name.clone(), was);
                right.insert(name.clone(), is);
            }
            None => {
                left.insert(name.clone(), was.clone());
            }
        }
    }
    for (name, is) in new {
        if !old.contains_key(name) {
            right.insert(name.clone(), is.clone());
        }
    }
    (Value::Object(left), Value::Object(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_only_what_changed() {
        let before = json!({"name": "a", "data": {"city": "Paris", "zip": 1}, "gone": true});
        let after = json!({"name": "a", "data": {"city": "Lyon", "zip": 1}, "new": null});
        let (old, new) = difference(&before, &after);
        assert_eq!(old, json!({"data": {"city": "Paris"}, "gone": true}));
        assert_eq!(new, json!({"data": {"city": "Lyon"}, "new": null}));
    }
}
