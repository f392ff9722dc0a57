//! Entities over HTTP.

use super::{
    aggregate, batch,
    cache::View,
    draft::{EntityPatch, NewEntity},
    erase, export, history, import,
    list::{EntityQuery, Listing},
    model::Entity,
    of_user, owned,
    pick::Picks,
    relationships::{self, Expansion},
    scope::Scope,
    show::{write_shown, write_view},
    store,
    write::Entities,
};
use crate::{
    audit::KeyedOutcome,
    data::entity_types::EntityType,
    error::{Error, Result},
    ids::Id,
    permit::{
        Action, Allowed, Permit, Reach, Route, Rule,
        rights::{CreateEntity, DeleteEntity, ReadEntity, UpdateEntity},
    },
    storage::Reader,
    web::{At, Deleted, ListQuery, Params, Precondition, Valid, etag},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Data,
};
use serde::Deserialize;
use std::sync::Arc;

pub fn routes() -> Vec<Route> {
    let mut all = one_and_many();
    all.extend(aggregate::routes());
    all.extend(import::routes());
    all.extend(export::routes());
    all.extend(history::routes());
    all.extend(batch::routes());
    all.extend(erase::routes());
    all.extend(of_user::routes());
    all.extend(owned::routes());
    all.extend(relationships::routes());
    all
}

fn one_and_many() -> Vec<Route> {
    vec![
        Route::get("/entities/{type}", "List the entities of a type", list),
        Route::post("/entities/{type}", "Make an entity", create).ends(201).ends(200),
        Route::get("/entities/{type}/{id}", "One entity", show),
        Route::patch("/entities/{type}/{id}", "Change an entity by merge patch", patch),
        Route::put("/entities/{type}/{id}", "Replace an entity", replace),
        Route::delete("/entities/{type}/{id}", "Delete an entity; it can be restored", delete),
        Route::post("/entities/{type}/{id}/restore", "Restore a deleted entity", restore),
    ]
}

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

async fn list(
    permit: Allowed<ReadEntity>,
    entity_type: At<String>,
    query: Params<EntityQuery>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let scope = entities.scope(&permit, &entity_type.0)?;
    let body = Listing::new(&entities, scope, query.0)?.run().await?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(body))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ShowQuery {
    fields: Option<String>,
    deleted: Option<String>,
    expand: Option<String>,
    depth: Option<u8>,
}

/// The way taken most: who reaches every entity gets it from memory as it is.
async fn show(
    permit: Allowed<ReadEntity>,
    request: HttpRequest,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let path = request.match_info();
    let id: Id = path.get("id").and_then(|id| id.parse().ok()).ok_or_else(Error::not_found)?;
    let entity_type = entities.types.require(path.get("type").unwrap_or_default())?;
    let everything = !entity_type.owner_only && *permit.reach() == Reach::Any;
    if everything && request.query_string().is_empty() {
        let mask = entity_type.mask(permit.clearance()).id();
        if let Some(view) = entities.cache.get(id, mask).filter(|view| view.entity_type == entity_type.name) {
            return answer(&entities, (&permit, &entity_type), id, &view, &precondition);
        }
    }
    let scope = Scope::new(&permit, entity_type, &entities.ledger, entities.types.keys());
    if !request.query_string().is_empty() {
        let Params(query) = Params::<ShowQuery>::read(&request)?;
        return picked(&entities, &scope, id, &query, &precondition);
    }
    let view = view(&entities, &scope, id)?;
    answer(&entities, (&scope.permit, &scope.entity_type), id, &view, &precondition)
}

/// Whoever has it already is shown nothing anew.
fn answer(
    entities: &Entities,
    (permit, entity_type): (&Permit, &EntityType),
    id: Id,
    view: &View,
    precondition: &Precondition,
) -> Result<HttpResponse> {
    if view.etag.to_str().is_ok_and(|tag| precondition.is_known(tag)) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, view.etag.clone())).finish());
    }
    if !view.sensitive.is_empty() {
        entities.ledger.saw(&permit.actor(), entity_type.watched(), view.sensitive, 1, || Some(id))?;
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, view.etag.clone()))
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(view.body.clone()))
}

