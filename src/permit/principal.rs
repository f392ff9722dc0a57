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
    /// A role asks for a second factor that is not there yet: nothing but setting it up is allowed.
    pub enrol_only: bool,
}

impl Principal {
    /// Who the audit log says it was.
    fn actor(&self) -> Actor {
        match &self.key {
            Some(key) => Actor::new(ActorKind::ApiKey, Some(key.id), key.name.clone()),
            None => Actor::new(ActorKind::User, Some(self.user_id), self.email.clone()),
        }
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

    /// What the `anonymous` role holds now.
    fn anonymous(&self) -> Arc<Grants>;
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
