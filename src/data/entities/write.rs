//! Making, changing, deleting and restoring entities.

use super::{
    batch::ClosedTypes,
    cache::EntityCache,
    draft::{self, EntityPatch, NewEntity},
    model::Entity,
    relationships,
    routes::outcome,
    scope::Scope,
    store,
};
use crate::{
    audit::{Event, Ledger},
    clock::Time,
    data::entity_types::{EntityTypes, claim},
    error::{Error, Result},
    filter::CursorKey,
    ids::Id,
    inspection::Inspection,
    observation::Observations,
    permit::{Action, Permit},
    refusal::Check,
    storage::Tx,
    web::{Deleted, Precondition},
};
use serde_json::{Map, Value, value::RawValue};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

/// Everything that acts on entities needs. Clones share it.
#[derive(Clone)]
pub struct Entities {
    pub ledger: Ledger,
    pub types: EntityTypes,
    pub inspection: Inspection,
    pub observations: Observations,
    pub cache: EntityCache,
    pub cursors: CursorKey,
    /// Where an import keeps its rows until all of them are known to be good.
    pub scratch: Arc<Path>,
    /// Which types are closed; set once the kill switch stands.
    pub closed: Arc<OnceLock<Arc<dyn ClosedTypes>>>,
}

impl Entities {
    pub(super) fn scope(&self, permit: &Permit, entity_type: &str) -> Result<Scope> {
        let scope = Scope::new(permit, self.types.require(entity_type)?, &self.ledger, self.types.keys());
        Ok(scope.observing(&self.observations))
    }

    /// Refuses or notes what looks like an attack in what somebody would have kept.
    pub(super) fn inspect(&self, scope: &Scope, name: Option<&str>, data: Option<&Map<String, Value>>) -> Result<()> {
        let of = (&*scope.entity_type.name, scope.entity_type.inspection);
        self.inspection.entity(&scope.permit.actor(), of, name, data)
    }

    /// The checks and the text are made here, so that the writer only inserts.
    pub(super) async fn create(&self, scope: Scope, new: NewEntity) -> Result<Entity> {
        self.inspect(&scope, new.name.as_deref(), new.data.as_ref())?;
        let entity = new.into_entity(&scope, self.ledger.clock().now())?;
        let (state, actor) = (entity.state(&scope.entity_type)?, scope.permit.actor());
        let seen = scope.clone();
        let change = move |tx: &Tx<'_>| {
            insert(tx, &scope, &entity)?;
            Ok((entity.clone(), created(&entity, state.clone())))
        };
        self.ledger.change_answered(&actor, change, move |tx, entity| outcome(tx, &seen, entity, true)).await
    }

    pub(super) async fn patch(
        &self,
        scope: Scope,
        id: Id,
        patch: EntityPatch,
        condition: Precondition,
    ) -> Result<Entity> {
        patch.inspect(self, &scope)?;
        let clock = self.ledger.clock().clone();
        let step = move |_: &Tx<'_>, scope: &Scope, old: &Entity| patch.apply(scope, old, clock.now());
        self.change(scope, id, Change::UPDATE, condition, step).await
    }

    pub(super) async fn replace(
        &self,
        scope: Scope,
        id: Id,
        new: NewEntity,
        condition: Precondition,
    ) -> Result<Entity> {
        self.inspect(&scope, new.name.as_deref(), new.data.as_ref())?;
        let clock = self.ledger.clock().clone();
        let step = move |_: &Tx<'_>, scope: &Scope, old: &Entity| new.replace(scope, old, clock.now());
        self.change(scope, id, Change::UPDATE, condition, step).await
    }

    pub(super) async fn delete(&self, scope: Scope, id: Id, condition: Precondition) -> Result<Entity> {
        let clock = self.ledger.clock().clone();
        let step = move |_: &Tx<'_>, scope: &Scope, old: &Entity| Ok(removed(scope, old, clock.now()));
        self.change(scope, id, Change::DELETE, condition, step).await
    }

    /// Takes a deletion back, where the schema of today allows it. What is not deleted stays as it is.
    pub(super) async fn restore(&self, scope: Scope, id: Id, condition: Precondition) -> Result<Entity> {
        let clock = self.ledger.clock().clone();
        let step = move |tx: &Tx<'_>, scope: &Scope, old: &Entity| {
            if store::is_erased(tx, old.id)? {
                return Err(Error::conflict("This entity was erased; nothing brings it back."));
            }
            if old.deleted_at.is_none() {
                return Ok(old.clone());
            }
            draft::ensure_fits(scope, old)?;
            let (now, by) = (clock.now(), scope.user());
            let version = old.version + 1;
            Ok(Entity { version, deleted_at: None, deleted_by: None, updated_at: now, updated_by: by, ..old.clone() })
        };
        self.change(scope, id, Change::RESTORE, condition, step).await
    }

    pub(super) async fn change(
        &self,
        scope: Scope,
        id: Id,
        kind: Change,
        condition: Precondition,
        step: impl Fn(&Tx<'_>, &Scope, &Entity) -> Result<Entity> + Send + 'static,
    ) -> Result<Entity> {
        let (entities, actor) = (self.clone(), scope.permit.actor());
        let seen = scope.clone();
        let change =
            move |tx: &Tx<'_>| entities.change_in(tx, &scope, id, kind, &condition, |scope, old| step(tx, scope, old));
        self.ledger.change_answered(&actor, change, move |tx, entity| outcome(tx, &seen, entity, false)).await
    }

    /// The change of one entity within a transaction; no event where nothing differs.
    pub(super) fn change_in(
        &self,
        tx: &Tx<'_>,
        scope: &Scope,
        id: Id,
        kind: Change,
        condition: &Precondition,
        step: impl FnOnce(&Scope, &Entity) -> Result<Entity>,
    ) -> Result<(Entity, Option<Event>)> {
        EntityTypes::ensure_current(tx, &scope.entity_type)?;
        let old = store::find_for(tx, scope, id, kind.action, kind.deleted)?;
        condition.check_version(old.version)?;
        let new = step(scope, &old)?;
        if new == old {
            return Ok((new, None));
        }
        let event = update(tx, scope, kind, &old, &new)?;
        relationships::follow(tx, self, scope, &old, &new)?;
        self.cache.outdate(tx, vec![id]);
        Ok((new, Some(event)))
    }
}

