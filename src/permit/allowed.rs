//! `Allowed<…>`: the proof that the caller may, as the first parameter of every handler.

use super::{
    clearance::Clearance,
    grants::{Grants, Reach},
    permission::Action,
    principal::{Caller, Principal, SessionRef},
    rights::Right,
};
use crate::{
    actor::Actor,
    error::{Code, Error},
    ids::Id,
    refusal::Check,
};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use std::{
    future::{Ready, ready},
    marker::PhantomData,
    sync::Arc,
};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Open to anyone, for the reason given.
    Public(&'static str),
    /// Any known caller.
    SignedIn,
    /// Anybody who signed in; keys do not.
    Session,
    /// A permission, of somebody who signed in; keys do not.
    SessionWith { resource: &'static str, action: Action },
    /// Somebody who signed in, for what is their own; a key, and for others' somebody, with the permission.
    Own { resource: &'static str, action: Action },
    /// A permission. For `entities` the type comes from the path.
    Permission { resource: &'static str, action: Action },
}

/// The parameter types that can stand first in a handler.
pub trait Gatekeeper: FromRequest {
    const NEED: Need;
}

/// The caller may do this: who they are and how far they may go. Only this band makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    caller: Caller,
    reach: Reach,
    /// Who acts, where it is no caller of the API.
    inside: Option<Actor>,
}

impl Permit {
    /// For the program's own work.
    pub fn full(reason: &'static str) -> Self {
        Self::inside(Actor::system(reason))
    }

    /// For commands run by somebody with a shell on the machine.
    pub fn command_line() -> Self {
        Self::inside(Actor::cli())
    }

    /// To ask what somebody else may do, never to do it.
    pub fn on_behalf_of(principal: Arc<Principal>, reason: &'static str) -> Self {
        let caller =
            Caller { principal: Some(principal), anonymous: Arc::default(), ip: None, request_id: "inside".into() };
        Self { caller, reach: Reach::Limited(Vec::new()), inside: Some(Actor::system(reason)) }
    }

    fn inside(actor: Actor) -> Self {
        let grants = Grants::new(vec![super::Permission::EVERYTHING], Some(Clearance::Restricted));
        let caller = Caller { principal: None, anonymous: Arc::new(grants), ip: None, request_id: "inside".into() };
        Self { caller, reach: Reach::Any, inside: Some(actor) }
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn clearance(&self) -> Clearance {
        self.caller.clearance()
    }

    pub fn user_id(&self) -> Option<Id> {
        self.caller.user_id()
    }

    pub fn actor(&self) -> Actor {
        self.inside.clone().unwrap_or_else(|| self.caller.actor())
    }

    /// How far the same caller may go with another action, on the same or another resource.
    pub fn also(&self, resource: &str, entity_type: Option<&str>, action: Action) -> Option<Reach> {
        self.caller.grants().reach(resource, entity_type, action)
    }

    /// The same caller with another action, when they may.
    pub fn extend<R: Right>(&self, entity_type: Option<&str>) -> Option<Self> {
        let reach = self.also(R::RESOURCE, entity_type, R::ACTION)?;
        Some(Self { caller: self.caller.clone(), reach, inside: self.inside.clone() })
    }
}

/// The caller holds the right `R`.
#[derive(Debug)]
pub struct Allowed<R> {
    permit: Permit,
    right: PhantomData<R>,
}

impl<R> std::ops::Deref for Allowed<R> {
    type Target = Permit;

    fn deref(&self) -> &Permit {
        &self.permit
    }
}

impl<R> Allowed<R> {
    pub fn into_permit(self) -> Permit {
        self.permit
    }
}

/// The caller is known, whatever they may do.
#[derive(Debug)]
pub struct SignedIn {
    pub caller: Caller,
    pub principal: Arc<Principal>,
}

impl SignedIn {
    /// The right `R` for a part of what is asked, or the refusal of that part.
    pub fn permit<R: Right>(&self, entity_type: Option<&str>) -> Result<Permit, Error> {
        match self.caller.grants().reach(R::RESOURCE, entity_type, R::ACTION) {
            Some(reach) => Ok(Permit { caller: self.caller.clone(), reach, inside: None }),
            None => Err(refusal(&self.caller, R::RESOURCE, R::ACTION)),
        }
    }
}

/// The caller signed in, whatever they may do. A key did not, whoever owns it.
#[derive(Debug)]
pub struct InSession {
    pub caller: Caller,
    pub principal: Arc<Principal>,
    pub session: SessionRef,
}

/// The caller signed in and holds the right `R`. A key did not sign in, whatever its scopes.
#[derive(Debug)]
pub struct AllowedInSession<R> {
    pub permit: Permit,
    pub principal: Arc<Principal>,
    pub session: SessionRef,
    right: PhantomData<R>,
}

/// The caller signed in and may do this with what is their own, or holds the right `R`. A key holds the right.
#[derive(Debug)]
pub struct OwnOr<R> {
    pub caller: Caller,
    right: PhantomData<R>,
}

/// Open to anyone; the route states why in [`super::Route::open`].
#[derive(Debug)]
pub struct Public {
    pub caller: Caller,
}

/// No caller set means that the gate was not passed: refused.
fn caller(request: &HttpRequest) -> Result<Caller, Error> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Error::internal("a handler was reached past the gate"))
}

pub(crate) fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "Sign in, or send a token, to do this.")
        .because(Check::Authentication, "No credential was sent.")
}

