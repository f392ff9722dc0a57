//! `/api-keys`: one's own, and with the right those of others.

use super::{
    keeper::Keeper,
    list::{self, KeyQuery},
    model::{ApiKey, KeyChange, NewKey, Rotation},
};
use crate::{
    error::Result,
    filter::CursorKey,
    identity::Identity,
    ids::Id,
    permit::{
        OwnOr, Route,
        rights::{CreateApiKeys, DeleteApiKeys, ReadApiKeys, UpdateApiKeys},
    },
    web::{At, Page, Params, Precondition, Valid, etag},
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{ETAG, LOCATION},
    web::Data,
};
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api-keys", "List one's API keys, or everybody's", list).gives::<Page<ApiKey>>(200),
        Route::post("/api-keys", "Make an API key; it is shown this once", create).gives::<WithSecret>(201),
        Route::get("/api-keys/{id}", "One API key", show).gives::<ApiKey>(200),
        Route::patch("/api-keys/{id}", "Change an API key's name, end or rate limit", change).gives::<ApiKey>(200),
        Route::post("/api-keys/{id}/rotate", "A new secret for an API key", rotate).gives::<WithSecret>(200),
        Route::delete("/api-keys/{id}", "Revoke an API key", revoke),
    ]
}

async fn list(
    proof: OwnOr<ReadApiKeys>,
    query: Params<KeyQuery>,
    identity: Data<Identity>,
    cursors: Data<CursorKey>,
) -> Result<HttpResponse> {
    let keeper = Keeper::from(proof);
    let page = identity.db().clone().read_off(move |reader| list::page(reader, &keeper, &query.0, &cursors)).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// A key with its secret, which nothing shows again.
#[derive(Serialize, schemars::JsonSchema)]
struct WithSecret {
    #[serde(flatten)]
    shown: ApiKey,
    key: String,
}

fn answer(mut response: HttpResponseBuilder, key: &ApiKey, body: &impl Serialize) -> HttpResponse {
    response.insert_header((ETAG, etag(key.version, 0))).json(body)
}

async fn create(proof: OwnOr<CreateApiKeys>, body: Valid<NewKey>, identity: Data<Identity>) -> Result<HttpResponse> {
    let keeper = Keeper::from(proof);
    let (shown, key) = identity.create_api_key(&keeper, body.0).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/api/v1/api-keys/{}", shown.id)));
    Ok(answer(response, &shown.clone(), &WithSecret { shown, key }))
}

async fn show(
    proof: OwnOr<ReadApiKeys>,
    id: At<Id>,
    precondition: Precondition,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let key = identity.api_key(&Keeper::from(proof), id.0)?;
    let tag = etag(key.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(answer(HttpResponse::Ok(), &key, &key))
}

async fn change(
    proof: OwnOr<UpdateApiKeys>,
    id: At<String>,
    precondition: Precondition,
    body: Valid<KeyChange>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let keeper = Keeper::from(proof);
    let key = identity.change_api_key(&keeper, id.id()?, body.0, precondition).await?;
    Ok(answer(HttpResponse::Ok(), &key, &key))
}

async fn rotate(
    proof: OwnOr<UpdateApiKeys>,
    id: At<String>,
    body: Valid<Rotation>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let keeper = Keeper::from(proof);
    let (shown, key) = identity.rotate_api_key(&keeper, id.id()?, body.0).await?;
    Ok(answer(HttpResponse::Ok(), &shown.clone(), &WithSecret { shown, key }))
}

async fn revoke(
    proof: OwnOr<DeleteApiKeys>,
    id: At<Id>,
    precondition: Precondition,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    identity.revoke_api_key(&Keeper::from(proof), id.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}
