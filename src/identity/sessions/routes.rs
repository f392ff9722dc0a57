//! `/auth`: signing in and out, one's own account and devices.

use super::{
    action::{Credentials, Issued, Requester},
    cookie::CookieName,
    store,
};
use crate::{
    clock::Time,
    error::{Code, Error, Faults, Result},
    identity::{Identity, Password, Waiting, challenge::Answer, second_factor, second_factor::Given, users},
    ids::Id,
    observation::Observations,
    permit::{
        Action, Caller, Clearance, InSession, LimitClass, Permission, Principal, Public, Route, SessionKind, SignedIn,
    },
    web::{At, Body, Page, Valid, nullable},
};
use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub fn routes() -> Vec<Route> {
    let credentials = "This is where credentials are exchanged.";
    vec![
        Route::post("/auth/login", "Sign in", log_in)
            .open(credentials)
            .refuses(&[Code::Unauthenticated])
            .limit(LimitClass::Login)
            .under_kill_switch(),
        Route::post("/auth/refresh", "Take a refresh token for its successor", refresh)
            .gives::<Tokens>(200)
            .open(credentials)
            .refuses(&[Code::Unauthenticated])
            .under_kill_switch(),
        Route::post("/auth/logout", "End this session", log_out).ends(204).under_kill_switch().while_enrolling(),
        Route::post("/auth/logout-all", "End all of one's sessions", log_out_everywhere).ends(204).while_enrolling(),
        Route::get("/auth/me", "The current user and their rights", me).under_kill_switch().while_enrolling(),
        Route::patch("/auth/me", "Change one's own profile", change_me),
        Route::post("/auth/password", "Change one's own password", change_password).ends(204).limit(LimitClass::Login),
        Route::get("/auth/sessions", "One's own devices", list).gives::<Page<store::Shown>>(200),
        Route::delete("/auth/sessions/{id}", "End a session on one of one's devices", end),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct LogIn {
    email: String,
    password: Password,
    totp: Option<String>,
    recovery_code: Option<String>,
    challenge: Option<Answer>,
    #[serde(default)]
    cookie: bool,
}

impl Body for LogIn {
    const VERBATIM: &'static [&'static str] = &["password"];
}

pub(in crate::identity) fn requester(caller: &Caller, request: &HttpRequest) -> Requester {
    Requester::new(caller, request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()))
}

