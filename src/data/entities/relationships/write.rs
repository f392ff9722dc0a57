//! Making, changing, deleting and restoring relationships.

use super::{
    super::write::Entities,
    model::{NewRelationship, Relationship, RelationshipPatch, data_text},
    routes::outcome,
    sight::{End, Sight},
    store,
};
use crate::{
    audit::Event,
    clock::Time,
    data::relationship_types,
    error::{Error, Faults, Result},
    ids::Id,
    permit::{Action, Permit},
    refusal::Check,
    storage::Tx,
    web::{Deleted, Precondition, merge},
};
use serde_json::{Map, Value};

/// A kind of change: the right it takes, which relationships it is for, and what it is called.
#[derive(Clone, Copy)]
struct Change {
    action: Action,
    which: Deleted,
    event: &'static str,
}

const UPDATED: Change = Change { action: Action::Update, which: Deleted::Without, event: "relationship.updated" };
const DELETED: Change = Change { action: Action::Delete, which: Deleted::Without, event: "relationship.deleted" };
const RESTORED: Change = Change { action: Action::Delete, which: Deleted::Include, event: "relationship.restored" };

fn missing(pointer: &'static str, end: &End, faults: &mut Faults) {
    if matches!(end, End::Missing) {
        faults.push(pointer, "not_found", "There is no entity with this id.");
    }
}

