//! Relationships over HTTP.

use super::{
    super::{routes::JSON, write::Entities},
    list::{self, Query},
    model::{NewRelationship, Relationship, RelationshipPatch},
    sight::Sight,
    store,
};
use crate::{
    audit::KeyedOutcome,
    error::{Error, Result},
    ids::Id,
    permit::{
        Allowed, Permit, Route,
        rights::{CreateRelationships, DeleteRelationships, ReadRelationships, UpdateRelationships},
    },
    storage::Reader,
    web::{At, Deleted, ListQuery, Params, Precondition, Valid, etag},
};
use actix_web::{HttpResponse, HttpResponseBuilder, http::header, web::Data};
use serde::Deserialize;
use serde_json::json;

pub(in super::super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/relationships", "List the relationships between entities", list),
        Route::post("/relationships", "Join two entities", create).ends(201),
        Route::get("/relationships/{id}", "One relationship", show),
        Route::patch("/relationships/{id}", "Change the data of a relationship by merge patch", change),
        Route::delete("/relationships/{id}", "Delete a relationship; it can be restored", delete),
        Route::post("/relationships/{id}/restore", "Restore a deleted relationship", restore),
    ]
}

async fn list(
    permit: Allowed<ReadRelationships>,
    query: Params<Query>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (sight, key, db) = (Sight::new(&entities, &permit), entities.cursors.clone(), entities.ledger.db().clone());
    let page = db.read_off(move |reader| list::page(reader, &sight, &query.0, &key)).await?;
    Ok(HttpResponse::Ok().json(page))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ShowQuery {
    deleted: Option<String>,
}

async fn show(
    permit: Allowed<ReadRelationships>,
    id: At<Id>,
    query: Params<ShowQuery>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let which = ListQuery { deleted: query.0.deleted, ..ListQuery::default() }.deleted()?;
    let sight = Sight::new(&entities, &permit);
    let found = entities.ledger.db().read(|reader| store::find(reader, &sight, id.0, which))?;
    let relationship = found.ok_or_else(Error::not_found)?;
    let tag = tag(&sight, &relationship);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let shown = relationship.shown(permit.clearance())?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).json(shown))
}

async fn create(
    permit: Allowed<CreateRelationships>,
    body: Valid<NewRelationship>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let made = entities.join(&permit, body.0).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location(&made)));
    respond(response, &entities, &permit, &made)
}

async fn change(
    permit: Allowed<UpdateRelationships>,
    id: At<String>,
    precondition: Precondition,
    body: Valid<RelationshipPatch>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let changed = entities.change_relationship(&permit, id.id()?, body.0, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &permit, &changed)
}

async fn delete(
    permit: Allowed<DeleteRelationships>,
    id: At<Id>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    entities.part(&permit, id.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(
    permit: Allowed<DeleteRelationships>,
    id: At<Id>,
    precondition: Precondition,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let back = entities.rejoin(&permit, id.0, precondition).await?;
    respond(HttpResponse::Ok(), &entities, &permit, &back)
}

fn location(relationship: &Relationship) -> String {
    format!("/api/v1/relationships/{}", relationship.id)
}

fn tag(sight: &Sight, relationship: &Relationship) -> String {
    etag(relationship.version, u64::from(!sight.shows_data()))
}

/// As the caller may see it; whoever may not read it learns only its id and version.
fn written(reader: &Reader<'_>, sight: &Sight, relationship: &Relationship) -> Result<String> {
    let readable = store::find(reader, sight, relationship.id, Deleted::Include)?.is_some();
    let text = if readable {
        serde_json::to_string(&relationship.clone().shown(sight.permit.clearance())?)
    } else {
        serde_json::to_string(&json!({"id": relationship.id, "version": relationship.version}))
    };
    text.map_err(Error::internal)
}

fn respond(
    mut response: HttpResponseBuilder,
    entities: &Entities,
    permit: &Permit,
    relationship: &Relationship,
) -> Result<HttpResponse> {
    let sight = Sight::new(entities, permit);
    let body = entities.ledger.db().read(|reader| written(reader, &sight, relationship))?;
    response.insert_header((header::ETAG, tag(&sight, relationship)));
    Ok(response.insert_header((header::CONTENT_TYPE, JSON)).body(body))
}

/// The answer of [`respond`], as it is given to a request that comes again.
pub(super) fn outcome(
    reader: &Reader<'_>,
    sight: &Sight,
    relationship: &Relationship,
    made: bool,
) -> Result<KeyedOutcome> {
    let mut headers = vec![
        (header::CONTENT_TYPE.to_string(), "application/json".to_owned()),
        (header::ETAG.to_string(), tag(sight, relationship)),
    ];
    headers.extend(made.then(|| (header::LOCATION.to_string(), location(relationship))));
    let body = written(reader, sight, relationship)?;
    Ok(KeyedOutcome::Answered { status: if made { 201 } else { 200 }, headers, body })
}
