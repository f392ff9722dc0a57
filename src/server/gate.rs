//! The gate around every route: limit by address, who is calling, kill switch, limit by caller,
//! in the order in which a caller is refused. Rights themselves are checked by the handler's first parameter.

use super::{App, csrf};
use crate::{
    audit::{Event, Ledger, Outcome},
    config::Config,
    error::{Code, Error, Result},
    kill_switch::KillSwitch,
    permit::{Authenticate, Caller, Credential, LimitClass, Need, Principal, Route, unauthenticated},
    web::RequestInfo,
};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{Method, header},
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
    config: Arc<Config>,
    timeout: Duration,
}

impl Gate {
    pub fn new(app: &App) -> Self {
        let timeout = Duration::from_secs(app.config.server.request_timeout_s.into());
        Self(Arc::new(Inner {
            authenticate: app.authenticator(),
            ledger: app.ledger.clone(),
            kill_switch: app.kill_switch.clone(),
            config: app.config.clone(),
            timeout,
        }))
    }

    /// For addresses that nothing answers: they count against the limit of an unknown caller too.
    pub fn pass_unknown(&self, request: &HttpRequest) -> Result<()> {
        self.0.identify(request, LimitClass::Public, true).map(drop)
    }
}

impl Inner {
    fn admit(&self, request: &HttpRequest, route: &Route, info: &RequestInfo) -> Result<Caller> {
        let open = matches!(route.need, Need::Public(_));
        let principal = self.identify(request, route.limit, open)?;
        let anonymous = self.authenticate.anonymous();
        let caller = Caller { principal, anonymous, ip: info.ip, request_id: info.id.clone() };
        if caller.principal.is_none() && !open && !anonymous_may(&caller, route, request) {
            return Err(unauthenticated());
        }
        if let Some(principal) = &caller.principal {
            csrf::check(request, principal, &self.config)?;
        }
        self.kill_switch.refuses(route, request.method()).map_or(Ok(()), Err)?;
        if route.under_kill_switch && caller.principal.is_some() {
            self.kill_switch.refuses_caller(&caller).map_or(Ok(()), Err)?;
        }
        Ok(caller)
    }

    /// Who is calling. A bad credential counts like none; where anyone may come in it is ignored.
    fn identify(&self, request: &HttpRequest, _class: LimitClass, open: bool) -> Result<Option<Arc<Principal>>> {
        let presented = present(request)?;
        let known = presented.map(|credential| self.authenticate.authenticate(credential));
        match known {
            Some(Ok(principal)) => Ok(Some(principal)),
            Some(Err(error)) if !open => Err(error),
            _ => Ok(None),
        }
    }

    /// Refusals of somebody, for the audit log; floods of them are counted together.
    fn note(&self, error: &Error, caller: Option<&Caller>, route: &Route) {
        if matches!(error.code(), Code::Forbidden | Code::CsrfFailed)
            && let Some(caller) = caller
        {
            let event = Event::new("request.denied", "route", format!("{} {}", route.method, route.path));
            self.ledger.note(&caller.actor(), event.outcome(Outcome::Denied));
        }
    }
}

/// The credential of a request: a token, else the console's cookie.
fn present(request: &HttpRequest) -> Result<Option<Credential<'_>>> {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        return bearer.map(|token| Some(Credential::Bearer(token))).ok_or_else(unauthenticated);
    }
    if request.headers().contains_key("x-api-key") {
        return Err(unauthenticated());
    }
    Ok(csrf::session_cookie(request).map(Credential::Cookie))
}

fn anonymous_may(caller: &Caller, route: &Route, request: &HttpRequest) -> bool {
    match route.need {
        Need::Permission { resource, action } => {
            caller.anonymous.reach(resource, request.match_info().get("type"), action).is_some()
        }
        _ => false,
    }
}

/// Wraps one resource with the gate and the routes it holds.
pub struct Door {
    gate: Gate,
    routes: Rc<Vec<Route>>,
}

impl Door {
    pub fn new(gate: Gate, routes: Vec<Route>) -> Self {
        Self { gate, routes: Rc::new(routes) }
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
    routes: Rc<Vec<Route>>,
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

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, gate, routes) = (self.service.clone(), self.gate.clone(), self.routes.clone());
        Box::pin(async move {
            let method = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
            let Some(index) = routes.iter().position(|route| route.method == *method) else {
                return service.call(request).await.map(ServiceResponse::map_into_boxed_body);
            };
            let route = &routes[index];
            let Some(info) = request.extensions().get::<RequestInfo>().cloned() else {
                return Ok(refuse(request, Error::internal("a route was reached past the edge")));
            };
            let caller = match gate.0.admit(request.request(), route, &info) {
                Ok(caller) => caller,
                Err(error) => return Ok(refuse(request, error)),
            };
            request.extensions_mut().insert(caller.clone());
            let response = run(&*service, request, route, gate.0.timeout).await?;
            if let Some(error) = response.response().error().and_then(|error| error.as_error::<Error>()) {
                gate.0.note(error, Some(&caller), route);
            }
            Ok(response)
        })
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
