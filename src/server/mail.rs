//! `/mail`: where mail goes out, and whether it does.

use crate::{
    error::Result,
    identity::{Email, Identity},
    mail::Mailer,
    permit::{
        Allowed, Route,
        rights::{ReadSettings, UpdateSettings},
    },
    web::{Body, Valid},
};
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/mail", "Where mail goes out", show),
        Route::post("/mail/test", "Send a test, and hear what the mail server says", test),
    ]
}

#[derive(Serialize)]
struct Shown {
    configured: bool,
    /// Host and port.
    server: Option<String>,
    from: Option<String>,
}

async fn show(_: Allowed<ReadSettings>, mailer: Data<Mailer>) -> Json<Shown> {
    let (server, from) = mailer.route().unzip();
    Json(Shown { configured: mailer.is_configured(), server, from })
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Test {
    to: Email,
}

impl Body for Test {}

#[derive(Serialize)]
struct Tested {
    sent: bool,
    message: Option<String>,
}

async fn test(allowed: Allowed<UpdateSettings>, body: Valid<Test>, identity: Data<Identity>) -> Result<Json<Tested>> {
    let message = identity.test_mail(&allowed.into_permit().actor(), &body.0.to).await?;
    Ok(Json(Tested { sent: message.is_none(), message }))
}
