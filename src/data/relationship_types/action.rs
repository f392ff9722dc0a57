//! Declaring, changing and forgetting kinds of relationships.

use super::{
    model::{OnDelete, RelationshipType},
    store,
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    error::{Error, Faults, Result},
    ids::Id,
    permit::is_name,
    storage::Tx,
    web::{Body, Precondition},
};
use serde::Deserialize;

/// Kinds of one instance, at most.
const MOST: i64 = 500;

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelationshipType {
    pub name: String,
    pub on_delete: Option<OnDelete>,
    pub allow_self: Option<bool>,
}

/// Members that are given replace what was; absent ones stay.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct ChangeRelationshipType {
    pub on_delete: Option<OnDelete>,
    pub allow_self: Option<bool>,
}

impl Body for NewRelationshipType {
    fn check(&self, faults: &mut Faults) {
        check_name("/name", &self.name, faults);
    }
}

impl Body for ChangeRelationshipType {
    fn check(&self, _: &mut Faults) {}
}

/// The name of a kind is written like that of an entity type.
pub(crate) fn check_name(pointer: &str, name: &str, faults: &mut Faults) {
    if !is_name(name) {
        let rule = "A name is a small letter, then up to 62 small letters, digits and underscores.";
        faults.push(pointer, "invalid", rule);
    }
}

impl From<NewRelationshipType> for ChangeRelationshipType {
    /// The change that leaves nothing of what was.
    fn from(new: NewRelationshipType) -> Self {
        Self {
            on_delete: Some(new.on_delete.unwrap_or_default()),
            allow_self: Some(new.allow_self.unwrap_or_default()),
        }
    }
}

pub async fn create(ledger: &Ledger, actor: &Actor, new: NewRelationshipType) -> Result<RelationshipType> {
    let now = ledger.clock().now();
    let kind = RelationshipType {
        id: Id::new(),
        name: new.name,
        on_delete: new.on_delete.unwrap_or_default(),
        allow_self: new.allow_self.unwrap_or_default(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let change = move |tx: &Tx<'_>| {
        if store::find(tx, &kind.name)?.is_some() {
            return Err(Error::conflict(format!("There is a relationship type {} already.", kind.name)));
        }
        if store::count(tx)? >= MOST {
            return Err(Error::conflict(format!("There are {MOST} relationship types already.")));
        }
        store::insert(tx, &kind)?;
        let event = Event::new("relationship_type.created", "relationship_type", &kind.name).after(&kind);
        Ok((kind.clone(), event))
    };
    ledger.change(actor, change).await
}

fn existing(tx: &Tx<'_>, name: &str, precondition: &Precondition) -> Result<RelationshipType> {
    let kind = store::find(tx, name)?.ok_or_else(Error::not_found)?;
    precondition.check_version(kind.version)?;
    Ok(kind)
}

/// What is there stays right: no loop is left of a kind that allows none.
fn ensure_no_loops(tx: &Tx<'_>, name: &str) -> Result<()> {
    match store::loops(tx, name)? {
        0 => Ok(()),
        count => {
            let message = format!("{count} relationships {name} lead from an entity to itself. Remove them first.");
            Err(Error::conflict(message).with("count", count))
        }
    }
}

pub async fn change(
    ledger: &Ledger,
    actor: &Actor,
    name: String,
    change: ChangeRelationshipType,
    precondition: Precondition,
) -> Result<RelationshipType> {
    let clock = ledger.clock().clone();
    let change = move |tx: &Tx<'_>| {
        let before = existing(tx, &name, &precondition)?;
        let mut after = before.clone();
        after.on_delete = change.on_delete.unwrap_or(before.on_delete);
        after.allow_self = change.allow_self.unwrap_or(before.allow_self);
        if after == before {
            return Ok((after, None));
        }
        if !after.allow_self {
            ensure_no_loops(tx, &name)?;
        }
        (after.version, after.updated_at) = (before.version + 1, clock.now());
        store::update(tx, &after)?;
        let event = Event::new("relationship_type.updated", "relationship_type", &name).changed(&before, &after);
        Ok((after, Some(event)))
    };
    ledger.change(actor, change).await
}

/// Relationships of the kind stay, and restrict from now on.
pub(super) async fn delete(ledger: &Ledger, actor: &Actor, name: String, precondition: Precondition) -> Result<()> {
    let change = move |tx: &Tx<'_>| {
        let kind = existing(tx, &name, &precondition)?;
        ensure_no_loops(tx, &name)?;
        store::delete(tx, &name)?;
        Ok(((), Event::new("relationship_type.deleted", "relationship_type", &name).before(&kind)))
    };
    ledger.change(actor, change).await
}
