//! What callers send for an entity, and the entity it becomes.

use super::{limits, model::Entity, scope::Scope, write::Entities};
use crate::{
    clock::Time,
    data::{entity_types::Mask, sealed},
    error::{Error, Faults, Result},
    ids::Id,
    permit::Action,
    personal::SubjectKey,
    validate::has_control,
    web::{Body, merge, nullable},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Characters of a name, at most.
const NAME: usize = 500;

/// A whole entity: to be made, or to stand in the place of one.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct NewEntity {
    pub name: Option<String>,
    pub confidence: Option<f64>,
    pub data: Option<Map<String, Value>>,
    pub owner_id: Option<Id>,
}

/// A merge patch (RFC 7396): what is absent stays, what is null goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntityPatch {
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Option<f64>>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub data: Option<Option<Map<String, Value>>>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<Option<Id>>,
}

impl From<NewEntity> for EntityPatch {
    /// Merges what is said, and leaves what is not.
    fn from(new: NewEntity) -> Self {
        Self {
            name: new.name.map(Some),
            confidence: new.confidence.map(Some),
            data: new.data.map(Some),
            owner_id: new.owner_id.map(Some),
        }
    }
}

impl Body for NewEntity {
    fn check(&self, faults: &mut Faults) {
        check_members(self.name.as_deref(), self.confidence, faults);
    }
}

impl Body for EntityPatch {
    fn check(&self, faults: &mut Faults) {
        let name = self.name.as_ref().and_then(|name| name.as_deref());
        check_members(name, self.confidence.flatten(), faults);
    }
}

pub(super) fn check_members(name: Option<&str>, confidence: Option<f64>, faults: &mut Faults) {
    if name.is_some_and(|name| name.is_empty() || name.chars().count() > NAME) {
        faults.push("/name", "invalid", format!("A name has 1 to {NAME} characters; leave it out for none."));
    }
    if name.is_some_and(has_control) {
        faults.push("/name", "control_character", "The name holds a control character.");
    }
    if confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
        faults.push("/confidence", "out_of_range", "The confidence is a number from 0 to 1.");
    }
}

/// Refuses what lies above the caller's clearance. Only the pointer that they sent is named.
fn check_clearance(scope: &Scope, sent: &Value, faults: &mut Faults) {
    if let Some(path) = scope.mask().refused(sent) {
        faults.push(format!("/data{path}"), "not_writable", "You may not set this field.");
    }
}

/// The text of `data` when it is within the limits and fits the schema.
fn check_data(scope: &Scope, data: &Value, faults: &mut Faults) -> Option<String> {
    let text = limits::check(data, faults)?;
    scope.check_schema(data, faults);
    Some(text)
}

/// Whether what is stored still fits the schema.
pub(super) fn ensure_fits(scope: &Scope, entity: &Entity) -> Result<()> {
    let data = entity.whole(scope)?;
    let mut faults = Faults::default();
    scope.check_schema(&data, &mut faults);
    faults.into_result()
}

/// Whoever reaches only some entities can only have their own.
fn check_owner(scope: &Scope, owner: Option<Id>, action: Action, faults: &mut Faults) {
    if owner != scope.user() && !scope.reaches_all(action) {
        faults.push("/owner_id", "not_writable", "You may not set another owner.");
    }
}

fn finish<T>(faults: Faults, value: Option<T>) -> Result<T> {
    faults.into_result()?;
    value.ok_or_else(|| Error::internal("data without faults was not taken"))
}

impl NewEntity {
    pub(super) fn into_entity(self, scope: &Scope, now: Time) -> Result<Entity> {
        self.into_entity_as(scope, Id::new(), now)
    }

    /// The entity to insert. Without a named owner it is the caller's own.
    pub(super) fn into_entity_as(self, scope: &Scope, id: Id, now: Time) -> Result<Entity> {
        let mut faults = Faults::default();
        let mut data = Value::Object(self.data.unwrap_or_default());
        check_clearance(scope, &data, &mut faults);
        scope.entity_type.fill_defaults(&mut data, &Mask::default());
        let text = check_data(scope, &data, &mut faults);
        let owner_id = self.owner_id.or_else(|| scope.user());
        check_owner(scope, owner_id, Action::Create, &mut faults);
        let (data, key) = sealed(scope, id, finish(faults, text)?, data, None)?;
        Ok(Entity {
            id,
            entity_type: scope.entity_type.name.clone(),
            name: self.name,
            confidence: self.confidence,
            data,
            owner_id,
            version: 1,
            created_at: now,
            updated_at: now,
            created_by: scope.user(),
            updated_by: scope.user(),
            deleted_at: None,
            deleted_by: None,
            key,
        })
    }

