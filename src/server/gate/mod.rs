//! The gate around every route: limit by address, who is calling, kill switch, limit by caller,
//! in the order in which a caller is refused. Rights themselves are checked by the handler's first parameter.

mod door;

pub use door::Door;

use super::{
    App, csrf,
    idempotency::Idempotency,
    inspect::Inspector,
    observe::Observe,
    presented::{anonymous_may, check_type, may, present},
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger, Outcome},
    config::Live,
    error::{Code, Error, Result},
    kill_switch::{KillSwitch, Visit},
    observability::Metrics,
    permit::{Authenticate, Caller, LimitClass, Need, Principal, Route, unauthenticated},
    rate_limit::{RateLimiter, Verdict, Verdicts},
    refusal::Check,
    web::RequestInfo,
};
use actix_web::{HttpMessage, HttpRequest};
use std::{sync::Arc, time::Duration};

/// Makes the caller of a request, or refuses it.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    authenticate: Arc<dyn Authenticate>,
    ledger: Ledger,
    kill_switch: KillSwitch,
    limits: RateLimiter,
    inspector: Inspector,
    observe: Observe,
    config: Live,
    idempotency: Idempotency,
    metrics: Metrics,
    timeout: Duration,
}

impl Gate {
    pub fn new(app: &App) -> Self {
        let timeout = Duration::from_secs(app.config.load().server.request_timeout_s.into());
        Self(Arc::new(Inner {
            authenticate: app.authenticator(),
            ledger: app.ledger.clone(),
            kill_switch: app.kill_switch.clone(),
            limits: app.limits.clone(),
            inspector: Inspector::new(app),
            observe: Observe::new(app),
            config: app.config.clone(),
            idempotency: app.idempotency.clone(),
            metrics: app.metrics.clone(),
            timeout,
        }))
    }

    /// For addresses that nothing answers: those of the API and its document count against the limit of a stranger,
    /// whoever asks.
    pub fn pass_unknown(&self, request: &HttpRequest) -> Result<()> {
        let path = request.match_info().as_str().trim_start_matches('/').to_ascii_lowercase();
        if !["api", "docs", "openapi.json"].iter().any(|counted| path.starts_with(counted)) {
            return Ok(());
        }
        let info = request.extensions().get::<RequestInfo>().cloned();
        info.map_or(Ok(()), |info| self.0.limit_address(request, None, &info))
    }
}

impl Inner {
    /// Who is calling, in the limits of their address.
    fn meet(&self, request: &HttpRequest, route: &Route, info: &RequestInfo) -> Result<Caller> {
        let stand_in = self.observe.stand_in(route, request);
        let lenient = is_open(route) || stand_in.is_some();
        let (principal, is_bad) = match self.identify(request, route, info, lenient)? {
            Known::Somebody(principal) => (Some(principal), false),
            Known::Nobody => (None, false),
            Known::Bad => (None, true),
        };
        let anonymous = self.authenticate.anonymous();
        let mut caller = Caller { principal, anonymous, ip: info.ip, request_id: info.id.clone() };
        if let Some(stand_in) = stand_in.filter(|_| caller.principal.is_none()) {
            self.observe.let_stranger_pass(request, route, &mut caller, &stand_in, is_bad);
        }
        Ok(caller)
    }

    /// Refuses whom the route is closed to, whatever they may do.
    fn admit(&self, request: &HttpRequest, route: &Route, caller: &mut Caller) -> Result<()> {
        let open = is_open(route);
        if caller.principal.is_none() && !open && !anonymous_may(caller, route, request) {
            return Err(unauthenticated());
        }
        // Open routes act on what their body brings, never on the cookie.
        if let Some(principal) = caller.principal.as_ref().filter(|_| !open) {
            csrf::check(request, principal, &self.config.load())
                .inspect_err(|error| self.note(error, &caller.actor(), route))?;
        }
        let visit = Visit {
            path: route.path,
            method: request.method(),
            entity_type: request.match_info().get("type"),
            by_key: caller.principal.as_ref().is_some_and(|principal| principal.key.is_some()),
        };
        self.kill_switch.refuses(route, &visit).map_or(Ok(()), Err)?;
        if let Some(principal) = &caller.principal {
            self.kill_switch.refuses_caller(route, caller).map_or(Ok(()), Err)?;
            let passes = |verdict: &Verdict| self.observe.watches_limit(route, verdict, caller).is_some();
            for verdict in self.limits.check_caller(principal, route, &passes) {
                self.limit(request, Some(route), Some(verdict), caller)?;
            }
            if principal.enrol_only && !open && !route.while_enrolling {
                let error = enrol_first();
                self.note(&error, &caller.actor(), route);
                return Err(error);
            }
        }
        self.observe.permission(request, route, caller);
        Ok(())
    }

