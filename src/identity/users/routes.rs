//! Users over HTTP.

use super::model::{NewUser, User, UserChange, UserView};
use crate::{
    error::{Error, Result},
    filter::CursorKey,
    identity::Identity,
    ids::Id,
    permit::{
        Allowed, Route,
        rights::{CreateUsers, DeleteUsers, ReadUsers, UpdateUsers},
    },
    personal::Forgetting,
    web::{At, Deleted, ListQuery, Page, Params, Precondition, Valid, Why, etag},
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{ETAG, LOCATION},
    web::Data,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/users", "List the users", list).gives::<Page<UserView>>(200),
        Route::post("/users", "Make a user", create).gives::<Created>(201),
        Route::get("/users/{id}", "One user", show).gives::<UserView>(200),
        Route::patch("/users/{id}", "Change a user", change).gives::<UserView>(200),
        Route::delete("/users/{id}", "Delete a user; it can be restored", delete),
        Route::post("/users/{id}/restore", "Restore a deleted user", restore).gives::<UserView>(200),
        Route::post("/users/{id}/unlock", "Lift the waiting and locks after failed sign-ins", unlock)
            .gives::<UserView>(200),
        Route::post("/users/{id}/sessions/revoke", "End every session of a user", revoke_sessions),
        Route::post(
            "/users/{id}/anonymise",
            "Take away what says who a user is; the account stays, for nobody",
            anonymise,
        ),
        Route::post("/users/{id}/password-link", "A one-time link to choose a password", password_link).ends(201),
    ]
}

async fn list(
    _: Allowed<ReadUsers>,
    query: Params<ListQuery>,
    identity: Data<Identity>,
    key: Data<CursorKey>,
) -> Result<HttpResponse> {
    let page = {
        let identity = Identity::clone(&identity);
        identity.db().clone().read_off(move |reader| super::list::page(reader, &identity, &query.0, &key)).await?
    };
    Ok(HttpResponse::Ok().json(page))
}

#[derive(Serialize, schemars::JsonSchema)]
struct Created {
    #[serde(flatten)]
    view: UserView,
    #[serde(skip_serializing_if = "Option::is_none")]
    set_password_url: Option<String>,
}

async fn create(permit: Allowed<CreateUsers>, body: Valid<NewUser>, identity: Data<Identity>) -> Result<HttpResponse> {
    let (user, token) = identity.create_user(&permit, body.0).await?;
    let (location, tag) = (format!("/api/v1/users/{}", user.id), etag(user.version, 0));
    let set_password_url = token.map(|token| identity.set_password_url(&token));
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .insert_header((ETAG, tag))
        .json(Created { view: UserView::new(user, None), set_password_url }))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ShowQuery {
    deleted: Option<String>,
}

async fn show(
    _: Allowed<ReadUsers>,
    id: At<Id>,
    query: Params<ShowQuery>,
    precondition: Precondition,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let deleted = ListQuery { deleted: query.0.deleted, ..ListQuery::default() }.deleted()?;
    let user = find(&identity, id.0)?;
    match (deleted, user.deleted_at) {
        (Deleted::Without, Some(_)) | (Deleted::Only, None) => return Err(Error::not_found()),
        _ => {}
    }
    let tag = etag(user.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    answer(&identity, HttpResponse::Ok(), user)
}

/// Deleted or not.
fn find(identity: &Identity, id: Id) -> Result<User> {
    identity.db().read(|reader| super::store::find(reader, id))?.ok_or_else(Error::not_found)
}

fn answer(identity: &Identity, mut response: HttpResponseBuilder, user: User) -> Result<HttpResponse> {
    let tag = etag(user.version, 0);
    Ok(response.insert_header((ETAG, tag)).json(identity.view(user)?))
}

async fn change(
    permit: Allowed<UpdateUsers>,
    id: At<String>,
    precondition: Precondition,
    body: Valid<UserChange>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let user = identity.change_user(&permit, id.id()?, body.0, precondition).await?;
    answer(&identity, HttpResponse::Ok(), user)
}

async fn delete(
    permit: Allowed<DeleteUsers>,
    id: At<Id>,
    precondition: Precondition,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    identity.delete_user(&permit, id.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(permit: Allowed<DeleteUsers>, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    let user = identity.restore_user(&permit, id.0).await?;
    answer(&identity, HttpResponse::Ok(), user)
}

async fn unlock(permit: Allowed<UpdateUsers>, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    let user = identity.unlock_user(&permit, id.0).await?;
    answer(&identity, HttpResponse::Ok(), user)
}

async fn anonymise(
    permit: Allowed<DeleteUsers>,
    id: At<Id>,
    precondition: Precondition,
    body: Valid<Why>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let act = Forgetting::Anonymise;
    let user = identity.forget_user(&permit, id.0, act, precondition, body.0.reason, |_| Ok(json!({}))).await?;
    answer(&identity, HttpResponse::Ok(), user)
}

async fn revoke_sessions(permit: Allowed<UpdateUsers>, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    let ended = identity.revoke_sessions(&permit, id.0).await?;
    Ok(HttpResponse::Ok().json(json!({ "revoked": ended })))
}

async fn password_link(permit: Allowed<UpdateUsers>, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    let (token, expires_at) = identity.password_link(&permit, id.0).await?;
    let url = identity.set_password_url(&token);
    Ok(HttpResponse::Created().json(json!({ "set_password_url": url, "expires_at": expires_at })))
}