async fn log_in(
    public: Public,
    body: Valid<LogIn>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let LogIn { email, password, totp, recovery_code, challenge, cookie } = body.0;
    let credentials = Credentials { email, password, factor: Given { totp, recovery_code }, challenge };
    let kind = if cookie { SessionKind::Cookie } else { SessionKind::Token };
    let issued = identity.log_in(credentials, kind, requester(&public.caller, &request)).await?;
    match kind {
        SessionKind::Token => tokens(&identity, issued),
        SessionKind::Cookie => {
            let csrf_token = identity.csrf_token(&issued.secret);
            let cookie = CookieName::of(&request, identity.is_https()).set(issued.secret);
            let user = identity.view(issued.user)?;
            Ok(HttpResponse::Ok().cookie(cookie).json(json!({ "csrf_token": csrf_token, "user": user })))
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    user: users::UserView,
}

fn tokens(identity: &Identity, issued: Issued) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(Tokens {
        access_token: identity.tokens.issue(issued.user.id, issued.session)?,
        token_type: "Bearer",
        expires_in: identity.tokens.lifetime().as_secs(),
        refresh_token: issued.secret,
        user: identity.view(issued.user)?,
    }))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Refresh {
    refresh_token: String,
}

impl Body for Refresh {}

async fn refresh(
    public: Public,
    body: Valid<Refresh>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let issued = identity.refresh(&body.0.refresh_token, requester(&public.caller, &request)).await?;
    tokens(&identity, issued)
}

/// Without the cookie, and nothing of the console kept by the browser.
fn signed_out(request: &HttpRequest, identity: &Identity) -> HttpResponse {
    HttpResponse::NoContent()
        .cookie(CookieName::of(request, identity.is_https()).clear())
        .insert_header(("Clear-Site-Data", "\"cache\""))
        .finish()
}

async fn log_out(signed_in: InSession, request: HttpRequest, identity: Data<Identity>) -> Result<HttpResponse> {
    let session = signed_in.session.id;
    identity.end_session(&signed_in.caller.actor(), signed_in.principal.user_id, session).await?;
    Ok(signed_out(&request, &identity))
}

async fn log_out_everywhere(
    signed_in: InSession,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    identity.end_sessions(&signed_in.caller.actor(), signed_in.principal.user_id).await?;
    Ok(signed_out(&request, &identity))
}

#[derive(Serialize)]
struct Me {
    #[serde(flatten)]
    view: users::UserView,
    permissions: Vec<Permission>,
    clearance: Clearance,
    /// A role takes a second factor that is not there yet: the session can do nothing but set it up.
    mfa_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
    /// Break-glass under way in this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    elevation: Option<Elevation>,
    /// What runs and what waits for a review, for those who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    elevations: Option<Waiting>,
    /// Rules in observe mode, for those who may see what they let pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    observing: Vec<Arc<str>>,
    /// The key that asks, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<Key>,
}

#[derive(Serialize)]
struct Elevation {
    id: Id,
    expires_at: Time,
}

#[derive(Serialize)]
struct Key {
    id: Id,
    name: Arc<str>,
    expires_at: Option<Time>,
}

fn show_me(principal: &Principal, identity: &Identity) -> Result<HttpResponse> {
    let user = identity.db().read(|reader| users::find(reader, principal.user_id))?.ok_or_else(Error::not_found)?;
    let sees = principal.session.is_some() && principal.grants.reach("elevations", None, Action::Read).is_some();
    let session = principal.session.as_ref().filter(|session| session.kind == SessionKind::Cookie);
    let left = user.mfa_enabled.then(|| identity.db().read(|reader| second_factor::codes_left(reader, user.id)));
    Ok(HttpResponse::Ok().json(Me {
        view: identity.view(user)?,
        permissions: principal.grants.permissions().to_vec(),
        clearance: principal.grants.clearance(),
        mfa_required: principal.enrol_only,
        observing: observing(principal, identity),
        recovery_codes_left: left.transpose()?,
        csrf_token: session.map(|session| session.csrf_token.to_string()),
        elevation: principal
            .elevated
            .as_ref()
            .map(|elevated| Elevation { id: elevated.id, expires_at: elevated.expires_at }),
        elevations: sees.then(|| identity.db().read(|reader| identity.elevations_waiting(reader))).transpose()?,
        api_key: principal.key.as_ref().map(|key| Key {
            id: key.id,
            name: key.name.clone(),
            expires_at: key.expires_at,
        }),
    }))
}

fn observing(principal: &Principal, identity: &Identity) -> Vec<Arc<str>> {
    let may = principal.grants.reach("observations", None, Action::Read).is_some();
    identity.observations.get().filter(|_| may).map(Observations::active).unwrap_or_default()
}

async fn me(signed_in: SignedIn, identity: Data<Identity>) -> Result<HttpResponse> {
    show_me(&signed_in.principal, &identity)
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[allow(clippy::option_option)]
struct ProfileChange {
    #[serde(default, deserialize_with = "nullable")]
    name: Option<Option<String>>,
}

impl Body for ProfileChange {
    fn check(&self, faults: &mut Faults) {
        users::check_name(self.name.as_ref().and_then(Option::as_deref), faults);
    }
}

async fn change_me(signed_in: InSession, body: Valid<ProfileChange>, identity: Data<Identity>) -> Result<HttpResponse> {
    if let Some(name) = body.0.name {
        identity.rename(&signed_in.caller.actor(), signed_in.principal.user_id, name).await?;
    }
    show_me(&signed_in.principal, &identity)
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct PasswordChange {
    current_password: Password,
    new_password: Password,
}

impl Body for PasswordChange {
    const VERBATIM: &'static [&'static str] = &["current_password", "new_password"];
}

async fn change_password(
    signed_in: InSession,
    body: Valid<PasswordChange>,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let PasswordChange { current_password, new_password } = body.0;
    identity.change_password(&signed_in.principal, &signed_in.caller, current_password, new_password).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn list(signed_in: InSession, identity: Data<Identity>) -> Result<HttpResponse> {
    let principal = &signed_in.principal;
    let current = Some(signed_in.session.id);
    let (now, idle) = (identity.clock().now(), identity.session_idle());
    let items = identity.db().read(|reader| store::list(reader, principal.user_id, now, idle, current))?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None, total: None }))
}

async fn end(signed_in: InSession, id: At<Id>, identity: Data<Identity>) -> Result<HttpResponse> {
    identity.end_session(&signed_in.caller.actor(), signed_in.principal.user_id, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
