//! What a request presents: a credential, a content type, and whether its caller holds what the route asks for.

use super::csrf;
use crate::{
    config::Config,
    error::{Code, Error, Result},
    permit::{Authenticate, Caller, Credential, Need, Recheck, Route, unauthenticated},
    refusal::Check,
    web::media_type,
};
use actix_web::{
    HttpRequest,
    http::{Method, header},
};
use std::sync::Arc;

/// The credential of a request: a token, else a key, else the console's cookie.
pub(super) fn present<'r>(request: &'r HttpRequest, config: &Config) -> Result<Option<Credential<'r>>> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    if let Some(value) = values.next() {
        let bearer = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        return bearer.map(|token| Some(Credential::Bearer(token))).ok_or_else(malformed);
    }
    let mut keys = request.headers().get_all("x-api-key");
    if let Some(key) = keys.next() {
        let key = key.to_str().ok().filter(|_| keys.next().is_none());
        return key.map(|key| Some(Credential::Key(key.trim()))).ok_or_else(malformed);
    }
    Ok(csrf::session_cookie(request, config).map(Credential::Cookie))
}

fn malformed() -> Error {
    unauthenticated().because(Check::Authentication, "The credential is not written as it should be, or stands twice.")
}

/// The same credential, to be looked at again while an answer goes on; none where none was sent.
pub(super) fn recheck(request: &HttpRequest, config: &Config, authenticate: &Arc<dyn Authenticate>) -> Option<Recheck> {
    let authenticate = authenticate.clone();
    let ask: Recheck = match present(request, config).ok()?? {
        Credential::Bearer(secret) => {
            let secret: Box<str> = secret.into();
            Recheck::new(move || authenticate.recheck(Credential::Bearer(&secret)))
        }
        Credential::Key(secret) => {
            let secret: Box<str> = secret.into();
            Recheck::new(move || authenticate.recheck(Credential::Key(&secret)))
        }
        Credential::Cookie(secret) => {
            let secret: Box<str> = secret.into();
            Recheck::new(move || authenticate.recheck(Credential::Cookie(&secret)))
        }
    };
    Some(ask)
}

/// Whether the caller holds what the route asks for.
pub(super) fn may(request: &HttpRequest, route: &Route, caller: &Caller) -> bool {
    let holds = |resource, action| caller.grants().reach(resource, request.match_info().get("type"), action).is_some();
    let principal = caller.principal.as_ref();
    let in_session = principal.is_some_and(|principal| principal.session.is_some());
    match route.need {
        Need::Public(_) => true,
        Need::SignedIn => principal.is_some(),
        Need::Session => in_session,
        Need::Permission { resource, action } => holds(resource, action),
        Need::SessionWith { resource, action } => in_session && holds(resource, action),
        Need::Own { resource, action } => in_session || holds(resource, action),
    }
}

pub(super) fn anonymous_may(caller: &Caller, route: &Route, request: &HttpRequest) -> bool {
    match route.need {
        Need::Permission { resource, action } => {
            caller.anonymous.reach(resource, request.match_info().get("type"), action).is_some()
        }
        _ => false,
    }
}

/// A form of another site can send other types without asking; a write takes none of them, with a body or without.
pub(super) fn check_type(request: &HttpRequest, route: &Route) -> Result<()> {
    if route.method == Method::GET || route.streams {
        return Ok(());
    }
    match media_type(request).as_deref() {
        None if !request.headers().contains_key(header::CONTENT_TYPE) => Ok(()),
        Some("application/json" | "application/merge-patch+json") => Ok(()),
        _ => Err(Error::new(Code::UnsupportedMediaType, "Send a body as application/json in UTF-8, or none at all.")),
    }
}
