//! The versions of an entity: what it was, who changed what, and the way back.

use super::{
    draft,
    model::{Entity, WIDTH, columns},
    routes::{JSON, respond, target},
    scope::Scope,
    show, store,
    write::{Change, Entities},
};
use crate::{
    audit::difference,
    clock::Time,
    error::{Error, Result},
    filter::Position,
    ids::Id,
    permit::{
        Action, Allowed, Route,
        rights::{ReadEntity, UpdateEntity},
    },
    storage::{Param, Reader},
    web::{At, Deleted, ListQuery, Page, Params, Precondition, etag},
};
use actix_web::{HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/entities/{type}/{id}/history", "The versions of an entity, newest first", list),
        Route::get("/entities/{type}/{id}/history/{version}", "An entity as it was", show_version),
        Route::post(
            "/entities/{type}/{id}/history/{version}/restore",
            "Give an entity the content of an earlier version",
            restore,
        ),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct HistoryQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

async fn list(
    permit: Allowed<ReadEntity>,
    path: At<(String, Id)>,
    query: Params<HistoryQuery>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let HistoryQuery { limit, cursor } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()? as usize;
    let (scope, id) = target(&entities, &permit, path.0)?;
    Ok(HttpResponse::Ok().json(entities.history(scope, id, limit, cursor.as_deref()).await?))
}

async fn show_version(
    permit: Allowed<ReadEntity>,
    path: At<(String, Id, i64)>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (entity_type, id, number) = path.0;
    let scope = entities.scope(&permit, &entity_type)?;
    let then = entities.version(&scope, id, number)?;
    let tag = etag(then.version, scope.mask().id());
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let mut body = Vec::with_capacity(then.data.len() + 512);
    show::write_shown(&scope, None, then.shown(), &mut body)?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).insert_header((header::CONTENT_TYPE, JSON)).body(body))
}

async fn restore(
    permit: Allowed<UpdateEntity>,
    path: At<(String, Id, i64)>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (entity_type, id, number) = path.0;
    let scope = entities.scope(&permit, &entity_type)?;
    let entity = entities.revert(scope.clone(), id, number, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &scope, &entity)
}

/// One version in a list: who made it and how, and what then differed.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    version: i64,
    at: Time,
    /// The user, where it was one.
    by: Option<Id>,
    /// created, updated, deleted, restored or reverted.
    action: String,
    changes: Changes,
}

/// Only what differs; `before` is null where the version before is not there, or not for the caller to see.
#[derive(Debug, Serialize)]
struct Changes {
    before: Value,
    after: Value,
}

/// Every state of the entity `?1`, the present one included, as rows like those of `entities`.
const STATES: &str = "(SELECT id, type, name, confidence, data, owner_id, version, created_at, updated_at,
            created_by, updated_by, deleted_at, deleted_by
       FROM entities WHERE id = ?1
     UNION ALL
     SELECT v.id, e.type, v.name, v.confidence, v.data, v.owner_id, v.version, e.created_at, v.updated_at,
            e.created_by, v.updated_by, v.deleted_at, v.deleted_by
       FROM entity_versions v JOIN entities e ON e.id = v.id WHERE v.id = ?1)";

/// What made a version, as the one before says.
const MADE_BY: &str = "(SELECT p.ended_by FROM entity_versions p WHERE p.id = ?1 AND p.version = states.version - 1)";

fn ensure_readable(reader: &Reader<'_>, scope: &Scope, id: Id) -> Result<()> {
    store::find(reader, scope, id, Deleted::Include)?.map(drop).ok_or_else(Error::not_found)
}

