//! Is it up, does it live, is it ready. Open to anyone, under the kill switch too, and never limited.

use super::{
    App,
    dependencies::{Dependencies, Dependency, State},
};
use crate::{audit::Ledger, error::Result};
use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use serde::Serialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// For what it cannot serve without.
const PATIENCE: Duration = Duration::from_secs(2);

/// What answers about readiness share.
#[derive(Default)]
pub struct Health {
    /// Set when the server shuts down, so that a load balancer looks elsewhere.
    is_draining: AtomicBool,
    optional: Arc<Dependencies>,
}

impl Health {
    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
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

async fn ready(app: Data<App>, health: Data<Health>) -> HttpResponse {
    let (database, writer) = tokio::join!(
        Dependency::probe("database", PATIENCE, reads(&app.ledger)),
        Dependency::probe("writer", PATIENCE, commits(&app.ledger))
    );
    let is_ready = database.state == State::Up && writer.state == State::Up;
    let optional = health.optional.clone().seen(&app);
    let is_whole = optional.iter().all(|dependency| dependency.state != State::Down);
    let status = match (health.is_draining.load(Ordering::Relaxed), is_ready, is_whole) {
        (true, ..) => "shutting_down",
        (false, false, _) => "not_ready",
        (false, true, false) => "degraded",
        (false, true, true) => "ready",
    };
    let is_serving = matches!(status, "ready" | "degraded");
    let mut answer = if is_serving { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(Readiness { status, dependencies: [vec![database, writer], optional].concat() })
}

async fn reads(ledger: &Ledger) -> Result<()> {
    ledger.db().read_off(|reader| reader.query_one("SELECT 1", &[], |row| row.get::<i64>(0)).map(drop)).await
}

/// An empty transaction through the writer: shows that its thread lives and its queue moves.
async fn commits(ledger: &Ledger) -> Result<()> {
    ledger.unrecorded("readiness", |_| Ok(())).await
}
