//! Observations over HTTP.

use super::{counted::Observation, observations::Observations};
use crate::{
    error::Result,
    permit::{
        Allowed, Route,
        rights::{ReadObservations, WriteObservations},
    },
    web::{At, Page},
};
use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/observations", "What rules in observe mode would have refused", list),
        Route::post("/observations/{rule}/reset", "Begin to count a rule anew", reset).ends(204),
    ]
}

async fn list(_: Allowed<ReadObservations>, observations: Data<Observations>) -> Json<Page<Observation>> {
    Json(Page { items: observations.list(), next_cursor: None, total: None })
}

async fn reset(
    permit: Allowed<WriteObservations>,
    rule: At<String>,
    observations: Data<Observations>,
) -> Result<HttpResponse> {
    observations.reset(&permit.actor(), rule.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
