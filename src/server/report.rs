//! One log line for a request, and the numbers behind the overview.

use crate::{
    config::Live,
    error::{Code, Error},
    ids::Id,
    observability::{Metrics, Traffic},
    permit::Caller,
    web::{RequestInfo, masked},
};
use actix_web::{
    HttpMessage, HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::{Method, header},
};
use std::{sync::Arc, time::Duration};

#[derive(Clone)]
pub struct Reporter {
    pub traffic: Arc<Traffic>,
    pub metrics: Metrics,
    pub config: Live,
}

impl Reporter {
    /// Every change, every refusal and all that is done under an elevation is worth a line; any other read that
    /// went well only at `debug`.
    pub fn request(&self, response: &ServiceResponse<BoxBody>, info: &RequestInfo, path: &str, decision: Option<Id>) {
        let (status, took) = (response.status().as_u16(), info.started.elapsed());
        self.traffic.count(status, took);
        let request = response.request();
        let place = request.extensions().get::<RequestInfo>().and_then(|info| info.place.get());
        self.metrics.answered(place, path, status, took);
        #[cfg(feature = "opentelemetry")]
        crate::observability::telemetry::answered(request, &info.id, status, took);
        let method = request.method();
        let ms = took.as_micros() as f64 / 1000.0;
        let elevation = elevation(request).map(tracing::field::display);
        let ip = info.ip.map(tracing::field::display);
        let decision = decision.map(tracing::field::display);
        if took >= Duration::from_millis(self.config.load().log.slow_ms.into()) {
            tracing::warn!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, elevation_id = elevation, "slow request");
        } else if status >= 400 || elevation.is_some() || !(method == Method::GET || method == Method::HEAD) {
            tracing::info!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, decision_id = decision, elevation_id = elevation, "request");
        } else {
            tracing::debug!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, elevation_id = elevation, "request");
        }
    }
}

/// The break-glass under which the request was made.
fn elevation(request: &HttpRequest) -> Option<Id> {
    let extensions = request.extensions();
    let principal = extensions.get::<Caller>()?.principal.as_ref()?;
    principal.elevated.as_ref().map(|elevated| elevated.id)
}

/// What went wrong, with the cause that the answer does not tell.
pub fn failure(error: &Error, info: &RequestInfo, path: &str, decision: Option<Id>) {
    let code = error.code().slug();
    let decision = decision.map(tracing::field::display);
    if matches!(error.code(), Code::Internal | Code::StorageFull) {
        tracing::error!(request_id = %info.id, path, code, cause = error.cause().map(tracing::field::display), "request failed");
    } else if let Some(cause) = error.cause() {
        tracing::info!(request_id = %info.id, path, code, decision_id = decision, cause = %cause, "request refused");
    } else {
        tracing::debug!(request_id = %info.id, path, code, decision_id = decision, "request refused");
    }
}

/// An answer, with a line on its body where that is short JSON.
pub fn body(response: ServiceResponse<BoxBody>, info: &RequestInfo) -> ServiceResponse<BoxBody> {
    const LONGEST: u64 = 64 << 10;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.to_str().unwrap_or_default();
        kind.starts_with("application/json") || kind.starts_with("application/problem+json")
    });
    if !is_json || !matches!(response.response().body().size(), BodySize::Sized(size) if size <= LONGEST) {
        return response;
    }
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => {
            if let Ok(value) = serde_json::from_slice(&bytes) {
                tracing::info!(target: "portcullis::body", request_id = %info.id, body = masked(&value), "answer body");
            }
            BoxBody::new(bytes)
        }
        Err(body) => body,
    })
}
