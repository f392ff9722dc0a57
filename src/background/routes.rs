//! `/jobs`: what the server does in the background, and what can be done about it.

use super::{
    Background,
    list::Query,
    model::{Job, JobDetails},
};
use crate::{
    error::Result,
    filter::CursorKey,
    ids::Id,
    permit::{
        Allowed, Route,
        rights::{ReadJobs, WriteJobs},
    },
    web::{At, Page, Params, Precondition, etag},
};
use actix_web::{
    HttpResponse,
    http::header::ETAG,
    web::{Data, Json},
};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/jobs", "List jobs", list).gives::<Page<Job>>(200),
        Route::get("/jobs/{id}", "One job with its attempts", show).gives::<JobDetails>(200),
        Route::post("/jobs/{id}/retry", "Run a job again, or now", retry).gives::<Job>(200),
        Route::post("/jobs/{id}/cancel", "Call a job off, or end its attempt", cancel).gives::<Job>(200),
    ]
}

async fn list(
    _: Allowed<ReadJobs>,
    query: Params<Query>,
    background: Data<Background>,
    cursors: Data<CursorKey>,
) -> Result<Json<Page<Job>>> {
    background.list_off(query.0, CursorKey::clone(&cursors)).await.map(Json)
}

async fn show(
    _: Allowed<ReadJobs>,
    id: At<Id>,
    precondition: Precondition,
    background: Data<Background>,
) -> Result<HttpResponse> {
    let found = background.details(id.0)?;
    let tag = etag(found.job.updated_at.millis(), found.job.mask());
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(found))
}

async fn retry(allowed: Allowed<WriteJobs>, id: At<Id>, background: Data<Background>) -> Result<Json<Job>> {
    background.retry(&allowed.actor(), id.0).await.map(Json)
}

async fn cancel(allowed: Allowed<WriteJobs>, id: At<Id>, background: Data<Background>) -> Result<Json<Job>> {
    background.cancel(&allowed.actor(), id.0).await.map(Json)
}
