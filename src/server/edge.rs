//! The outermost layer: request id, address, size caps, one spelling per path, the security headers,
//! problem documents for whatever went wrong, a panic included, and one log line.

use super::{address, headers, observe::Observed, report};
use crate::{
    config::Live,
    decisions::{Asked, Decisions, Refused},
    error::{Code, Error},
    ids::Id,
    rate_limit::Verdicts,
    refusal::Check,
    web::{self, RequestInfo, render},
};
use actix_web::{
    HttpMessage, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{Uri, header, uri::PathAndQuery},
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use std::{
    cell::Cell,
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

const HEAD_LIMIT: usize = 16 << 10;
const URI_LIMIT: usize = 8 << 10;

/// The entity type that answers under an alias.
pub type Aliases = Arc<dyn Fn(&str) -> Option<Arc<str>> + Send + Sync>;

/// Wraps the whole application.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    config: Live,
    aliases: Aliases,
    nouns: Vec<&'static str>,
    headers: headers::Standing,
    log: report::Reporter,
    decisions: Decisions,
}

impl Edge {
    pub fn new(
        config: Live,
        aliases: Aliases,
        nouns: Vec<&'static str>,
        log: report::Reporter,
        decisions: Decisions,
    ) -> Self {
        let headers = headers::Standing::new(&config.load());
        Self(Arc::new(Inner { config, aliases, nouns, headers, log, decisions }))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = actix_web::Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service: Rc::new(service), inner: self.0.clone() }))
    }
}

pub struct EdgeService<S> {
    service: Rc<S>,
    inner: Arc<Inner>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let inner = self.inner.clone();
        let original = request.uri().clone();
        let mut info = inner.describe(&request);
        let activity = super::connections::begin(&request);
        let early = Inner::refuse_early(&request);
        if early.is_none() {
            info.unversioned = inner.respell(&mut request);
        }
        request.extensions_mut().insert(info.clone());
        let service = self.service.clone();
        Box::pin(async move {
            let mut response = match early {
                Some(error) => ServiceResponse::new(request.into_parts().0, HttpResponse::from_error(error)),
                None => AssertUnwindSafe(service.call(request))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(Error::internal("a handler panicked").into()))?
                    .map_into_boxed_body(),
            };
            inner.finish(&mut response, &info, &original);
            if web::are_logged(response.request()) {
                response = report::body(response, &info);
            }
            Ok(activity.end(response))
        })
    }
}

impl Inner {
    fn describe(&self, request: &ServiceRequest) -> RequestInfo {
        let given =
            request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
        let id: Arc<str> = given.map_or_else(|| Id::new().to_string().into(), Into::into);
        let ip = address::client(request.request(), &self.config.load().server.trusted_proxies);
        RequestInfo { id, ip, unversioned: false, started: Instant::now(), place: Cell::default() }
    }

    fn refuse_early(request: &ServiceRequest) -> Option<Error> {
        let uri = request.uri();
        if uri.path_and_query().map_or(0, |path| path.as_str().len()) > URI_LIMIT {
            let detail = format!("The address is longer than {URI_LIMIT} bytes.");
            return Some(Error::new(Code::UriTooLong, detail));
        }
        let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > HEAD_LIMIT {
            let detail = format!("The headers are larger than {HEAD_LIMIT} bytes.");
            return Some(Error::new(Code::HeadersTooLarge, detail));
        }
        None
    }

    /// Gives `/api/…` its version and an alias its entity type, so that every spelling meets one route.
    fn respell(&self, request: &mut ServiceRequest) -> bool {
        let Some(rest) = request.match_info().as_str().strip_prefix("/api/") else { return false };
        let (unversioned, rest) = match rest.strip_prefix("v1/") {
            Some(rest) => (false, rest),
            None => (true, rest),
        };
        let noun = rest.split('/').next().unwrap_or_default();
        let entity_type = if self.nouns.contains(&noun) { None } else { (self.aliases)(noun) };
        if !unversioned && entity_type.is_none() {
            return false;
        }
        let raw = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        // By segments, since these may be spelled with escapes.
        let before = if unversioned { 2 } else { 3 };
        let tail = raw.splitn(before + 1, '/').nth(before).unwrap_or_default();
        let spelled = match entity_type {
            Some(entity_type) => {
                let end = tail.find(['/', '?']).unwrap_or(tail.len());
                format!("/api/v1/entities/{}{}", entity_type, &tail[end..])
            }
            None => format!("/api/v1/{tail}"),
        };
        if let Ok(uri) = spelled.parse::<Uri>() {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
        }
        unversioned
    }

    fn finish(&self, response: &mut ServiceResponse<BoxBody>, info: &RequestInfo, original: &Uri) {
        let mut decision = None;
        if let Some(error) = response.response().error() {
            let own = error.as_error::<Error>();
            let foreign;
            let error = if let Some(own) = own {
                own
            } else {
                foreign = from_actix(error);
                &foreign
            };
            let (problem, id) = render(error, original.path(), &info.id);
            decision = id;
            if let Some(id) = id {
                self.keep(id, error, problem.status().as_u16(), response, info, original.path());
            }
            report::failure(error, info, original.path(), decision);
            self.log.metrics.refused(error.code());
            let kept = std::mem::replace(response.response_mut(), problem);
            for (name, value) in kept.headers() {
                if name != header::CONTENT_TYPE && !response.headers().contains_key(name) {
                    response.headers_mut().append(name.clone(), value.clone());
                }
            }
            if response.status().as_u16() == 408 || response.status().as_u16() == 413 {
                response.response_mut().head_mut().set_connection_type(actix_http::ConnectionType::Close);
            }
        }
        let verdicts = response.request().extensions().get::<Verdicts>().cloned();
        for (name, value) in verdicts.iter().flat_map(Verdicts::headers) {
            response.headers_mut().insert(name, value);
        }
        self.headers.apply(response, info, original.path());
        self.log.request(response, info, original.path(), decision);
    }
}

impl Inner {
    /// Keeps why a request was refused, with what the gate knew of it.
    fn keep(
        &self,
        id: Id,
        error: &Error,
        status: u16,
        response: &ServiceResponse<BoxBody>,
        info: &RequestInfo,
        path: &str,
    ) {
        let request = response.request();
        let (asked, verdicts, observed) = {
            let mut left = request.extensions_mut();
            (left.remove::<Asked>(), left.get::<Verdicts>().cloned().unwrap_or_default(), left.remove::<Observed>())
        };
        self.decisions.record(Refused {
            id,
            error,
            status,
            method: request.method(),
            path,
            request_id: &info.id,
            ip: info.ip,
            asked,
            verdicts,
            observed: observed.map(|observed| observed.0).unwrap_or_default(),
        });
    }
}

fn is_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Errors of the framework itself, such as a body that broke off.
fn from_actix(error: &actix_web::Error) -> Error {
    if let Some(cause) = error.as_error::<actix_cors::CorsError>() {
        return Error::forbidden("Pages of this origin may not call this API.")
            .because(Check::Origin, "The page that called is of an origin which cors.origins does not name.")
            .caused_by(cause.to_string());
    }
    let code = match error.as_response_error().status_code().as_u16() {
        400 => Code::MalformedJson,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        408 => Code::RequestTimeout,
        413 => Code::PayloadTooLarge,
        415 => Code::UnsupportedMediaType,
        _ => return Error::internal(error.to_string()),
    };
    Error::new(code, "The request could not be understood.").caused_by(error.to_string())
}
