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

/// A user, or a key acting for one, with everything that decides what they may do.
#[derive(Clone, Debug)]
pub struct Principal {
    pub kind: ActorKind,
    pub user_id: Id,
    pub email: Arc<str>,
    pub name: Option<Arc<str>>,
    pub roles: Vec<Arc<str>>,
    pub grants: Arc<Grants>,
    /// Free data of the user, for row rules.
    pub data: Arc<serde_json::Value>,
    pub session: Option<SessionRef>,
}

/// What a request presents to say who is calling.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// `Authorization: Bearer …`
    Bearer(&'a str),
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
            Some(who) => Actor::new(who.kind, Some(who.user_id), who.email.clone()),
            None => Actor::anonymous(),
        };
        actor.from_request(self.ip, Some(self.request_id.clone()))
    }
}
