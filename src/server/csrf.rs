//! Writes that ride on the console's cookie: they carry the session's token, and come from our own pages.

use crate::{
    config::Config,
    error::{Code, Error, Result},
    identity::CookieName,
    permit::{Principal, SessionKind},
};
use actix_web::{
    HttpRequest,
    http::{Method, header},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// The value of the console's cookie, read without building a jar.
pub(super) fn session_cookie<'r>(request: &'r HttpRequest, config: &Config) -> Option<&'r str> {
    let https = config.tls.is_on() || config.server.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    CookieName::of(request, https).read(request)
}

/// Refuses a write by cookie that another site could have caused: 403. Reads, tokens and keys pass.
pub(super) fn check(request: &HttpRequest, principal: &Principal, config: &Config) -> Result<()> {
    let Some(session) = principal.session.as_ref().filter(|session| session.kind == SessionKind::Cookie) else {
        return Ok(());
    };
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let refused = |detail: &'static str| Error::new(Code::CsrfFailed, detail);
    let token = request.headers().get("x-csrf-token").map(header::HeaderValue::as_bytes).unwrap_or_default();
    verify_slices_are_equal(token, session.csrf_token.as_bytes())
        .map_err(|_| refused("Send the session's csrf_token (see /auth/me) in X-CSRF-Token."))?;
    if is_from_us(request, config) {
        return Ok(());
    }
    Err(refused("A write by cookie must come from this server's own pages."))
}

fn is_from_us(request: &HttpRequest, config: &Config) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text("origin") else { return false };
    if let Some(own) = &config.server.public_url {
        return origin.eq_ignore_ascii_case(own);
    }
    let host = text("host").unwrap_or_default();
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
}
