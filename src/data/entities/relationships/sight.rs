//! Which relationships a caller may know of: those within their permission whose both ends they may read.

use super::{
    super::{
        scope::{Scope, user_values},
        store::is_within,
        write::Entities,
    },
    store::find,
};
use crate::{
    error::{Error, Result},
    filter::{self, Field, Fields, Kind},
    ids::Id,
    params,
    permit::{
        Action, Permit, Reach, Rule,
        rights::{ReadEntity, UpdateEntity},
    },
    refusal::Check,
    storage::{Param, Reader},
    web::Deleted,
};
use std::{collections::BTreeMap, sync::Arc};

/// A caller before relationships.
#[derive(Clone)]
pub(super) struct Sight {
    pub permit: Permit,
    entities: Entities,
    /// Every type that they may read some entities of, and that is not closed.
    scopes: Arc<BTreeMap<Arc<str>, Scope>>,
}

/// Whether an end can be joined to another.
pub(super) enum End {
    /// Not there, or not for the caller to know of.
    Missing,
    There,
}

impl Sight {
    pub fn new(entities: &Entities, permit: &Permit) -> Self {
        let open = |name: &str| entities.closed.get().is_none_or(|closed| closed.refuses(name).is_none());
        let scopes = entities.types.all().into_iter().filter(|kind| open(&kind.name)).filter_map(|kind| {
            let permit = permit.extend::<ReadEntity>(Some(&kind.name))?;
            Some((kind.name.clone(), Scope::new(&permit, kind, &entities.ledger, entities.types.keys())))
        });
        Self { permit: permit.clone(), entities: entities.clone(), scopes: Arc::new(scopes.collect()) }
    }

    pub fn scope(&self, entity_type: &str) -> Option<&Scope> {
        self.scopes.get(entity_type)
    }

    /// The condition for relationships whose both ends the caller may read.
    pub fn ends(&self, params: &mut Vec<Param<'static>>) -> String {
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
            return "1 = 0".to_owned();
        }
        let readable = parts.join(" OR ");
        let end = |column| {
            format!("EXISTS (SELECT 1 FROM entities WHERE entities.id = relationships.{column} AND ({readable}))")
        };
        format!("{} AND {}", end("from_id"), end("to_id"))
    }

    /// How far an action on relationships reaches for the caller.
    pub fn reach(&self, action: Action) -> Option<Reach> {
        self.permit.also("relationships", None, action)
    }

    /// The condition for relationships that the action may touch, as far as the permission on them says.
    pub fn within(&self, action: Action, params: &mut Vec<Param<'static>>) -> String {
        match self.reach(action) {
            None => "1 = 0".to_owned(),
            Some(Reach::Any) => "1 = 1".to_owned(),
            Some(Reach::Limited(rules)) => {
                let parts: Vec<_> = rules.iter().map(|rule| self.rule(rule, params)).collect();
                format!("({})", parts.join(" OR "))
            }
        }
    }

    fn rule(&self, rule: &Rule, params: &mut Vec<Param<'static>>) -> String {
        let text = match rule {
            Rule::Own => "owner_id = @user.id",
            Rule::Where(rule) => &rule.0,
        };
        self.bound(text, true, params).unwrap_or_else(|error| {
            tracing::warn!(%error, "a row rule does not fit relationships and lets nothing through");
            "1 = 0".to_owned()
        })
    }

    /// A filter as a condition; its own of a rule, which may ask for more than the caller sees.
    pub fn bound(
        &self,
        text: &str,
        whole: bool,
        params: &mut Vec<Param<'static>>,
    ) -> Result<String, filter::SyntaxError> {
        let principal = self.permit.caller().principal.as_deref();
        let user = |segments: &[String]| principal.map_or_else(Vec::new, |who| user_values(who, segments));
        filter::parse(text)?.bind(&user).to_sql(&RelationshipFields { data: whole || self.shows_data() }, params)
    }

    pub fn shows_data(&self) -> bool {
        super::model::shows_data(self.permit.clearance())
    }

    /// The fields to filter and sort by.
    pub fn fields(&self) -> RelationshipFields {
        RelationshipFields { data: self.shows_data() }
    }

    /// How the caller stands to an end; with `to_write` it must be theirs to change.
    pub fn end(&self, reader: &Reader<'_>, id: Id, to_write: bool) -> Result<End> {
        let sql = "SELECT type FROM entities WHERE id = ?1 AND deleted_at IS NULL";
        let Some(name) = reader.query_one(sql, params![id], |row| row.get::<String>(0))? else {
            return Ok(End::Missing);
        };
        let Some(scope) = self.scope(&name) else {
            let closed = self.entities.closed.get().and_then(|closed| closed.refuses(&name));
            let known = self.permit.extend::<ReadEntity>(Some(&name)).is_some();
            return closed.filter(|_| known).map_or(Ok(End::Missing), Err);
        };
        if !is_within(reader, scope, id, Action::Read, Deleted::Without)? {
            return Ok(End::Missing);
        }
        let writable = !to_write
            || self.permit.extend::<UpdateEntity>(Some(&name)).is_some()
                && is_within(reader, scope, id, Action::Update, Deleted::Without)?;
        if writable {
            return Ok(End::There);
        }
        let told = "A relationship belongs to the entity that it leads from, which you may read, but not change.";
        Err(Error::forbidden(told).because(
            Check::Ownership,
            format!(
                "The entity that it leads from can be read, but the permission to update does not reach it: {}.",
                scope.told(Action::Update)
            ),
        ))
    }
}

impl Entities {
    /// Whether the permit's caller may know of a relationship, deleted or not.
    pub fn knows_relationship(&self, permit: &Permit, id: Id) -> Result<bool> {
        let sight = Sight::new(self, permit);
        Ok(self.ledger.db().read(|reader| find(reader, &sight, id, Deleted::Include))?.is_some())
    }
}

pub(super) struct RelationshipFields {
    data: bool,
}

impl Fields for RelationshipFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let (first, path) = segments.split_first()?;
        if first == "data" && !path.is_empty() {
            return self.data.then(|| Field::json("data", path, Kind::Any)).flatten();
        }
        if !path.is_empty() {
            return None;
        }
        let column = |kind| Field::column(first.clone(), kind);
        Some(match first.as_str() {
            "id" | "type" | "from_id" | "to_id" => column(Kind::Text).never_null(),
            "created_by" | "updated_by" | "deleted_by" => column(Kind::Text),
            // A relationship is its maker's own.
            "owner_id" => Field::column("created_by", Kind::Text),
            "version" => column(Kind::Number).never_null(),
            "created_at" | "updated_at" => column(Kind::Time).never_null(),
            "deleted_at" => column(Kind::Time),
            _ => return None,
        })
    }
}