/// A kind of change: the right it takes, which entities it is for, and what it is called.
#[derive(Clone, Copy)]
pub(super) struct Change {
    action: Action,
    deleted: Deleted,
    event: &'static str,
}

impl Change {
    pub const UPDATE: Self = Self { action: Action::Update, deleted: Deleted::Without, event: "entity.updated" };
    pub const DELETE: Self = Self { action: Action::Delete, deleted: Deleted::Without, event: "entity.deleted" };
    const RESTORE: Self = Self { action: Action::Delete, deleted: Deleted::Include, event: "entity.restored" };
    pub const REVERT: Self = Self { event: "entity.reverted", ..Self::UPDATE };

    /// As the history of an entity calls it.
    fn name(self) -> &'static str {
        self.event.trim_start_matches("entity.")
    }
}

/// An entity once it is deleted.
pub(super) fn removed(scope: &Scope, old: &Entity, now: Time) -> Entity {
    let (version, by) = (old.version + 1, scope.user());
    Entity { version, deleted_at: Some(now), deleted_by: by, updated_at: now, updated_by: by, ..old.clone() }
}

/// The event of a new entity with this state.
pub(super) fn created(entity: &Entity, state: Box<RawValue>) -> Event {
    let mut event = Event::new("entity.created", "entity", entity.id);
    event.after = Some(state);
    event
}

/// Inserts an entity that was checked against the type as `scope` has it.
pub(super) fn insert(tx: &Tx<'_>, scope: &Scope, entity: &Entity) -> Result<()> {
    EntityTypes::ensure_current(tx, &scope.entity_type)?;
    ensure_owner(tx, scope, entity.owner_id)?;
    store::insert(tx, &scope.keys, entity)?;
    claim(tx, &scope.entity_type, scope.mask(), entity.id, (None, Some(&entity.data)))?;
    ensure_within_reach(tx, scope, entity.id, Action::Create)
}

/// Writes `new` over `old`, and says so.
pub(super) fn update<'e>(tx: &Tx<'_>, scope: &Scope, kind: Change, old: &'e Entity, new: &'e Entity) -> Result<Event> {
    if new.owner_id != old.owner_id {
        ensure_owner(tx, scope, new.owner_id)?;
    }
    store::update(tx, &scope.keys, old, new, kind.name())?;
    let live = |entity: &'e Entity| entity.deleted_at.is_none().then_some(entity.data.as_str());
    claim(tx, &scope.entity_type, scope.mask(), new.id, (live(old), live(new)))?;
    ensure_within_reach(tx, scope, new.id, kind.action)?;
    Ok(Event::new(kind.event, "entity", new.id)
        .changed(&old.state(&scope.entity_type)?, &new.state(&scope.entity_type)?))
}

fn ensure_owner(tx: &Tx<'_>, scope: &Scope, owner: Option<Id>) -> Result<()> {
    match owner {
        Some(owner) if scope.user() != Some(owner) && !store::user_exists(tx, owner)? => {
            Err(Error::invalid_at("/owner_id", "not_found", "There is no user with this id."))
        }
        _ => Ok(()),
    }
}

/// Nobody makes what they could not reach afterwards, or moves it out of their reach.
fn ensure_within_reach(tx: &Tx<'_>, scope: &Scope, id: Id, action: Action) -> Result<()> {
    if scope.reaches_all(action) || store::within_reach(tx, scope, id, action)? {
        return Ok(());
    }
    Err(Error::forbidden("Your permission does not reach an entity with these values.").because(
        Check::Ownership,
        format!(
            "As it would be written, the permission to {} does not reach it: {}.",
            action.as_str(),
            scope.told(action)
        ),
    ))
}
