//! `/webhooks`, their deliveries, trying one out and sending again.

use super::{
    Webhooks,
    list::{self, Query},
    model::{NewWebhook, Rotation, Webhook, WebhookChange},
    store,
};
use crate::{
    error::{Error, Result},
    filter::CursorKey,
    ids::Id,
    permit::{
        Allowed, Route,
        rights::{CreateWebhooks, DeleteWebhooks, ReadWebhooks, UpdateWebhooks},
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
        Route::get("/webhooks", "List webhooks", list).gives::<Page<Webhook>>(200),
        Route::post("/webhooks", "Make a webhook; its secret is shown this once", create).gives::<WithSecret>(201),
        Route::get("/webhooks/{id}", "One webhook", show).gives::<Webhook>(200),
        Route::patch("/webhooks/{id}", "Change a webhook, or switch it on or off", change).gives::<Webhook>(200),
        Route::delete("/webhooks/{id}", "Remove a webhook with what waits to be sent", remove),
        Route::post("/webhooks/{id}/rotate", "A new secret for a webhook", rotate).gives::<WithSecret>(200),
        Route::post("/webhooks/{id}/test", "Send something harmless to try a webhook out", test).ends(202),
        Route::get("/webhooks/{id}/deliveries", "What a webhook sent, or will", deliveries),
        Route::post("/webhooks/{id}/deliveries/{delivery}/replay", "Send a delivery once more", replay).ends(202),
    ]
}

/// A webhook with its secret, which nothing shows again.
#[derive(Serialize, schemars::JsonSchema)]
struct WithSecret {
    #[serde(flatten)]
    shown: Webhook,
    secret: String,
}

fn answer(mut response: HttpResponseBuilder, hook: &Webhook, body: &impl Serialize) -> HttpResponse {
    response.insert_header((ETAG, etag(hook.version, hook.mask()))).json(body)
}

async fn list(
    _: Allowed<ReadWebhooks>,
    query: Params<Query>,
    webhooks: Data<Webhooks>,
    cursors: Data<CursorKey>,
) -> Result<HttpResponse> {
    let db = webhooks.ledger().db().clone();
    let page = db.read_off(move |reader| list::hooks(reader, &query.0, &cursors)).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn create(
    allowed: Allowed<CreateWebhooks>,
    body: Valid<NewWebhook>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse> {
    let (shown, secret) = webhooks.create(&allowed, body.0).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/api/v1/webhooks/{}", shown.id)));
    Ok(answer(response, &shown.clone(), &WithSecret { shown, secret }))
}

async fn show(
    _: Allowed<ReadWebhooks>,
    id: At<Id>,
    precondition: Precondition,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse> {
    let found = webhooks.ledger().db().read(|reader| store::find(reader, id.0))?;
    let hook = found.ok_or_else(Error::not_found)?;
    let tag = etag(hook.version, hook.mask());
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(answer(HttpResponse::Ok(), &hook, &hook))
}

async fn change(
    allowed: Allowed<UpdateWebhooks>,
    id: At<String>,
    precondition: Precondition,
    body: Valid<WebhookChange>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse> {
    let hook = webhooks.change(&allowed, id.id()?, body.0, precondition).await?;
    Ok(answer(HttpResponse::Ok(), &hook, &hook))
}

async fn rotate(
    allowed: Allowed<UpdateWebhooks>,
    id: At<String>,
    body: Valid<Rotation>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse> {
    let (shown, secret) = webhooks.rotate(&allowed, id.id()?, body.0).await?;
    Ok(answer(HttpResponse::Ok(), &shown.clone(), &WithSecret { shown, secret }))
}

async fn remove(
    allowed: Allowed<DeleteWebhooks>,
    id: At<Id>,
    precondition: Precondition,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse> {
    webhooks.remove(&allowed, id.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn test(allowed: Allowed<UpdateWebhooks>, id: At<Id>, webhooks: Data<Webhooks>) -> Result<HttpResponse> {
    Ok(HttpResponse::Accepted().json(webhooks.test(&allowed, id.0).await?))
}

async fn deliveries(
    _: Allowed<ReadWebhooks>,
    id: At<Id>,
    query: Params<Query>,
    webhooks: Data<Webhooks>,
    cursors: Data<CursorKey>,
) -> Result<HttpResponse> {
    let db = webhooks.ledger().db().clone();
    let page = db.read_off(move |reader| list::of_hook(reader, id.0, &query.0, &cursors)).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn replay(allowed: Allowed<UpdateWebhooks>, at: At<(Id, Id)>, webhooks: Data<Webhooks>) -> Result<HttpResponse> {
    let (id, delivery) = at.0;
    Ok(HttpResponse::Accepted().json(webhooks.replay(&allowed, id, delivery).await?))
}
