//! `/auth/elevate` and `/elevations`.

use super::{
    list::{self, ElevationQuery},
    model::{Elevation, NewElevation, Review},
};
use crate::{
    error::Result,
    filter::CursorKey,
    identity::Identity,
    ids::Id,
    permit::{
        Allowed, AllowedInSession, LimitClass, OwnOr, Route,
        rights::{CreateElevations, ReadElevations, UpdateElevations},
    },
    web::{At, Page, Params, Valid},
};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{Data, Json},
};

pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/auth/elevate", "Break the glass: every permission for a while", elevate)
            .ends(201)
            .limit(LimitClass::Login),
        Route::get("/elevations", "Who broke the glass, newest first", list).gives::<Page<Elevation>>(200),
        Route::get("/elevations/{id}", "One elevation", show).gives::<Elevation>(200),
        Route::post("/elevations/{id}/end", "End an elevation before its time", end).gives::<Elevation>(200),
        Route::post("/elevations/{id}/review", "Close somebody else's elevation with a note", review)
            .gives::<Elevation>(200),
    ]
}

async fn elevate(
    proof: AllowedInSession<CreateElevations>,
    body: Valid<NewElevation>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let started = identity.elevate(&proof, body.0).await?;
    let location = (LOCATION, format!("/api/v1/elevations/{}", started.id));
    Ok(HttpResponse::Created().insert_header(location).json(started))
}

async fn list(
    _: Allowed<ReadElevations>,
    query: Params<ElevationQuery>,
    identity: Data<Identity>,
    cursors: Data<CursorKey>,
) -> Result<Json<Page<Elevation>>> {
    let now = identity.clock().now();
    let db = identity.db().clone();
    db.read_off(move |reader| list::page(reader, &query.0, now, &cursors)).await.map(Json)
}

async fn show(_: Allowed<ReadElevations>, id: At<Id>, identity: Data<Identity>) -> Result<Json<Elevation>> {
    identity.elevation(id.0).map(Json)
}

async fn end(proof: OwnOr<UpdateElevations>, id: At<Id>, identity: Data<Identity>) -> Result<Json<Elevation>> {
    identity.end_elevation(&proof.caller, id.0).await.map(Json)
}

async fn review(
    proof: AllowedInSession<UpdateElevations>,
    id: At<String>,
    body: Valid<Review>,
    identity: Data<Identity>,
) -> Result<Json<Elevation>> {
    identity.review_elevation(&proof, id.id()?, body.0).await.map(Json)
}
