//! What belongs to entities without being part of them, such as files: who sees it has to see the entity too.

use super::{scope::Scope, store::is_within, write::Entities};
use crate::{
    error::{Error, Result},
    ids::Id,
    params,
    permit::{
        Action, Permit,
        rights::{ReadEntity, UpdateEntity},
    },
    refusal::Check,
    storage::{Param, Reader},
    web::Deleted,
};
use std::{collections::BTreeMap, sync::Arc};

/// A caller before what belongs to entities.
#[derive(Clone)]
pub struct Ties {
    permit: Permit,
    entities: Entities,
    /// Every type that they may read some entities of, and that is not closed.
    scopes: Arc<BTreeMap<Arc<str>, Scope>>,
}

impl Entities {
    pub fn ties(&self, permit: &Permit) -> Ties {
        let open = |name: &str| self.closed.get().is_none_or(|closed| closed.refuses(name).is_none());
        let scopes = self.types.all().into_iter().filter(|kind| open(&kind.name)).filter_map(|kind| {
            let permit = permit.extend::<ReadEntity>(Some(&kind.name))?;
            Some((kind.name.clone(), Scope::new(&permit, kind, &self.ledger, self.types.keys())))
        });
        Ties { permit: permit.clone(), entities: self.clone(), scopes: Arc::new(scopes.collect()) }
    }
}

impl Ties {
    /// The condition for rows whose `column` names no entity, or one that is there and that the caller may read.
    pub fn condition(&self, column: &str, params: &mut Vec<Param<'static>>) -> String {
        let (mut all, mut parts) = (Vec::new(), Vec::new());
        for (name, scope) in &*self.scopes {
            if scope.reaches_all(Action::Read) {
                all.push(format!("'{name}'"));
            } else {
                parts.push(format!("(type = '{name}' AND {})", scope.condition(Action::Read, params)));
            }
        }
        if !all.is_empty() {
            parts.push(format!("type IN ({})", all.join(", ")));
        }
        if parts.is_empty() {
            return format!("{column} IS NULL");
        }
        let readable = parts.join(" OR ");
        format!(
            "({column} IS NULL OR EXISTS (SELECT 1 FROM entities
              WHERE entities.id = {column} AND deleted_at IS NULL AND ({readable})))"
        )
    }

    /// Refuses an entity that something cannot be tied to: one that the caller may not know of is none, one that they
    /// may not change gets nothing added.
    pub fn ensure(&self, reader: &Reader<'_>, id: Id, pointer: &str) -> Result<()> {
        let missing = || Error::invalid_at(pointer, "not_found", "There is no entity with this id.");
        let sql = "SELECT type FROM entities WHERE id = ?1 AND deleted_at IS NULL";
        let name = reader.query_one(sql, params![id], |row| row.get::<String>(0))?.ok_or_else(missing)?;
        let Some(scope) = self.scopes.get(&*name) else {
            let closed = self.entities.closed.get().and_then(|closed| closed.refuses(&name));
            let known = self.permit.extend::<ReadEntity>(Some(&name)).is_some();
            return Err(closed.filter(|_| known).unwrap_or_else(missing));
        };
        if !is_within(reader, scope, id, Action::Read, Deleted::Without)? {
            return Err(missing());
        }
        if self.permit.extend::<UpdateEntity>(Some(&name)).is_some()
            && is_within(reader, scope, id, Action::Update, Deleted::Without)?
        {
            return Ok(());
        }
        let reason = format!("The permission to update does not reach the entity: {}.", scope.told(Action::Update));
        Err(Error::forbidden("You may read this entity, but add nothing to it.").because(Check::Ownership, reason))
    }
}
