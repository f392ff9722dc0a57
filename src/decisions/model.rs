//! What is kept of a refusal: handles and small copies, so that refusing stays cheap; words are made when somebody
//! reads it.

use crate::{
    access::Snapshot,
    clock::Time,
    error::{Code, Error},
    ids::Id,
    permit::{Caller, Grants, LimitClass, Need, Principal, Route, SessionKind},
    rate_limit::Verdicts,
    refusal::{Check, Reason},
};
use actix_web::http::Method;
use serde::Serialize;
use std::{borrow::Cow, net::IpAddr, sync::Arc};

const PATH_CHARS: usize = 300;

/// What the gate knew of a request that was refused, left for whoever writes the answer.
#[derive(Clone)]
pub struct Asked {
    pub method: Method,
    pub path: &'static str,
    pub need: Need,
    /// Checks a password.
    pub is_login: bool,
    pub entity_type: Option<Arc<str>>,
    pub has_id: bool,
    pub caller: Option<Caller>,
}

impl Asked {
    pub fn new(route: &Route, entity_type: Option<&str>, has_id: bool, caller: Option<Caller>) -> Self {
        Self {
            method: route.method.clone(),
            path: route.path,
            need: route.need,
            is_login: route.limit == LimitClass::Login,
            entity_type: entity_type.map(Into::into),
            has_id,
            caller,
        }
    }
}

/// How somebody called.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Via {
    /// An access token.
    Token {
        session_id: Id,
    },
    /// The console.
    Cookie {
        session_id: Id,
    },
    ApiKey {
        id: Id,
        name: Arc<str>,
    },
    /// No credential, or none that is good.
    Nothing,
}

/// The caller, without anything secret.
#[derive(Clone)]
pub(super) struct Who {
    pub user_id: Id,
    pub email: Arc<str>,
    pub roles: Vec<Arc<str>>,
    pub via: Via,
    pub grants: Arc<Grants>,
}

impl Who {
    /// Whether it is this account, or this key.
    pub fn is(&self, id: Id) -> bool {
        self.user_id == id || matches!(self.via, Via::ApiKey { id: key, .. } if key == id)
    }
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        let via = match (&principal.key, &principal.session) {
            (Some(key), _) => Via::ApiKey { id: key.id, name: key.name.clone() },
            (None, Some(session)) if session.kind == SessionKind::Cookie => Via::Cookie { session_id: session.id },
            (None, Some(session)) => Via::Token { session_id: session.id },
            (None, None) => Via::Nothing,
        };
        Self {
            user_id: principal.user_id,
            email: principal.email.clone(),
            roles: principal.roles.clone(),
            via,
            grants: principal.grants.clone(),
        }
    }
}

/// A refusal on its way in.
pub struct Refused<'r> {
    pub id: Id,
    pub error: &'r Error,
    pub status: u16,
    pub method: &'r Method,
    pub path: &'r str,
    pub request_id: &'r Arc<str>,
    pub ip: Option<IpAddr>,
    pub asked: Option<Asked>,
    pub verdicts: Verdicts,
    /// Rules in observe mode that let it pass before it was refused.
    pub observed: Vec<(Check, Arc<str>)>,
}

/// A refusal as it is kept.
pub struct Decision {
    pub id: Id,
    pub at: Time,
    pub(super) request_id: Arc<str>,
    pub(super) method: Method,
    pub(super) path: Box<str>,
    pub(super) status: u16,
    pub(super) code: Code,
    /// What the caller was told.
    pub(super) told: Cow<'static, str>,
    pub(super) reason: Reason,
    pub(super) ip: Option<IpAddr>,
    pub(super) asked: Option<Asked>,
    pub(super) who: Option<Who>,
    /// What callers without credentials held.
    pub(super) anonymous: Option<Arc<Grants>>,
    pub(super) verdicts: Verdicts,
    pub(super) observed: Vec<(Check, Arc<str>)>,
    /// The roles as they were.
    pub(super) roles: Arc<Snapshot>,
}

impl Decision {
    pub(super) fn new(refused: Refused<'_>, at: Time, roles: Arc<Snapshot>) -> Self {
        let Refused { id, error, status, method, path, request_id, ip, mut asked, verdicts, observed } = refused;
        let caller = asked.as_mut().and_then(|asked| asked.caller.take());
        let reason = error
            .reason()
            .cloned()
            .unwrap_or_else(|| Reason { check: check_of(error.code()), detail: error.detail().to_owned().into() });
        Self {
            id,
            at,
            request_id: request_id.clone(),
            method: method.clone(),
            path: path.chars().take(PATH_CHARS).collect(),
            status,
            code: error.code(),
            told: error.detail().to_owned().into(),
            reason,
            ip,
            asked,
            who: caller.as_ref().and_then(|caller| caller.principal.as_deref().map(Who::from)),
            anonymous: caller.map(|caller| caller.anonymous),
            verdicts,
            observed,
            roles,
        }
    }

    pub(super) fn is_of_stranger(&self) -> bool {
        self.who.is_none()
    }
}

/// The check behind a refusal that does not say more itself.
fn check_of(code: Code) -> Check {
    match code {
        Code::Unauthenticated | Code::TokenExpired => Check::Authentication,
        Code::InvalidCredentials | Code::MfaRequired => Check::Credentials,
        Code::CsrfFailed => Check::Csrf,
        Code::ReauthenticationRequired => Check::Reauthentication,
        Code::RateLimited => Check::LimitByAddress,
        Code::LoginDelayed => Check::LoginDelay,
        Code::ChallengeRequired => Check::Challenge,
        Code::KillSwitchActive => Check::KillSwitch,
        Code::Unavailable => Check::Capacity,
        _ => Check::Conditions,
    }
}
