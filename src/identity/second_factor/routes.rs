//! `/auth/mfa` and an administrator's way to reset somebody else's second factor.

use crate::{
    error::Result,
    identity::{Identity, Password, users::UserView},
    ids::Id,
    permit::{Allowed, InSession, LimitClass, Route, rights::UpdateUsers},
    web::{At, Body, Valid, etag},
};
use actix_web::{HttpResponse, http::header::ETAG, web::Data};
use serde::Deserialize;
use serde_json::json;

pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/auth/mfa/totp", "A secret for one's authenticator app", begin).while_enrolling(),
        Route::post("/auth/mfa/confirm", "Put the second factor in force with a first code", confirm).while_enrolling(),
        Route::post("/auth/mfa/disable", "Switch one's second factor off", disable).ends(204).limit(LimitClass::Login),
        Route::post("/auth/mfa/recovery-codes", "New recovery codes", renew).limit(LimitClass::Login),
        Route::post("/users/{id}/reset-mfa", "Take a lost second factor away", reset),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Confirmation {
    #[serde(alias = "code")]
    totp: String,
}

impl Body for Confirmation {}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Again {
    password: Password,
}

impl Body for Again {
    const VERBATIM: &'static [&'static str] = &["password"];
}

async fn begin(signed_in: InSession, identity: Data<Identity>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(identity.begin_factor(&signed_in.principal).await?))
}

async fn confirm(signed_in: InSession, body: Valid<Confirmation>, identity: Data<Identity>) -> Result<HttpResponse> {
    let codes = identity.confirm_factor(&signed_in.principal, &signed_in.caller, &body.0.totp).await?;
    Ok(HttpResponse::Ok().json(json!({ "mfa_enabled": true, "recovery_codes": codes })))
}

async fn disable(signed_in: InSession, body: Valid<Again>, identity: Data<Identity>) -> Result<HttpResponse> {
    identity.disable_factor(&signed_in.principal, &signed_in.caller, body.0.password).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn renew(signed_in: InSession, body: Valid<Again>, identity: Data<Identity>) -> Result<HttpResponse> {
    let codes = identity.renew_codes(&signed_in.principal, &signed_in.caller, body.0.password).await?;
    Ok(HttpResponse::Ok().json(json!({ "recovery_codes": codes })))
}

async fn reset(permit: Allowed<UpdateUsers>, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    let user = identity.reset_factor(&permit, id.0).await?;
    let tag = etag(user.version, 0);
    let view: UserView = identity.view(user)?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(view))
}
