//! `/forward-auth`: whether somebody may pass, for a proxy in front of another app on the same host.

use crate::{
    access::Roles,
    error::{Error, Result},
    permit::{Permission, Principal, Route, SignedIn},
    refusal::Check,
    web::Params,
};
use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
    web::Data,
};
use serde::Deserialize;
use std::sync::Arc;

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const USER_ID: HeaderName = HeaderName::from_static("x-auth-user-id");
const ROLES: HeaderName = HeaderName::from_static("x-auth-roles");

pub fn routes() -> Vec<Route> {
    let summary = "Whether the caller may pass, for a proxy in front of another app";
    vec![Route::get("/forward-auth", summary, pass).for_proxies()]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Question {
    /// Only those who hold it.
    permission: Option<String>,
    /// Only those who have it.
    role: Option<String>,
}

async fn pass(caller: SignedIn, question: Params<Question>, roles: Data<Roles>) -> Result<HttpResponse> {
    let principal = &caller.principal;
    let carried = carried(principal, &roles);
    if let Some(text) = &question.0.permission {
        let permission: Permission =
            text.parse().map_err(|why: String| Error::invalid_at("/permission", "invalid", why))?;
        if !principal.grants.can_grant(&permission) {
            return Err(refused(format!("This takes the permission {permission}, which you do not hold.")));
        }
    }
    if let Some(role) = &question.0.role
        && !carried.iter().any(|held| **held == **role)
    {
        return Err(refused(format!("This takes the role {role}, which you do not have.")));
    }
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((USER, value(&principal.email)?))
        .insert_header((USER_ID, value(&principal.user_id.to_string())?))
        .insert_header((ROLES, value(&carried.join(","))?));
    Ok(answer.finish())
}

/// The roles that the caller comes with. A key comes with those of its owner that its scopes cover in full: else the
/// other app would let it do what its scopes keep it from.
fn carried(principal: &Principal, roles: &Roles) -> Vec<Arc<str>> {
    let held = principal.roles.iter();
    if principal.key.is_none() {
        return held.cloned().collect();
    }
    let known = roles.snapshot();
    let covers = |name: &&Arc<str>| {
        known.get(name).is_some_and(|role| {
            !role.permissions.is_empty() && role.permissions.iter().all(|one| principal.grants.can_grant(one))
        })
    };
    held.filter(covers).cloned().collect()
}

fn refused(detail: String) -> Error {
    Error::forbidden(detail).because(Check::Permission, "The proxy asked for what the caller does not have.")
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(Error::internal)
}