fn view(entities: &Entities, scope: &Scope, id: Id) -> Result<Arc<View>> {
    let mask = scope.mask().id();
    let reach = scope.reach(Action::Read).ok_or_else(Error::not_found)?;
    let only_own = match &reach {
        Reach::Any => false,
        Reach::Limited(rules) if rules.iter().all(|rule| *rule == Rule::Own) => true,
        Reach::Limited(_) => return find(entities, scope, id).map(Arc::new),
    };
    let within = |view: &View| {
        view.entity_type == scope.entity_type.name
            && (!only_own || (view.owner_id.is_some() && view.owner_id == scope.user()))
    };
    if let Some(view) = entities.cache.get(id, mask) {
        return if within(&view) { Ok(view) } else { Err(Error::not_found()) };
    }
    let stamp = entities.cache.stamp(id);
    let view = Arc::new(find(entities, scope, id)?);
    entities.cache.insert(id, mask, view.clone(), stamp);
    Ok(view)
}

fn find(entities: &Entities, scope: &Scope, id: Id) -> Result<View> {
    let found = entities.ledger.db().read(|reader| store::find(reader, scope, id, Deleted::Without))?;
    let entity = found.ok_or_else(Error::not_found)?;
    let mut body = Vec::with_capacity(entity.data.len() + 512);
    let sensitive = write_view(scope, entity.shown(), &mut body)?;
    let etag = HeaderValue::from_str(&etag(entity.version, scope.mask().id())).map_err(Error::internal)?;
    Ok(View { entity_type: entity.entity_type, owner_id: entity.owner_id, etag, sensitive, body: body.into() })
}

fn picked(
    entities: &Entities,
    scope: &Scope,
    id: Id,
    query: &ShowQuery,
    precondition: &Precondition,
) -> Result<HttpResponse> {
    let deleted = ListQuery { deleted: query.deleted.clone(), ..ListQuery::default() }.deleted()?;
    let picks = query.fields.as_deref().map(|text| Picks::parse(text, scope.mask())).transpose()?;
    let expansion = Expansion::new(entities, &scope.permit, query.expand.as_deref(), query.depth)?;
    let found = entities.ledger.db().read(|reader| store::find(reader, scope, id, deleted))?;
    let entity = found.ok_or_else(Error::not_found)?;
    if let Some(expansion) = expansion {
        let mut body = Vec::new();
        write_shown(scope, picks.as_ref(), entity.shown(), &mut body)?;
        let mut whole = [serde_json::from_slice(&body).map_err(Error::internal)?];
        entities.ledger.db().read(|reader| expansion.fill(reader, &mut whole))?;
        let text = whole[0].to_string();
        let tag = etag(entity.version, fingerprint(&text));
        if precondition.is_known(&tag) {
            return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
        }
        return Ok(HttpResponse::Ok()
            .insert_header((header::ETAG, tag))
            .insert_header((header::CONTENT_TYPE, JSON))
            .body(text));
    }
    let tag = etag(entity.version, scope.mask().id() ^ query.fields.as_deref().map_or(0, fingerprint));
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let mut body = Vec::new();
    write_shown(scope, picks.as_ref(), entity.shown(), &mut body)?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).insert_header((header::CONTENT_TYPE, JSON)).body(body))
}

/// Tells one choice of fields from another in entity tags (FNV-1a).
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct CreateQuery {
    /// Changes the entity that has the same value of this unique field.
    upsert_on: Option<String>,
}

async fn create(
    permit: Allowed<CreateEntity>,
    entity_type: At<String>,
    query: Params<CreateQuery>,
    precondition: Precondition,
    body: Valid<NewEntity>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let scope = entities.scope(&permit, &entity_type.0)?;
    let (entity, made) = match query.0.upsert_on {
        None => (entities.create(scope.clone(), body.0).await?, true),
        Some(pointer) => {
            ensure_may_update(&permit, &scope)?;
            entities.upsert(scope.clone(), &pointer, body.0, precondition).await?
        }
    };
    if !made {
        return respond(HttpResponse::Ok(), &entities, &scope, &entity);
    }
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, location(&entity)));
    respond(answer, &entities, &scope, &entity)
}