/// Whether the relationship could be made by this caller, and made now.
fn ensure_joins(tx: &Tx<'_>, sight: &Sight, new: &Relationship) -> Result<()> {
    let mut faults = Faults::default();
    missing("/from_id", &sight.end(tx, new.from_id, true)?, &mut faults);
    missing("/to_id", &sight.end(tx, new.to_id, false)?, &mut faults);
    faults.into_result()?;
    let kind = relationship_types::find(tx, &new.r#type)?;
    if new.from_id == new.to_id && !kind.is_some_and(|kind| kind.allow_self) {
        let message = format!("A relationship {} cannot lead from an entity to itself.", new.r#type);
        return Err(Error::invalid_at("/to_id", "self_relationship", message));
    }
    if store::is_joined(tx, new.from_id, new.to_id, &new.r#type)? {
        return Err(Error::conflict(format!("The two are joined by a relationship {} already.", new.r#type)));
    }
    Ok(())
}

fn ensure_reached(tx: &Tx<'_>, sight: &Sight, id: Id, action: Action) -> Result<()> {
    if store::is_reached(tx, sight, id, action)? {
        return Ok(());
    }
    Err(Error::forbidden("Your permission does not reach a relationship with these values.").because(
        Check::Ownership,
        format!("As it would be written, the permission to {} relationships does not reach it.", action.as_str()),
    ))
}

fn patched(sight: &Sight, old: &Relationship, patch: &RelationshipPatch) -> Result<Relationship> {
    let Some(change) = &patch.data else { return Ok(old.clone()) };
    let mut data: Value = serde_json::from_str(old.data.get()).map_err(Error::internal)?;
    merge(&mut data, &change.clone().map_or(Value::Null, Value::Object));
    let data = match data {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let data = if sight.shows_data() {
        data_text(data, sight.permit.clearance())?
    } else {
        return Err(Error::invalid_at("/data", "not_writable", "You may not set this field."));
    };
    Ok(Relationship { data, ..old.clone() })
}

impl Entities {
    fn inspect_relationship(&self, permit: &Permit, kind: &str, data: Option<&Map<String, Value>>) -> Result<()> {
        self.inspection.entity(&permit.actor(), (kind, None), None, data)
    }

    pub(super) async fn join(&self, permit: &Permit, new: NewRelationship) -> Result<Relationship> {
        self.inspect_relationship(permit, &new.r#type, new.data.as_ref())?;
        let (now, user) = (self.ledger.clock().now(), permit.user_id());
        let relationship = Relationship {
            id: Id::new(),
            r#type: new.r#type,
            from_id: new.from_id,
            to_id: new.to_id,
            data: data_text(new.data.unwrap_or_default(), permit.clearance())?,
            version: 1,
            created_at: now,
            updated_at: now,
            created_by: user,
            updated_by: user,
            deleted_at: None,
            deleted_by: None,
            deleted_with: None,
        };
        let sight = Sight::new(self, permit);
        let seen = sight.clone();
        let change = move |tx: &Tx<'_>| {
            ensure_joins(tx, &sight, &relationship)?;
            store::insert(tx, &relationship)?;
            ensure_reached(tx, &sight, relationship.id, Action::Create)?;
            let event = Event::new("relationship.created", "relationship", relationship.id).after(&relationship);
            Ok((relationship.clone(), event))
        };
        let again = move |tx: &Tx<'_>, made: &Relationship| outcome(tx, &seen, made, true);
        self.ledger.change_answered(&permit.actor(), change, again).await
    }

    pub(super) async fn change_relationship(
        &self,
        permit: &Permit,
        id: Id,
        patch: RelationshipPatch,
        condition: Precondition,
    ) -> Result<Relationship> {
        let data = patch.data.as_ref().and_then(Option::as_ref);
        self.inspect_relationship(permit, "relationships", data)?;
        self.change_one(permit, id, UPDATED, condition, move |_, sight, old| patched(sight, old, &patch)).await
    }

    pub(super) async fn part(&self, permit: &Permit, id: Id, condition: Precondition) -> Result<Relationship> {
        let (clock, user) = (self.ledger.clock().clone(), permit.user_id());
        let step = move |_: &Tx<'_>, _: &Sight, old: &Relationship| {
            Ok(Relationship { deleted_at: Some(clock.now()), deleted_by: user, ..old.clone() })
        };
        self.change_one(permit, id, DELETED, condition, step).await
    }

    /// Takes a deletion back. What is not deleted stays as it is.
    pub(super) async fn rejoin(&self, permit: &Permit, id: Id, condition: Precondition) -> Result<Relationship> {
        let step = move |tx: &Tx<'_>, _: &Sight, old: &Relationship| {
            if old.deleted_at.is_none() {
                return Ok(old.clone());
            }
            if !(store::is_live(tx, old.from_id)? && store::is_live(tx, old.to_id)?) {
                return Err(Error::conflict("An entity that it joins is deleted. Restore that first."));
            }
            if store::is_joined(tx, old.from_id, old.to_id, &old.r#type)? {
                return Err(Error::conflict("The two were joined anew meanwhile."));
            }
            Ok(Relationship { deleted_at: None, deleted_by: None, deleted_with: None, ..old.clone() })
        };
        self.change_one(permit, id, RESTORED, condition, step).await
    }

    async fn change_one(
        &self,
        permit: &Permit,
        id: Id,
        kind: Change,
        condition: Precondition,
        step: impl Fn(&Tx<'_>, &Sight, &Relationship) -> Result<Relationship> + Send + 'static,
    ) -> Result<Relationship> {
        let (sight, clock) = (Sight::new(self, permit), self.ledger.clock().clone());
        let (seen, user) = (sight.clone(), permit.user_id());
        let change = move |tx: &Tx<'_>| {
            let old = store::find_for(tx, &sight, id, kind.action, kind.which)?;
            // An end that is deleted is nobody's to write; what joined it can only be looked at.
            if old.deleted_at.is_none() || store::is_live(tx, old.from_id)? {
                sight.end(tx, old.from_id, true)?;
            }
            condition.check_version(old.version)?;
            let new = step(tx, &sight, &old)?;
            if is_same(&new, &old) {
                return Ok((new, None));
            }
            let now: Time = clock.now();
            let new = Relationship { version: old.version + 1, updated_at: now, updated_by: user, ..new };
            store::update(tx, &new)?;
            ensure_reached(tx, &sight, id, kind.action)?;
            let event = Event::new(kind.event, "relationship", id).changed(&old, &new);
            Ok((new, Some(event)))
        };
        let again = move |tx: &Tx<'_>, changed: &Relationship| outcome(tx, &seen, changed, false);
        self.ledger.change_answered(&permit.actor(), change, again).await
    }
}

fn is_same(new: &Relationship, old: &Relationship) -> bool {
    new.data.get() == old.data.get() && new.deleted_at == old.deleted_at
}
