//! Entity types over HTTP.

use super::{
    action::{self, ChangeEntityType, NewEntityType},
    model::EntityType,
    registry::EntityTypes,
};
use crate::{
    audit::Ledger,
    error::{Error, Result},
    permit::{
        Allowed, Route, is_name,
        rights::{CreateEntityTypes, DeleteEntityTypes, ReadEntityTypes, UpdateEntityTypes},
    },
    web::{At, ListQuery, Page, Params, Precondition, Valid, etag},
};
use actix_web::{HttpResponse, http::header, web::Data};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/entity-types", "List the entity types", list),
        Route::post("/entity-types", "Make an entity type", create),
        Route::get("/entity-types/{type}", "One entity type", show),
        Route::patch("/entity-types/{type}", "Change an entity type", change),
        Route::delete("/entity-types/{type}", "Delete an entity type that has no entities", delete),
    ]
}

#[derive(Debug, Deserialize)]
struct TypeQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    count: Option<bool>,
}

/// In the order of their names; the cursor is the last name of the page before.
async fn list(_: Allowed<ReadEntityTypes>, query: Params<TypeQuery>, types: Data<EntityTypes>) -> Result<HttpResponse> {
    let TypeQuery { limit, cursor, count } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()? as usize;
    if cursor.as_deref().is_some_and(|cursor| !is_name(cursor)) {
        return Err(Error::invalid_at("/cursor", "invalid", "This cursor does not belong to this list."));
    }
    let all = types.all();
    let mut rest = all.iter().filter(|kind| cursor.as_deref().is_none_or(|last| &*kind.name > last));
    let items: Vec<_> = rest.by_ref().take(limit).map(|kind| kind.definition()).collect();
    let next_cursor = items.last().filter(|_| rest.next().is_some()).map(|last| last.name.to_string());
    Ok(HttpResponse::Ok().json(Page { items, next_cursor, total: count.unwrap_or(false).then_some(all.len() as i64) }))
}

async fn create(
    permit: Allowed<CreateEntityTypes>,
    body: Valid<NewEntityType>,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let made = action::create(&ledger, &types, &permit.actor(), body.0).await?;
    let location = format!("/api/v1/entity-types/{}", made.name);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::ETAG, etag(made.version, 0)))
        .json(made.definition()))
}

fn answer(kind: &EntityType) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(kind.version, 0))).json(kind.definition())
}

async fn show(
    _: Allowed<ReadEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let kind = types.require(&name.0)?;
    let tag = etag(kind.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(answer(&kind))
}

async fn change(
    permit: Allowed<UpdateEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    body: Valid<ChangeEntityType>,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let kind = action::change(&ledger, &types, &permit, &name.0, body.0, precondition).await?;
    Ok(answer(&kind))
}

async fn delete(
    permit: Allowed<DeleteEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    action::delete(&ledger, &types, &permit.actor(), name.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}
