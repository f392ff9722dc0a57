//! Who is calling: a known principal, or nobody yet.

use super::{clearance::Clearance, grants::Grants};
use crate::{
    actor::{Actor, ActorKind},
    clock::Time,
    error::Result,
    ids::Id,
};
use std::{net::IpAddr, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// Access and refresh tokens.
    Token,
    /// The console's cookie.
    Cookie,
}

/// The session behind a request.
#[derive(Clone, Debug)]
pub struct SessionRef {
    pub id: Id,
    pub kind: SessionKind,
    /// What `X-CSRF-Token` must say on writes by cookie.
    pub csrf_token: Arc<str>,
    pub expires_at: Time,
}

/// The API key behind a request.
#[derive(Clone, Debug)]
pub struct KeyRef {
    pub id: Id,
    pub name: Arc<str>,
    pub expires_at: Option<Time>,
    /// Its own limit, beside its owner's.
    pub per_minute: Option<u32>,
}

/// Break-glass under way: for a while the session holds everything.
#[derive(Clone, Debug)]
pub struct Elevated {
    pub id: Id,
    pub expires_at: Time,
    /// What the person holds without it.
    pub own: Arc<Grants>,
}

/// A user, or a key acting for one, with everything that decides what they may do.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Of a key: its owner.
    pub user_id: Id,
    pub email: Arc<str>,
    pub name: Option<Arc<str>>,
    pub roles: Vec<Arc<str>>,
    pub grants: Arc<Grants>,
    /// Free data of the user, for row rules.
    pub data: Arc<serde_json::Value>,
    pub session: Option<SessionRef>,
    pub key: Option<KeyRef>,
    pub elevated: Option<Elevated>,
    /// A role asks for a second factor that is not there yet: nothing but setting it up is allowed.
    pub enrol_only: bool,
}

impl Principal {
    /// Who the audit log says it was.
    fn actor(&self) -> Actor {
        let actor = match &self.key {
            Some(key) => Actor::new(ActorKind::ApiKey, Some(key.id), key.name.clone()),
            None => Actor::new(ActorKind::User, Some(self.user_id), self.email.clone()),
        };
        Actor { elevation: self.elevated.as_ref().map(|elevated| elevated.id), ..actor }
    }

    /// What the person holds for good: what they may hand out, whatever an elevation lets them do meanwhile.
    pub fn own_grants(&self) -> &Arc<Grants> {
        self.elevated.as_ref().map_or(&self.grants, |elevated| &elevated.own)
    }
}

/// What a request presents to say who is calling.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// `Authorization: Bearer …`: an access token, or an API key.
    Bearer(&'a str),
    /// `X-API-Key: …`
    Key(&'a str),
    /// The value of the console's cookie.
    Cookie(&'a str),
}

/// Learns who is calling. The gate asks it on every request, so it answers from memory where it can.
pub trait Authenticate: Send + Sync {
    /// `unauthenticated` or `token_expired` when the credential is not, or no longer, good.
    fn authenticate(&self, credential: Credential<'_>) -> Result<Arc<Principal>>;

    /// [`Authenticate::authenticate`] for an answer that is still being given: it does not count as a use.
    fn recheck(&self, credential: Credential<'_>) -> Result<Arc<Principal>>;

    /// What the `anonymous` role holds now.
    fn anonymous(&self) -> Arc<Grants>;
}

/// Asks anew who a request came from: an answer may outlast its caller's session, key or rights. The gate leaves it
/// with requests for streams.
#[derive(Clone)]
pub struct Recheck(Arc<dyn Fn() -> Result<Arc<Principal>> + Send + Sync>);

impl Recheck {
    pub fn new(ask: impl Fn() -> Result<Arc<Principal>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub fn ask(&self) -> Result<Arc<Principal>> {
        (self.0)()
    }
}

/// The caller of one request. The gate makes it; handlers get it through `Allowed`.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Option<Arc<Principal>>,
    /// What the `anonymous` role holds.
    pub anonymous: Arc<Grants>,
    pub ip: Option<IpAddr>,
    pub request_id: Arc<str>,
}

impl Caller {
    pub fn grants(&self) -> &Arc<Grants> {
        self.principal.as_ref().map_or(&self.anonymous, |principal| &principal.grants)
    }

    /// What decides how much the caller may hand out: nobody grants for good what they hold for an hour.
    pub fn own_grants(&self) -> &Arc<Grants> {
        self.principal.as_ref().map_or(&self.anonymous, |principal| principal.own_grants())
    }

    pub fn clearance(&self) -> Clearance {
        self.grants().clearance()
    }

    pub fn user_id(&self) -> Option<Id> {
        self.principal.as_ref().map(|principal| principal.user_id)
    }

    /// Who the audit log says did it.
    pub fn actor(&self) -> Actor {
        let actor = match &self.principal {
            Some(who) => who.actor(),
            None => Actor::anonymous(),
        };
        actor.from_request(self.ip, Some(self.request_id.clone()))
    }
}