    /// `old` with everything replaced that the caller can see.
    pub(super) fn replace(&self, scope: &Scope, old: &Entity, now: Time) -> Result<Entity> {
        let mut faults = Faults::default();
        let mut data = Value::Object(self.data.clone().unwrap_or_default());
        check_clearance(scope, &data, &mut faults);
        scope.entity_type.fill_defaults(&mut data, scope.mask());
        let before = old.whole(scope)?;
        scope.mask().restore(&before, &mut data);
        let owner_id = self.owner_id.or(old.owner_id);
        let next = Entity { name: self.name.clone(), confidence: self.confidence, owner_id, ..old.clone() };
        changed(scope, (old, &before), next, data, faults, now)
    }
}

impl EntityPatch {
    pub(super) fn inspect(&self, entities: &Entities, scope: &Scope) -> Result<()> {
        let name = self.name.as_ref().and_then(|name| name.as_deref());
        entities.inspect(scope, name, self.data.as_ref().and_then(Option::as_ref))
    }

    /// The same as a new entity, where there is none to merge into.
    pub(super) fn into_new(self) -> NewEntity {
        NewEntity {
            name: self.name.flatten(),
            confidence: self.confidence.flatten(),
            data: self.data.flatten(),
            owner_id: self.owner_id.flatten(),
        }
    }

    pub(super) fn apply(&self, scope: &Scope, old: &Entity, now: Time) -> Result<Entity> {
        let mut faults = Faults::default();
        let before = old.whole(scope)?;
        let mut data = before.clone();
        if let Some(patch) = &self.data {
            let patch = patch.clone().map_or(Value::Null, Value::Object);
            check_clearance(scope, &patch, &mut faults);
            merge(&mut data, &patch);
            if !data.is_object() {
                data = Value::Object(Map::new());
            }
            scope.mask().restore(&before, &mut data);
        }
        let mut next = old.clone();
        if let Some(name) = &self.name {
            next.name.clone_from(name);
        }
        next.confidence = self.confidence.unwrap_or(old.confidence);
        next.owner_id = self.owner_id.unwrap_or(old.owner_id);
        changed(scope, (old, &before), next, data, faults, now)
    }
}

/// `old` with the name, confidence and data that it had `then`, as far as the caller can see them.
pub(super) fn reinstate(scope: &Scope, old: &Entity, then: &Entity, now: Time) -> Result<Entity> {
    let mut faults = Faults::default();
    let mut data = then.seen_again(scope)?;
    check_clearance(scope, &data, &mut faults);
    let before = old.whole(scope)?;
    scope.mask().restore(&before, &mut data);
    let next = Entity { name: then.name.clone(), confidence: then.confidence, ..old.clone() };
    changed(scope, (old, &before), next, data, faults, now)
}

fn changed(
    scope: &Scope,
    (old, before): (&Entity, &Value),
    next: Entity,
    data: Value,
    mut faults: Faults,
    now: Time,
) -> Result<Entity> {
    let text = check_data(scope, &data, &mut faults);
    if next.owner_id != old.owner_id {
        check_owner(scope, next.owner_id, Action::Update, &mut faults);
    }
    let (data, key) = sealed(scope, old.id, finish(faults, text)?, data, Some((old, before)))?;
    let next = Entity { data, key, ..next };
    if next == *old {
        return Ok(next);
    }
    Ok(Entity { version: old.version + 1, updated_at: now, updated_by: scope.user(), ..next })
}

/// The text of checked `data` as it is stored, and the key that its personal data is sealed under.
fn sealed(
    scope: &Scope,
    id: Id,
    text: String,
    mut data: Value,
    before: Option<(&Entity, &Value)>,
) -> Result<(String, Option<SubjectKey>)> {
    let key = before.and_then(|(old, _)| old.key.clone());
    let fields = scope.entity_type.personal();
    if fields.is_empty() {
        return Ok((text, key));
    }
    if let Some((old, _)) = before.filter(|(_, plain)| **plain == data) {
        return Ok((old.data.clone(), key));
    }
    let stored =
        before.map(|(old, _)| serde_json::from_str::<Value>(&old.data)).transpose().map_err(Error::internal)?;
    let before = before.zip(stored.as_ref());
    let before = before.map(|((old, plain), stored)| sealed::Before { stored, plain, key: old.key.as_ref() });
    let name = id.to_string();
    let subject = sealed::Subject { entity_type: &scope.entity_type.name, id: &name, fields };
    let key = sealed::seal(&scope.keys, subject, id, &mut data, before.as_ref())?;
    Ok((data.to_string(), key))
}
