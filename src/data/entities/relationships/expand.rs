//! `?expand=relationships`: entities with what they are joined to, as far as the caller may know of it.

use super::{
    super::{
        model::{Entity, columns},
        scope::Scope,
        show::write_shown,
        store as entities_store,
        write::Entities,
    },
    model::{COLUMNS, Relationship},
    sight::Sight,
    store,
};
use crate::{
    error::{Error, Result},
    ids::Id,
    params,
    permit::{Action, Permit, rights::ReadRelationships},
    storage::{Param, Reader},
    web::Deleted,
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// How deep it goes, at most.
const DEPTH: u8 = 3;
/// Relationships of one entity in each direction, at most.
const EACH: usize = 100;
/// Relationships in one answer, at most.
const ALL: usize = 1000;

/// What is asked to be expanded, and what the caller may see of it.
pub(in super::super) struct Expansion {
    sight: Sight,
    depth: u8,
    ends: String,
    within: String,
    params: Vec<Param<'static>>,
}

impl Expansion {
    /// Reads `?expand=` and `?depth=`; none where nothing is to be expanded.
    pub fn new(entities: &Entities, permit: &Permit, expand: Option<&str>, depth: Option<u8>) -> Result<Option<Self>> {
        match expand {
            None if depth.is_some() => {
                let message = "`depth` says how far `expand=relationships` goes, which is not asked for.";
                return Err(Error::invalid_at("/depth", "invalid", message));
            }
            None => return Ok(None),
            Some("relationships") => {}
            Some(_) => return Err(Error::invalid_at("/expand", "invalid", "`expand` is `relationships`.")),
        }
        let depth = depth.unwrap_or(1);
        if !(1..=DEPTH).contains(&depth) {
            let message = format!("The depth is 1 to {DEPTH}, not {depth}.");
            return Err(Error::invalid_at("/depth", "out_of_range", message));
        }
        let Some(permit) = permit.extend::<ReadRelationships>(None) else {
            return Err(Error::forbidden("Expanding takes the permission relationships:read, which you do not hold."));
        };
        let sight = Sight::new(entities, &permit);
        // The entity is always the first parameter, and how many are wanted the second.
        let mut params = vec![Param::Int(0), Param::Int(0)];
        let (ends, within) = (sight.ends(&mut params), sight.within(Action::Read, &mut params));
        Ok(Some(Self { sight, depth, ends, within, params }))
    }

    /// Puts what they are joined to into entities that were written for the caller.
    pub fn fill(&self, reader: &Reader<'_>, items: &mut [Value]) -> Result<()> {
        let most = ALL / items.len().max(1);
        for item in items {
            let id = item.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Id>().ok());
            let id = id.ok_or_else(|| Error::internal("an entity without its id"))?;
            let mut walk = Walk { expansion: self, left: most, met: HashSet::from([id]) };
            walk.entity(reader, id, self.depth, None, item)?;
        }
        Ok(())
    }

    fn page(&self, reader: &Reader<'_>, id: Id, outgoing: bool, most: usize) -> Result<Vec<Relationship>> {
        let mut params = self.params.clone();
        params[0] = Param::Id(id);
        params[1] = most.into();
        let end = if outgoing { "from_id = ?1" } else { "to_id = ?1 AND from_id <> to_id" };
        let (live, within, ends) = (store::deleted(Deleted::Without), &self.within, &self.ends);
        let sql = format!(
            "SELECT {COLUMNS} FROM relationships WHERE {end} AND {live} AND {within} AND {ends} ORDER BY id LIMIT ?2"
        );
        reader.query_all(&sql, &params, Relationship::read)
    }

    /// The entity as the caller may see it, where they still may.
    fn end(&self, reader: &Reader<'_>, id: Id) -> Result<Option<Value>> {
        let sql = format!("SELECT {} FROM entities WHERE id = ?1 AND deleted_at IS NULL", columns(None));
        let Some(entity) = reader.query_one(&sql, params![id], Entity::read)? else { return Ok(None) };
        let Some(scope) = self.sight.scope(&entity.entity_type) else { return Ok(None) };
        let entity = if scope.reaches_all(Action::Read) {
            Some(entity)
        } else {
            entities_store::find(reader, scope, id, Deleted::Without)?
        };
        entity.map(|entity| shown(scope, &entity)).transpose()
    }
}

fn shown(scope: &Scope, entity: &Entity) -> Result<Value> {
    let mut text = Vec::new();
    write_shown(scope, None, entity.shown(), &mut text)?;
    serde_json::from_slice(&text).map_err(Error::internal)
}

/// One entity after the other, each expanded where it is met first.
struct Walk<'e> {
    expansion: &'e Expansion,
    left: usize,
    met: HashSet<Id>,
}

impl Walk<'_> {
    /// Adds what the entity is joined to, save by the relationship that led to it.
    fn entity(
        &mut self,
        reader: &Reader<'_>,
        id: Id,
        depth: u8,
        came_by: Option<Id>,
        entity: &mut Value,
    ) -> Result<()> {
        let (mut found, mut more) = (Vec::new(), false);
        for outgoing in [true, false] {
            let most = EACH.min(self.left);
            // One for the way here and one that tells whether there are more.
            let mut page = self.expansion.page(reader, id, outgoing, most + 2)?;
            page.retain(|relationship| Some(relationship.id) != came_by);
            more |= page.len() > most;
            page.truncate(most);
            for relationship in page {
                let other = relationship.other(id);
                let Some(end) = self.expansion.end(reader, other)? else { continue };
                self.left -= 1;
                found.push((relationship, outgoing, other, end));
            }
        }
        let mut items = Vec::with_capacity(found.len());
        for (relationship, outgoing, other, mut end) in found {
            let by = relationship.id;
            if depth > 1 && self.met.insert(other) {
                self.entity(reader, other, depth - 1, Some(by), &mut end)?;
            }
            let shown = relationship.shown(self.expansion.sight.permit.clearance())?;
            let mut item = serde_json::to_value(&shown).map_err(Error::internal)?;
            item["direction"] = json!(if outgoing { "outgoing" } else { "incoming" });
            item["entity"] = end;
            items.push(item);
        }
        entity["relationships"] = Value::Array(items);
        entity["more_relationships"] = Value::Bool(more);
        Ok(())
    }
}
