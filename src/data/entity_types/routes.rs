//! Entity types over HTTP.

use super::{
    action::{self, ChangeEntityType, NewEntityType},
    indexing,
    migration::{self, Progress},
    model::{Definition, EntityType},
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
use actix_web::{HttpResponse, HttpResponseBuilder, http::header, web::Data};
use serde::{Deserialize, Serialize};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/entity-types", "List the entity types", list),
        Route::post("/entity-types", "Make an entity type", create).ends(201),
        Route::get("/entity-types/{type}", "One entity type", show),
        Route::patch("/entity-types/{type}", "Change an entity type", change),
        Route::delete("/entity-types/{type}", "Delete an entity type that has no entities", delete),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct TypeQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    count: Option<bool>,
}

/// In the order of their names; the cursor is the last name of the page before.
async fn list(
    _: Allowed<ReadEntityTypes>,
    query: Params<TypeQuery>,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let TypeQuery { limit, cursor, count } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()? as usize;
    if cursor.as_deref().is_some_and(|cursor| !is_name(cursor)) {
        return Err(Error::invalid_at("/cursor", "invalid", "This cursor does not belong to this list."));
    }
    let all = types.all();
    let mut rest = all.iter().filter(|kind| cursor.as_deref().is_none_or(|last| &*kind.name > last));
    let items: Vec<Shown<'_>> =
        rest.by_ref().take(limit).map(|kind| Shown::new(&ledger, kind)).collect::<Result<_>>()?;
    let next_cursor = items.last().filter(|_| rest.next().is_some()).map(|last| last.definition.name.to_string());
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
        .json(Shown::new(&ledger, &made)?))
}

/// A type, and how far its indexes are.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    definition: &'a Definition,
    /// In percent; null when they are whole.
    indexing: Option<u8>,
    /// Null when none runs.
    migration: Option<Progress>,
}

impl<'a> Shown<'a> {
    fn new(ledger: &Ledger, kind: &'a EntityType) -> Result<Self> {
        let definition = kind.definition();
        let (indexing, migration) = ledger.db().read(|reader| {
            let indexing = indexing::progress(reader, definition)?;
            Ok::<_, Error>((indexing, migration::progress(reader, &definition.name)?))
        })?;
        Ok(Self { definition, indexing, migration })
    }
}

fn answer(mut answer: HttpResponseBuilder, kind: &EntityType, shown: &Shown<'_>) -> HttpResponse {
    answer.insert_header((header::ETAG, etag(kind.version, 0))).json(shown)
}

async fn show(
    _: Allowed<ReadEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let kind = types.require(&name.0)?;
    let (tag, shown) = (etag(kind.version, 0), Shown::new(&ledger, &kind)?);
    // While indexes are made or entities migrated the answer changes without a new version.
    if shown.indexing.is_none() && shown.migration.is_none() && precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(answer(HttpResponse::Ok(), &kind, &shown))
}

async fn change(
    permit: Allowed<UpdateEntityTypes>,
    name: At<String>,
    precondition: Precondition,
    body: Valid<ChangeEntityType>,
    ledger: Data<Ledger>,
    types: Data<EntityTypes>,
) -> Result<HttpResponse> {
    let (kind, migrates) = action::change(&ledger, &types, &permit, &name.0, body.0, precondition).await?;
    let shown = Shown::new(&ledger, &kind)?;
    let status = if migrates { HttpResponse::Accepted() } else { HttpResponse::Ok() };
    Ok(answer(status, &kind, &shown))
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
