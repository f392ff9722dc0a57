//! Requests as spans of an OpenTelemetry collector (OTLP over HTTP). The standard's variables say where it is:
//! `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER_ARG`.

use crate::error::{Error, Result};
use actix_web::HttpRequest;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span, SpanKind, Status, Tracer, TracerProvider},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use std::{
    env,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

const PLACES: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

static SENDING: OnceLock<(SdkTracerProvider, SdkTracer)> = OnceLock::new();

/// Starts to send, where a collector is named.
pub fn start() -> Result<()> {
    if PLACES.iter().all(|place| env::var_os(place).is_none()) {
        return Ok(());
    }
    let exporter = SpanExporter::builder().with_http().build().map_err(Error::internal)?;
    let name = env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "portcullis".into());
    let share = env::var("OTEL_TRACES_SAMPLER_ARG").ok().and_then(|share| share.parse().ok()).unwrap_or(1.0);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // A stranger's `traceparent` joins spans and decides nothing.
        .with_sampler(Sampler::TraceIdRatioBased(share))
        .with_resource(Resource::builder().with_service_name(name).build())
        .build();
    let tracer = provider.tracer("portcullis");
    let _ = SENDING.set((provider, tracer));
    Ok(())
}

/// Sends what is left.
pub fn stop() {
    if let Some((provider, _)) = SENDING.get() {
        let _ = provider.shutdown();
    }
}

struct Headers<'r>(&'r HttpRequest);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.headers().get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.headers().keys().map(actix_web::http::header::HeaderName::as_str).collect()
    }
}

/// One request that was answered: which route, how, and how long it took. No address, no name, no query.
pub fn answered(request: &HttpRequest, request_id: &str, status: u16, took: Duration) {
    let Some((_, tracer)) = SENDING.get() else { return };
    let (ended, method) = (SystemTime::now(), request.method().as_str().to_owned());
    let route = request.match_pattern();
    let name = route.as_ref().map_or_else(|| method.clone(), |route| format!("{method} {route}"));
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.response.status_code", i64::from(status)),
        KeyValue::new("portcullis.request_id", request_id.to_owned()),
    ];
    attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(request));
    let mut span = tracer
        .span_builder(name)
        .with_kind(SpanKind::Server)
        .with_start_time(ended.checked_sub(took).unwrap_or(ended))
        .with_attributes(attributes)
        .start_with_context(tracer, &parent);
    if status >= 500 {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(ended);
}
