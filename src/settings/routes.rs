//! `/settings`: what may change while running.

use super::action::{Settings, tag_of};
use crate::{
    config::Outline,
    error::Result,
    permit::{
        Allowed, Route,
        rights::{ReadSettings, UpdateSettings},
    },
    web::{Body, Precondition, Valid},
};
use actix_web::{HttpResponse, http::header, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/settings", "What may change while running, where it comes from, and what it does", show),
        Route::patch("/settings", "Change settings; null goes back to the file or the default", change),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
struct Tree(Map<String, Value>);

impl Body for Tree {}

fn answer(outline: Outline) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, tag_of(&outline))).json(outline)
}

async fn show(_: Allowed<ReadSettings>, precondition: Precondition, settings: Data<Settings>) -> HttpResponse {
    let outline = settings.outline();
    let tag = tag_of(&outline);
    if precondition.is_known(&tag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish();
    }
    answer(outline)
}

async fn change(
    allowed: Allowed<UpdateSettings>,
    precondition: Precondition,
    body: Valid<Tree>,
    settings: Data<Settings>,
) -> Result<HttpResponse> {
    settings.change(&allowed.actor(), body.0.0, precondition).await.map(answer)
}
