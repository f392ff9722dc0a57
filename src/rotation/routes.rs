//! `/secrets`: the board of keys, and their rotation. People prove who they are once more.

use super::{
    Secrets,
    model::{Kind, Rotate, Rotation, SecretKey},
};
use crate::{
    error::{Error, Result},
    identity::Identity,
    permit::{
        Allowed, Route,
        rights::{ReadSecrets, WriteSecrets},
    },
    web::{At, Valid},
};
use actix_web::web::{Data, Json};
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/secrets", "The keys of this instance, without their values", list),
        Route::post("/secrets/{kind}/rotate", "Make a new key", rotate),
    ]
}

#[derive(Serialize)]
struct Board {
    items: Vec<SecretKey>,
    next_cursor: Option<String>,
    /// Days after which keys are rotated by themselves; 0: never.
    rotate_days: u32,
}

async fn list(_: Allowed<ReadSecrets>, secrets: Data<Secrets>) -> Result<Json<Board>> {
    let (db, rotate_days) = (secrets.ledger.db().clone(), secrets.config.load().secrets.rotate_days);
    let items = db.read_off(move |reader| secrets.list(reader)).await?;
    Ok(Json(Board { items, next_cursor: None, rotate_days }))
}

async fn rotate(
    allowed: Allowed<WriteSecrets>,
    kind: At<String>,
    body: Valid<Rotate>,
    secrets: Data<Secrets>,
    identity: Data<Identity>,
) -> Result<Json<Rotation>> {
    let Rotate { emergency, reason, password } = body.0;
    if kind.0 == "sessions" {
        return Err(Error::conflict(
            "The key of sessions cannot be rotated: API keys, links and sessions are known by it alone.",
        ));
    }
    let kind = Kind::named(&kind.0).ok_or_else(Error::not_found)?;
    identity.confirm_caller(allowed.caller(), password).await?;
    let (secrets, actor) = (Secrets::clone(&secrets), allowed.actor());
    let reason = reason.map(|reason| reason.trim().to_owned()).unwrap_or_default();
    let rotated =
        tokio::task::spawn_blocking(move || secrets.rotate_blocking(&actor, kind, emergency.unwrap_or(false), &reason));
    rotated.await.map_err(Error::internal)?.map(Json)
}