/// The versions below `below`, newest first. A state that was out of the caller's reach stays so.
pub(super) fn versions(
    reader: &Reader<'_>,
    scope: &Scope,
    id: Id,
    below: i64,
    limit: usize,
) -> Result<Vec<(Entity, String)>> {
    let mut params = vec![Param::Id(id), Param::Int(below), limit.into()];
    let condition = scope.condition(Action::Read, &mut params);
    let of_type = store::of_type(&scope.entity_type.name, Deleted::Include);
    let columns = columns(Some(&scope.entity_type));
    let sql = format!(
        "SELECT {columns}, {MADE_BY} FROM {STATES} AS states
         WHERE {of_type} AND version < ?2 AND {condition} ORDER BY version DESC LIMIT ?3"
    );
    reader.query_all(&sql, &params, |row| {
        let entity = Entity::read(row)?;
        let first = entity.version == 1;
        let action = row.get::<Option<String>>(WIDTH)?;
        Ok((entity, action.unwrap_or_else(|| if first { "created" } else { "updated" }.to_owned())))
    })
}

fn version(reader: &Reader<'_>, scope: &Scope, id: Id, number: i64) -> Result<Entity> {
    let found = versions(reader, scope, id, number.saturating_add(1), 1)?.pop();
    found.map(|(entity, _)| entity).filter(|entity| entity.version == number).ok_or_else(Error::not_found)
}

fn changes(scope: &Scope, before: Option<&Entity>, after: &Entity) -> Result<Changes> {
    let now = show::content(scope, after)?;
    let changes = match before {
        None => Changes { before: Value::Null, after: now },
        Some(before) => {
            let (before, after) = difference(&show::content(scope, before)?, &now);
            Changes { before, after }
        }
    };
    let data = [&changes.before["data"], &changes.after["data"]];
    scope.saw(serde_json::json!(data).to_string().as_bytes(), || Some(after.id))?;
    Ok(changes)
}

impl Entities {
    /// A page of the versions of an entity, deleted or not.
    pub(super) async fn history(
        &self,
        scope: Scope,
        id: Id,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Entry>> {
        let question = ["history".to_owned(), id.to_string()];
        let question = question.each_ref().map(String::as_str);
        let other = || Error::invalid_at("/cursor", "invalid_cursor", "This cursor is of another list.");
        let below = match cursor.map(|cursor| self.cursors.open(&question, cursor)).transpose()? {
            Some(position) => position.as_numbers().map(|[below]| below).ok_or_else(other)?,
            None => i64::MAX,
        };
        let reach = scope.clone();
        let read = move |reader: &Reader<'_>| {
            ensure_readable(reader, &reach, id)?;
            versions(reader, &reach, id, below, limit + 1)
        };
        let states = self.ledger.db().read_off(read).await?;
        let mut items = Vec::with_capacity(limit.min(states.len()));
        for (index, (entity, action)) in states.iter().take(limit).enumerate() {
            let before = states.get(index + 1).map(|(before, _)| before);
            let before = before.filter(|before| before.version == entity.version - 1);
            items.push(Entry {
                version: entity.version,
                at: entity.updated_at,
                by: entity.updated_by,
                action: action.clone(),
                changes: changes(&scope, before, entity)?,
            });
        }
        let last = items.last().filter(|_| states.len() > limit);
        let next_cursor = last.map(|last| self.cursors.seal(&question, &Position::numbers(&[last.version])));
        Ok(Page { items, next_cursor, total: None })
    }

    /// The entity as it was.
    pub(super) fn version(&self, scope: &Scope, id: Id, number: i64) -> Result<Entity> {
        self.ledger.db().read(|reader| {
            ensure_readable(reader, scope, id)?;
            version(reader, scope, id, number)
        })
    }

    /// Makes a new version with the content of an earlier one. What the caller may not see stays as it is now, and
    /// so does the owner.
    pub(super) async fn revert(&self, scope: Scope, id: Id, number: i64, condition: Precondition) -> Result<Entity> {
        let clock = self.ledger.clock().clone();
        self.change(scope, id, Change::REVERT, condition, move |tx, scope, old| {
            let then = version(tx, scope, id, number)?;
            draft::reinstate(scope, old, &then, clock.now())
        })
        .await
    }
}