fn no_session() -> Error {
    Error::forbidden("An API key cannot do this. Sign in.")
        .because(Check::Permission, "The route takes somebody who signed in; an API key called.")
}

/// The answer to somebody who may not: 401 while unknown, 403 when known.
pub(crate) fn refusal(caller: &Caller, resource: &str, action: Action) -> Error {
    if caller.principal.is_none() {
        return unauthenticated();
    }
    Error::forbidden(format!("This takes the permission {resource}:{}, which you do not hold.", action.as_str()))
        .because(Check::Permission, "The caller does not hold the permission.")
}

impl<R: Right> FromRequest for Allowed<R> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| {
            let entity_type = request.match_info().get("type");
            match caller.grants().reach(R::RESOURCE, entity_type, R::ACTION) {
                Some(reach) => Ok(Self { permit: Permit { caller, reach, inside: None }, right: PhantomData }),
                None => Err(refusal(&caller, R::RESOURCE, R::ACTION)),
            }
        }))
    }
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| {
            let principal = caller.principal.clone().ok_or_else(unauthenticated)?;
            Ok(Self { caller, principal })
        }))
    }
}

impl FromRequest for InSession {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| {
            let principal = caller.principal.clone().ok_or_else(unauthenticated)?;
            let session = principal.session.clone().ok_or_else(no_session)?;
            Ok(Self { caller, principal, session })
        }))
    }
}

impl<R: Right> FromRequest for AllowedInSession<R> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let InSession { principal, session, .. } = match InSession::from_request(request, payload).into_inner() {
            Ok(signed_in) => signed_in,
            Err(error) => return ready(Err(error)),
        };
        let allowed = Allowed::<R>::from_request(request, payload).into_inner();
        ready(allowed.map(|allowed| Self { permit: allowed.permit, principal, session, right: PhantomData }))
    }
}

impl<R: Right> FromRequest for OwnOr<R> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| {
            let by_key = caller.principal.as_ref().ok_or_else(unauthenticated)?.key.is_some();
            if by_key && caller.grants().reach(R::RESOURCE, None, R::ACTION).is_none() {
                return Err(refusal(&caller, R::RESOURCE, R::ACTION));
            }
            Ok(Self { caller, right: PhantomData })
        }))
    }
}

impl FromRequest for Public {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).map(|caller| Self { caller }))
    }
}

impl<R: Right> Gatekeeper for Allowed<R> {
    const NEED: Need = Need::Permission { resource: R::RESOURCE, action: R::ACTION };
}

impl Gatekeeper for SignedIn {
    const NEED: Need = Need::SignedIn;
}

impl Gatekeeper for InSession {
    const NEED: Need = Need::Session;
}

impl<R: Right> Gatekeeper for AllowedInSession<R> {
    const NEED: Need = Need::SessionWith { resource: R::RESOURCE, action: R::ACTION };
}

impl<R: Right> Gatekeeper for OwnOr<R> {
    const NEED: Need = Need::Own { resource: R::RESOURCE, action: R::ACTION };
}

impl Gatekeeper for Public {
    const NEED: Need = Need::Public("");
}