/// Whoever makes or changes needs both rights.
pub(super) fn ensure_may_update(permit: &Permit, scope: &Scope) -> Result<()> {
    match permit.extend::<UpdateEntity>(Some(&scope.entity_type.name)) {
        Some(_) => Ok(()),
        None => Err(Error::forbidden(
            "Matching by a field also takes the permission entities:update, which you do not hold.",
        )),
    }
}

async fn patch(
    permit: Allowed<UpdateEntity>,
    path: At<(String, String)>,
    precondition: Precondition,
    body: Valid<EntityPatch>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (scope, id) = target(&entities, &permit, path.id()?)?;
    let entity = entities.patch(scope.clone(), id, body.0, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &scope, &entity)
}

async fn replace(
    permit: Allowed<UpdateEntity>,
    path: At<(String, String)>,
    precondition: Precondition,
    body: Valid<NewEntity>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (scope, id) = target(&entities, &permit, path.id()?)?;
    let entity = entities.replace(scope.clone(), id, body.0, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &scope, &entity)
}

async fn delete(
    permit: Allowed<DeleteEntity>,
    path: At<(String, Id)>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (scope, id) = target(&entities, &permit, path.0)?;
    entities.delete(scope, id, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(
    permit: Allowed<DeleteEntity>,
    path: At<(String, Id)>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (scope, id) = target(&entities, &permit, path.0)?;
    let entity = entities.restore(scope.clone(), id, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &scope, &entity)
}

pub(super) fn target(entities: &Entities, permit: &Permit, (entity_type, id): (String, Id)) -> Result<(Scope, Id)> {
    Ok((entities.scope(permit, &entity_type)?, id))
}

/// The entity as the caller may see it; whoever may not read it learns only its id and version.
pub(super) fn respond(
    mut answer: actix_web::HttpResponseBuilder,
    entities: &Entities,
    scope: &Scope,
    entity: &Entity,
) -> Result<HttpResponse> {
    let readable = match scope.reach(Action::Read) {
        None => false,
        Some(Reach::Any) => true,
        Some(Reach::Limited(_)) => entities.ledger.db().read(|reader| is_readable(reader, scope, entity.id))?,
    };
    answer.insert_header((header::ETAG, etag(entity.version, scope.mask().id())));
    Ok(answer.insert_header((header::CONTENT_TYPE, JSON)).body(written(scope, entity, readable)?))
}

fn is_readable(reader: &Reader<'_>, scope: &Scope, id: Id) -> Result<bool> {
    Ok(scope.reaches_all(Action::Read) || store::is_within(reader, scope, id, Action::Read, Deleted::Include)?)
}

fn written(scope: &Scope, entity: &Entity, readable: bool) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(entity.data.len() + 512);
    if readable {
        write_shown(scope, None, entity.shown(), &mut body)?;
    } else {
        let known = serde_json::json!({"id": entity.id, "version": entity.version});
        serde_json::to_writer(&mut body, &known).map_err(Error::internal)?;
    }
    Ok(body)
}

fn location(entity: &Entity) -> String {
    format!("/api/v1/entities/{}/{}", entity.entity_type, entity.id)
}

/// The answer of [`respond`], as it is given to a request that comes again.
pub(super) fn outcome(reader: &Reader<'_>, scope: &Scope, entity: &Entity, made: bool) -> Result<KeyedOutcome> {
    let mut headers = vec![
        (header::CONTENT_TYPE.to_string(), "application/json".to_owned()),
        (header::ETAG.to_string(), etag(entity.version, scope.mask().id())),
    ];
    headers.extend(made.then(|| (header::LOCATION.to_string(), location(entity))));
    let body = written(scope, entity, is_readable(reader, scope, entity.id)?)?;
    let body = String::from_utf8(body).map_err(Error::internal)?;
    Ok(KeyedOutcome::Answered { status: if made { 201 } else { 200 }, headers, body })
}
