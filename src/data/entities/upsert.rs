//! Making an entity, or changing the one that has the same value of a unique field.

use super::{
    draft::{EntityPatch, NewEntity},
    model::Entity,
    routes::outcome,
    scope::Scope,
    write::{Change, Entities, created, insert},
};
use crate::{
    data::entity_types::{EntityTypes, UniqueField},
    error::{Code, Error, Result},
    ids::Id,
    storage::{Reader, Tx},
    web::Precondition,
};
use serde_json::{Map, Value};

/// The unique field of `?upsert_on=`, and the value that is looked for.
#[derive(Clone)]
pub(super) struct Match {
    pub field: UniqueField,
    digest: [u8; 32],
}

impl Match {
    /// The field that a pointer names, when it is unique and the caller may see it.
    pub fn field(scope: &Scope, pointer: &str) -> Result<UniqueField> {
        scope.entity_type.unique_field(pointer, scope.mask()).cloned().ok_or_else(|| {
            let message = "Entities are matched by a unique field of their type, such as /customer_no.";
            Error::invalid_at("/upsert_on", "not_unique", message)
        })
    }

    pub fn new(scope: &Scope, field: UniqueField, data: Option<&Map<String, Value>>) -> Result<Self> {
        let data = Value::Object(data.cloned().unwrap_or_default());
        let Some(digest) = field.digest(&scope.keys, &scope.entity_type.name, &data)? else {
            let at = format!("/data{}", field.pointer);
            return Err(Error::invalid_at(at, "required", "The value that entities are matched by is missing."));
        };
        Ok(Self { field, digest })
    }

    pub fn find(&self, reader: &Reader<'_>, scope: &Scope) -> Result<Option<Id>> {
        self.field.holder(reader, &scope.entity_type.name, &self.digest)
    }

    /// An entity that the caller may not know of is only known to have the value.
    pub fn hide(&self, scope: &Scope, error: Error) -> Error {
        if error.code() == Code::NotFound { self.field.taken(scope.mask()) } else { error }
    }
}

impl Entities {
    /// What is said is merged into the entity that matches, else a new one is made; whether it was made.
    pub(super) async fn upsert(
        &self,
        scope: Scope,
        pointer: &str,
        new: NewEntity,
        condition: Precondition,
    ) -> Result<(Entity, bool)> {
        self.inspect(&scope, new.name.as_deref(), new.data.as_ref())?;
        let wanted = Match::new(&scope, Match::field(&scope, pointer)?, new.data.as_ref())?;
        let patch = EntityPatch::from(new.clone());
        let (entities, actor) = (self.clone(), scope.permit.actor());
        let seen = scope.clone();
        let change = move |tx: &Tx<'_>| {
            EntityTypes::ensure_current(tx, &scope.entity_type)?;
            let now = entities.ledger.clock().now();
            if let Some(id) = wanted.find(tx, &scope)? {
                let step = |scope: &Scope, old: &Entity| patch.apply(scope, old, now);
                let changed = entities.change_in(tx, &scope, id, Change::UPDATE, &condition, step);
                let (entity, event) = changed.map_err(|error| wanted.hide(&scope, error))?;
                return Ok(((entity, false), event));
            }
            condition.check_absent()?;
            let entity = new.clone().into_entity(&scope, now)?;
            insert(tx, &scope, &entity)?;
            let event = created(&entity, entity.state(&scope.entity_type)?);
            Ok(((entity, true), Some(event)))
        };
        self.ledger.change_answered(&actor, change, move |tx, (entity, made)| outcome(tx, &seen, entity, *made)).await
    }
}
