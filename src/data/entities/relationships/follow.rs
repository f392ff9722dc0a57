//! What becomes of relationships when an entity is deleted or restored, within the same transaction.

use super::{
    super::{model::Entity, scope::Scope, write::Entities},
    model::Relationship,
    sight::Sight,
    store,
};
use crate::{
    audit::Event,
    data::relationship_types::CASCADING,
    error::{Error, Result},
    ids::Id,
    permit::Action,
    storage::{Param, Tx},
};

/// Refuses the deletion of what a relationship holds, takes along what goes with it, and brings that back.
pub(in super::super) fn follow(
    tx: &Tx<'_>,
    entities: &Entities,
    scope: &Scope,
    old: &Entity,
    new: &Entity,
) -> Result<()> {
    match (old.deleted_at, new.deleted_at) {
        (None, Some(_)) => delete(tx, entities, scope, new),
        (Some(_), None) => restore(tx, entities, scope, new),
        _ => Ok(()),
    }
}

/// Relationships that hold an entity. One that leads from an entity to itself goes with it.
fn holding() -> String {
    format!("(from_id = ?1 OR to_id = ?1) AND from_id <> to_id AND deleted_at IS NULL AND type NOT IN ({CASCADING})")
}

fn count(tx: &Tx<'_>, condition: &str, params: &[Param<'static>]) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM relationships WHERE {condition}");
    Ok(tx.query_one(&sql, params, |row| row.get(0))?.unwrap_or(0))
}

/// Whether a relationship keeps an entity from being deleted.
pub(in super::super) fn is_held(tx: &Tx<'_>, id: Id) -> Result<bool> {
    Ok(count(tx, &holding(), &[Param::Id(id)])? > 0)
}

fn ensure_free(tx: &Tx<'_>, entities: &Entities, scope: &Scope, id: Id) -> Result<()> {
    let mut params = vec![Param::Id(id)];
    let all = count(tx, &holding(), &params)?;
    if all == 0 {
        return Ok(());
    }
    let sight = Sight::new(entities, &scope.permit);
    let (ends, within) = (sight.ends(&mut params), sight.within(Action::Read, &mut params));
    let seen = count(tx, &format!("{} AND {within} AND {ends}", holding()), &params)?;
    let told = match (seen, all) {
        (0, _) => "Relationships that you may not see hold this entity.".to_owned(),
        (1, 1) => "1 relationship holds this entity. Remove it first.".to_owned(),
        (seen, all) if seen == all => format!("{seen} relationships hold this entity. Remove them first."),
        (seen, _) => format!("{seen} relationships hold this entity, and others that you may not see."),
    };
    Err(Error::conflict(told).with("count", seen))
}

fn delete(tx: &Tx<'_>, entities: &Entities, scope: &Scope, gone: &Entity) -> Result<()> {
    ensure_free(tx, entities, scope, gone.id)?;
    for before in store::of_entity(tx, gone.id)? {
        let after = Relationship {
            version: before.version + 1,
            updated_at: gone.updated_at,
            updated_by: gone.updated_by,
            deleted_at: gone.deleted_at,
            deleted_by: gone.deleted_by,
            deleted_with: Some(gone.id),
            ..before.clone()
        };
        store::update(tx, &after)?;
        record(tx, entities, scope, "relationship.deleted", &before, &after);
    }
    Ok(())
}

fn restore(tx: &Tx<'_>, entities: &Entities, scope: &Scope, back: &Entity) -> Result<()> {
    for before in store::deleted_with(tx, back.id)? {
        let other = before.other(back.id);
        if !store::is_live(tx, other)? {
            // It waits for its other end now.
            store::update(tx, &Relationship { deleted_with: Some(other), ..before })?;
            continue;
        }
        let after = Relationship {
            version: before.version + 1,
            updated_at: back.updated_at,
            updated_by: back.updated_by,
            deleted_at: None,
            deleted_by: None,
            deleted_with: None,
            ..before.clone()
        };
        store::update(tx, &after)?;
        record(tx, entities, scope, "relationship.restored", &before, &after);
    }
    Ok(())
}

fn record(
    tx: &Tx<'_>,
    entities: &Entities,
    scope: &Scope,
    action: &'static str,
    before: &Relationship,
    after: &Relationship,
) {
    let event = Event::new(action, "relationship", after.id).changed(before, after);
    entities.ledger.also(tx, &scope.permit.actor(), event);
}
