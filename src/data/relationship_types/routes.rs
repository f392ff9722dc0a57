//! Kinds of relationships over HTTP. Whoever shapes entity types shapes them.

use super::{
    action::{self, ChangeRelationshipType, NewRelationshipType},
    model::RelationshipType,
    store,
};
use crate::{
    audit::Ledger,
    error::{Error, Result},
    permit::{
        Allowed, Route, is_name,
        rights::{CreateEntityTypes, DeleteEntityTypes, ReadEntityTypes, UpdateEntityTypes},
    },
    storage::Reader,
    web::{At, ListQuery, Page, Params, Precondition, Valid, etag},
};
use actix_web::{HttpResponse, HttpResponseBuilder, http::header, web::Data};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/relationship-types", "List the relationship types", list),
        Route::post("/relationship-types", "Declare a relationship type", create).ends(201),
        Route::get("/relationship-types/{name}", "One relationship type", show),
        Route::patch("/relationship-types/{name}", "Change a relationship type", change),
        Route::delete("/relationship-types/{name}", "Forget a relationship type; what is of it then restricts", delete),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct TypeQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    count: Option<bool>,
}

/// In the order of their names; the cursor is the last name of the page before.
async fn list(_: Allowed<ReadEntityTypes>, query: Params<TypeQuery>, ledger: Data<Ledger>) -> Result<HttpResponse> {
    let TypeQuery { limit, cursor, count } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()?;
    if cursor.as_deref().is_some_and(|cursor| !is_name(cursor)) {
        return Err(Error::invalid_at("/cursor", "invalid", "This cursor does not belong to this list."));
    }
    let (mut items, total) = ledger.db().read(|reader: &Reader<'_>| {
        let items = store::page(reader, cursor.as_deref().unwrap_or_default(), limit + 1)?;
        Ok((items, count.unwrap_or(false).then(|| store::count(reader)).transpose()?))
    })?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| last.name.clone());
    Ok(HttpResponse::Ok().json(Page { items, next_cursor, total }))
}

fn answer(mut response: HttpResponseBuilder, kind: &RelationshipType) -> HttpResponse {
    response.insert_header((header::ETAG, etag(kind.version, 0))).json(kind)
}

async fn create(
    permit: Allowed<CreateEntityTypes>,
    body: Valid<NewRelationshipType>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let kind = action::create(&ledger, &permit.actor(), body.0).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, format!("/api/v1/relationship-types/{}", kind.name)));
    Ok(answer(response, &kind))
}

async fn show(
    _: Allowed<ReadEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let kind = ledger.db().read(|reader| store::find(reader, &name.0))?.ok_or_else(Error::not_found)?;
    let tag = etag(kind.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(answer(HttpResponse::Ok(), &kind))
}

async fn change(
    permit: Allowed<UpdateEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    body: Valid<ChangeRelationshipType>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let kind = action::change(&ledger, &permit.actor(), name.0, body.0, precondition).await?;
    Ok(answer(HttpResponse::Ok(), &kind))
}

async fn delete(
    permit: Allowed<DeleteEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    action::delete(&ledger, &permit.actor(), name.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}
