//! Is it up, does it live, is it ready. Open to anyone, under the kill switch too, and never limited.

use crate::{audit::Ledger, error::Result};
use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use serde::Serialize;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Turned off when the server shuts down, so that a load balancer looks elsewhere.
#[derive(Default)]
pub struct Draining(AtomicBool);

impl Draining {
    pub fn start(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Serialize)]
struct Dependency {
    name: &'static str,
    /// `up` or `down`.
    state: &'static str,
    latency_ms: f64,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    dependencies: Vec<Dependency>,
}

pub fn mount(config: &mut ServiceConfig) {
    config
        .service(web::resource("/health").get(live).head(live))
        .service(web::resource("/health/live").get(live).head(live))
        .service(web::resource("/health/ready").get(ready).head(ready));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

async fn ready(ledger: Data<Ledger>, draining: Data<Draining>) -> HttpResponse {
    let dependencies =
        vec![probe("database", || reads(&ledger)).await, probe("writer", async || commits(&ledger).await).await];
    let good = dependencies.iter().all(|dependency| dependency.state == "up");
    let status = match (good, draining.0.load(Ordering::Relaxed)) {
        (_, true) => "shutting_down",
        (true, false) => "ready",
        (false, false) => "not_ready",
    };
    let mut answer = if status == "ready" { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(Readiness { status, dependencies })
}

async fn probe<F: Future<Output = Result<()>>>(name: &'static str, check: impl FnOnce() -> F) -> Dependency {
    let started = Instant::now();
    let outcome = tokio::time::timeout(Duration::from_secs(2), check()).await;
    let state = if matches!(outcome, Ok(Ok(()))) { "up" } else { "down" };
    Dependency { name, state, latency_ms: started.elapsed().as_micros() as f64 / 1000.0 }
}

async fn reads(ledger: &Ledger) -> Result<()> {
    ledger.db().read_off(|reader| reader.query_one("SELECT 1", &[], |row| row.get::<i64>(0)).map(drop)).await
}

/// An empty transaction through the writer: shows that its thread lives and its queue moves.
async fn commits(ledger: &Ledger) -> Result<()> {
    ledger.unrecorded("readiness", |_| Ok(())).await
}
