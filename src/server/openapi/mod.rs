//! `/openapi.json` and `/docs`: what the API takes and gives, written from the list of routes and the types of their
//! handlers (OpenAPI 3.1).

mod document;
mod entities;
mod responses;

use super::{
    gate::{Door, Gate},
    routes::method_not_allowed,
};
use crate::{
    console,
    data::entity_types::EntityTypes,
    error::Result,
    permit::{Caller, Public, Route},
    web::{Precondition, etag},
};
use actix_web::{
    HttpRequest, HttpResponse,
    dev::HttpServiceFactory,
    guard,
    http::header,
    middleware::Compress,
    web::{self, Data, ServiceConfig},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The document as a caller sees it: with the entity types that they may read, and the fields they see of them.
pub fn document(caller: &Caller, types: &EntityTypes) -> Value {
    let mut document = document::build(&super::routes::routes());
    entities::add(&mut document, caller, types);
    document
}

pub fn mount(config: &mut ServiceConfig, gate: &Gate) {
    let pages = [
        Route::get("/openapi.json", "The document", show).open("It says how to call what is guarded."),
        Route::get("/docs", "The document as a page", page).open("It says how to call what is guarded."),
    ];
    for page in pages {
        let scope = web::scope(page.path).wrap(Compress::default());
        config.service(scope.service(door(page, gate)));
    }
}

fn door(page: Route, gate: &Gate) -> impl HttpServiceFactory + use<> {
    let reads = guard::Any(guard::Get()).or(guard::Head());
    let refuse = || async { method_not_allowed("GET, HEAD") };
    web::resource("")
        .route(page.mount().guard(reads))
        .default_service(web::to(refuse))
        .wrap(Door::new(gate.clone(), vec![page]))
}

async fn page(_: Public, request: HttpRequest) -> Result<HttpResponse> {
    console::documentation(&request)
}

async fn show(public: Public, precondition: Precondition, types: Data<EntityTypes>) -> Result<HttpResponse> {
    let text = document(&public.caller, &types).to_string();
    let digest = Sha256::digest(&text);
    let tag = etag(i64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])), 1);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::ETAG, tag)).insert_header((header::VARY, "Authorization, Cookie, X-API-Key"));
    Ok(answer.content_type("application/json").body(text))
}
