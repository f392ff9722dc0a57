//! The gate around every route: limit by address, who is calling, kill switch, limit by caller,
//! in the order in which a caller is refused. Rights themselves are checked by the handler's first parameter.

use super::{
    App, csrf,
    idempotency::{Idempotency, Turn},
    inspect::Inspector,
    observe::Observe,
    presented::{anonymous_may, check_type, may, present, recheck},
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger, Outcome},
    config::Live,
    decisions::Asked,
    error::{Code, Error, Result},
    kill_switch::{KillSwitch, Visit},
    observability::{Metrics, metrics::Place},
    permit::{Authenticate, Caller, LimitClass, Need, Principal, Route, unauthenticated},
    rate_limit::{RateLimiter, Verdict, Verdicts},
    refusal::Check,
    web::RequestInfo,
};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::Method,
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use std::{
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// Streams are bounded by a least rate; this only ends what hangs.
const STREAM_TIME: Duration = Duration::from_secs(6 * 3600);

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

/// Wraps one resource with the gate and the routes it holds.
pub struct Door {
    gate: Gate,
    routes: Rc<Vec<Counted>>,
}

/// A route and where its requests are counted.
struct Counted {
    route: Route,
    place: Option<u16>,
}

impl Door {
    pub fn new(gate: Gate, routes: Vec<Route>) -> Self {
        let counted = |route: Route| {
            let place = gate.0.metrics.place(&route.method, route.path).map(Place::number);
            Counted { route, place }
        };
        let routes = Rc::new(routes.into_iter().map(counted).collect());
        Self { gate, routes }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Door
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = actix_web::Error;
    type Transform = DoorService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DoorService { service: Rc::new(service), gate: self.gate.clone(), routes: self.routes.clone() }))
    }
}

pub struct DoorService<S> {
    service: Rc<S>,
    gate: Gate,
    routes: Rc<Vec<Counted>>,
}

impl<S, B> Service<ServiceRequest> for DoorService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (service, gate, routes) = (self.service.clone(), self.gate.clone(), self.routes.clone());
        Box::pin(async move {
            let method = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
            let Some(index) = routes.iter().position(|counted| counted.route.method == *method) else {
                if let Err(error) = gate.pass_unknown(request.request()) {
                    return Ok(refuse(request, error));
                }
                return service.call(request).await.map(ServiceResponse::map_into_boxed_body);
            };
            let Counted { route, place } = &routes[index];
            let info = request.extensions().get::<RequestInfo>().map(|info| {
                info.place.set(*place);
                info.clone()
            });
            let Some(info) = info else {
                return Ok(refuse(request, Error::internal("a route was reached past the edge")));
            };
            let mut caller = match gate.0.meet(request.request(), route, &info) {
                Ok(caller) => caller,
                Err(error) => {
                    leave(request.request(), route, None);
                    return Ok(refuse(request, told(route, error)));
                }
            };
            let admitted = gate.0.admit(request.request(), route, &mut caller);
            if let Err(error) = admitted.and_then(|()| gate.0.look_at(request.request(), route, &caller)) {
                leave(request.request(), route, Some(caller));
                return Ok(refuse(request, told(route, error)));
            }
            let turn = match gate.0.idempotency.begin(&mut request, route, &caller).await {
                Ok(turn) => turn,
                Err(error) => return Ok(refuse(request, error)),
            };
            request.extensions_mut().insert(caller.clone());
            if route.streams {
                let again = recheck(request.request(), &gate.0.config.load(), &gate.0.authenticate);
                again.map(|again| request.extensions_mut().insert(again));
            }
            let response = match turn {
                Turn::Plain => run(&*service, request, route, gate.0.timeout).await?,
                Turn::First(running) => {
                    let first = running.keyed.clone();
                    let response = first.run(run(&*service, request, route, gate.0.timeout)).await?;
                    gate.0.idempotency.end(running, response).await
                }
                Turn::Again(response) => ServiceResponse::new(request.into_parts().0, response),
            };
            if let Some(error) = response.response().error().and_then(|error| error.as_error::<Error>()) {
                gate.0.note(error, &caller.actor(), route);
                gate.0.count_guess(error, route, &info);
                leave(response.request(), route, Some(caller));
            }
            Ok(response)
        })
    }
}

fn is_open(route: &Route) -> bool {
    matches!(route.need, Need::Public(_))
}

/// Leaves what is known of a refused request for the edge, which keeps the decision.
fn leave(request: &HttpRequest, route: &Route, caller: Option<Caller>) {
    let path = request.match_info();
    let asked = Asked::new(route, path.get("type"), path.get("id").is_some(), caller);
    request.extensions_mut().insert(asked);
}

/// A refusal as whoever asks understands it: a proxy takes anything but 401 and 403 for a fault of its own.
fn told(route: &Route, error: Error) -> Error {
    let known = matches!(error.code(), Code::Unauthenticated | Code::TokenExpired | Code::Forbidden);
    if !route.for_proxies || known {
        return error;
    }
    let refused = Error::forbidden(error.detail().to_owned());
    match error.reason().cloned() {
        Some(reason) => refused.because(reason.check, reason.detail),
        None => refused,
    }
}

fn refuse(request: ServiceRequest, error: Error) -> ServiceResponse<BoxBody> {
    ServiceResponse::new(request.into_parts().0, HttpResponse::from_error(error))
}

/// Calls the handler within the request's time; streams are bounded by a least rate instead.
async fn run<S, B>(
    service: &S,
    request: ServiceRequest,
    route: &Route,
    timeout: Duration,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    let timeout = if route.streams { STREAM_TIME } else { timeout };
    let spare = request.request().clone();
    let guarded = AssertUnwindSafe(service.call(request)).catch_unwind();
    let error = match tokio::time::timeout(timeout, guarded).await {
        Ok(Ok(response)) => return response.map(ServiceResponse::map_into_boxed_body),
        Ok(Err(_)) => Error::internal("a handler panicked"),
        Err(_) => {
            let detail = "The request took too long and was given up. A change may or may not have been made.";
            Error::new(Code::RequestTimeout, detail)
        }
    };
    Ok(ServiceResponse::new(spare, HttpResponse::from_error(error)))
}