    /// Who is calling. Without a known caller the request counts by address, at doors that check a password
    /// always. A bad credential counts like none; `lenient`, where anyone may come in, it is only told.
    fn identify(&self, request: &HttpRequest, route: &Route, info: &RequestInfo, lenient: bool) -> Result<Known> {
        let known = self.recognise(request);
        if route.limit == LimitClass::Login || !matches!(known, Ok(Some(_))) {
            self.limit_address(request, Some(route), info)?;
        }
        if !matches!(known, Ok(Some(_))) {
            let caller = self.stranger(info);
            self.limit(request, Some(route), self.limits.check_route_by_ip(route, info.ip), &caller)?;
        }
        match known {
            Ok(Some(principal)) => Ok(Known::Somebody(principal)),
            Ok(None) => Ok(Known::Nobody),
            Err(_) if lenient => Ok(Known::Bad),
            Err(error) => Err(error),
        }
    }

    fn recognise(&self, request: &HttpRequest) -> Result<Option<Arc<Principal>>> {
        let credential = present(request, &self.config.load())?;
        credential.map(|known| self.authenticate.authenticate(known)).transpose()
    }

    fn limit_address(&self, request: &HttpRequest, route: Option<&Route>, info: &RequestInfo) -> Result<()> {
        let class = route.map_or(LimitClass::Public, |route| route.limit);
        self.limit(request, route, self.limits.check_ip(class, info.ip), &self.stranger(info))
    }

    fn stranger(&self, info: &RequestInfo) -> Caller {
        let anonymous = self.authenticate.anonymous();
        Caller { principal: None, anonymous, ip: info.ip, request_id: info.id.clone() }
    }

    /// Refuses what the type alone rules out, of a caller who may do what they ask for: others hear from the
    /// handler's first parameter that they may not.
    fn look_at(&self, request: &HttpRequest, route: &Route, caller: &Caller) -> Result<()> {
        if !may(request, route, caller) {
            return Ok(());
        }
        check_type(request, route)?;
        self.inspector.look_at(request, route, caller)
    }

    /// Leaves the verdict for the answer's headers, and refuses when the limit is reached.
    fn limit(
        &self,
        request: &HttpRequest,
        route: Option<&Route>,
        verdict: Option<Verdict>,
        caller: &Caller,
    ) -> Result<()> {
        let Some(verdict) = verdict else { return Ok(()) };
        Verdicts::add(&mut request.extensions_mut(), verdict);
        let Some(error) = verdict.refusal() else { return Ok(()) };
        if route.is_some_and(|route| self.observe.limit(request, route, &verdict, caller)) {
            return Ok(());
        }
        self.metrics.limited(verdict.policy());
        let event = Event::new("request.limited", "limit", verdict.policy());
        // Strangers are told apart by where they come from alone.
        let actor = match &caller.principal {
            Some(_) => caller.actor(),
            None => Actor::anonymous().from_request(caller.ip, None),
        };
        self.ledger.note(&actor, event.outcome(Outcome::Denied));
        Err(error)
    }

    /// A wrong password counts against the log-ins of its address at whichever door it was tried. Those that are
    /// needed in an emergency are not closed by them: there the waits and the lock of the account hold.
    fn count_guess(&self, error: &Error, route: &Route, info: &RequestInfo) {
        let is_wrong = error.reason().is_some_and(|reason| reason.check == Check::Credentials);
        if is_wrong && route.limit != LimitClass::Login {
            self.limits.check_ip(LimitClass::Login, info.ip);
        }
    }

    /// Refusals of somebody, for the audit log; floods of them are counted together.
    fn note(&self, error: &Error, actor: &Actor, route: &Route) {
        if matches!(error.code(), Code::Forbidden | Code::CsrfFailed) {
            let event = Event::new("request.denied", "route", format!("{} {}", route.method, route.path));
            self.ledger.note(actor, event.outcome(Outcome::Denied));
        }
    }
}

/// What a request shows of its caller.
enum Known {
    Somebody(Arc<Principal>),
    Nobody,
    /// A credential that is none, or none any more.
    Bad,
}

fn enrol_first() -> Error {
    Error::forbidden("Your role takes a second factor. Set it up with POST /auth/mfa/totp and /auth/mfa/confirm first.")
        .because(Check::SecondFactor, "A role of the caller takes a second factor, and none is set up.")
        .with("mfa_required", true)
}

fn is_open(route: &Route) -> bool {
    matches!(route.need, Need::Public(_))
}
