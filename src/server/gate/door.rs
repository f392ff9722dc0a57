//! The gate as what wraps a resource: how a request goes through it to its handler and back.

use super::Gate;
use crate::{
    decisions::Asked,
    error::{Code, Error, Result},
    observability::metrics::Place,
    permit::{Caller, Route},
    server::{idempotency::Turn, presented::recheck},
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
    time::Duration,
};

/// Streams are bounded by a least rate; this only ends what hangs.
const STREAM_TIME: Duration = Duration::from_secs(6 * 3600);

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
