//! One log line for a request, and the numbers behind the overview.

use crate::{
    error::{Code, Error},
    ids::Id,
    observability::Traffic,
    web::RequestInfo,
};
use actix_web::{body::BoxBody, dev::ServiceResponse, http::Method};
use std::{sync::Arc, time::Duration};

#[derive(Clone)]
pub struct Reporter {
    pub traffic: Arc<Traffic>,
    pub slow: Duration,
}

impl Reporter {
    /// Every change and every refusal is worth a line; a read that went well only at `debug`.
    pub fn request(&self, response: &ServiceResponse<BoxBody>, info: &RequestInfo, path: &str, decision: Option<Id>) {
        let (status, took) = (response.status().as_u16(), info.started.elapsed());
        self.traffic.count(status, took);
        let request = response.request();
        let method = request.method();
        let ms = took.as_micros() as f64 / 1000.0;
        let ip = info.ip.map(tracing::field::display);
        let decision = decision.map(tracing::field::display);
        if took >= self.slow {
            tracing::warn!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, "slow request");
        } else if status >= 400 || !(method == Method::GET || method == Method::HEAD) {
            tracing::info!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, decision_id = decision, "request");
        } else {
            tracing::debug!(target: "portcullis::request", request_id = %info.id, %method, path, status, ms, ip, "request");
        }
    }
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
