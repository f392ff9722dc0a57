//! What is counted of the running instance. Each figure has its place in memory from the start, so that counting takes
//! no lock, no look-up and no allocation, and every series is there before anything happened.

mod exposition;
mod histogram;
mod logins;

pub use exposition::{Exposition, Kind};
pub use histogram::Histogram;

use crate::{audit::Ledger, error::Code};
use actix_web::http::Method;
use logins::Counts;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of answer times, in seconds.
const LATENCIES: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0];
/// What answers beside the routes of the API, by how its address begins.
const BESIDE: [&str; 3] = ["/console", "/health", "/metrics"];
/// What no route answers.
const UNKNOWN: &str = "unknown";
/// The first digit of the status.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// Whose limits there are, as `rate_limit::Verdict` names them.
pub const LIMITS: [&str; 6] = ["public", "login", "public_route", "caller", "key", "route"];

/// The place of a route among those that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u16);

impl Place {
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Clones share the figures.
#[derive(Clone)]
pub struct Metrics(Arc<Figures>);

struct Figures {
    routes: Vec<Route>,
    refusals: [AtomicU64; Code::ALL.len()],
    limits: [AtomicU64; LIMITS.len()],
    counts: Arc<Counts>,
}

struct Route {
    method: &'static str,
    pattern: String,
    answers: [AtomicU64; CLASSES.len()],
    took: Histogram,
}

impl Route {
    fn new(method: &'static str, pattern: String) -> Self {
        Self { method, pattern, answers: Default::default(), took: Histogram::new(&LATENCIES) }
    }
}

impl Metrics {
    /// Places for these routes, and for what answers beside them; counts log-ins that the ledger hears of.
    pub fn new(routes: impl Iterator<Item = (Method, &'static str)>, ledger: &Ledger) -> Self {
        let api = routes.map(|(method, path)| Route::new(name_of(&method), format!("/api/v1{path}")));
        let beside = BESIDE.into_iter().chain([UNKNOWN]).map(|pattern| Route::new("ANY", pattern.to_owned()));
        let counts = Arc::new(Counts::default());
        ledger.tell(counts.clone());
        Self(Arc::new(Figures {
            routes: api.chain(beside).collect(),
            refusals: std::array::from_fn(|_| AtomicU64::default()),
            limits: Default::default(),
            counts,
        }))
    }

    /// Where requests on this route are counted.
    pub fn place(&self, method: &Method, path: &str) -> Option<Place> {
        let fits = |route: &Route| {
            route.method == name_of(method) && route.pattern.strip_prefix("/api/v1").is_some_and(|known| known == path)
        };
        self.0.routes.iter().position(fits).map(|index| Place(index as u16))
    }

    /// Counts an answer: at the place where a route took the request, else by how its address begins.
    pub fn answered(&self, place: Option<u16>, path: &str, status: u16, took: Duration) {
        let known = place.and_then(|place| self.0.routes.get(usize::from(place)));
        let Some(route) = known.or_else(|| self.beside(path)) else { return };
        route.answers[class(status)].fetch_add(1, Relaxed);
        route.took.observe(took.as_secs_f64(), took.as_nanos() as u64);
    }

    fn beside(&self, path: &str) -> Option<&Route> {
        let api = self.0.routes.len() - BESIDE.len() - 1;
        let found = BESIDE.iter().position(|beside| path.starts_with(beside)).unwrap_or(BESIDE.len());
        self.0.routes.get(api + found)
    }

    /// Counts an answer that refused or failed.
    pub fn refused(&self, code: Code) {
        if let Some(counter) = Code::ALL.iter().position(|known| *known == code).map(|index| &self.0.refusals[index]) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Counts a request that a limit refused.
    pub fn limited(&self, policy: &str) {
        if let Some(index) = LIMITS.iter().position(|known| *known == policy) {
            self.0.limits[index].fetch_add(1, Relaxed);
        }
    }

    /// Answers so far, and those of them that failed (5xx).
    pub fn answers(&self) -> (u64, u64) {
        let sum = |route: &Route| route.answers.iter().map(|count| count.load(Relaxed)).sum::<u64>();
        let failed = |route: &Route| route.answers[CLASSES.len() - 1].load(Relaxed);
        (self.0.routes.iter().map(sum).sum(), self.0.routes.iter().map(failed).sum())
    }

    /// Log-ins that failed so far.
    pub fn failed_log_ins(&self) -> u64 {
        self.0.counts.failed_log_ins()
    }

    /// Writes what was counted here.
    pub fn expose(&self, page: &mut Exposition) {
        page.family("portcullis_http_requests_total", Kind::Counter, "Requests by route, method and class of status.");
        for route in &self.0.routes {
            for (class, count) in CLASSES.iter().zip(&route.answers) {
                page.sample(
                    &[("method", route.method), ("route", &route.pattern), ("status", class)],
                    count.load(Relaxed),
                );
            }
        }
        page.family("portcullis_http_request_duration_seconds", Kind::Histogram, "Time to an answer, by route.");
        for route in &self.0.routes {
            page.histogram(&[("method", route.method), ("route", &route.pattern)], &route.took);
        }
        page.family("portcullis_refusals_total", Kind::Counter, "Answers that refused or failed, by their code.");
        for (code, count) in Code::ALL.iter().zip(&self.0.refusals) {
            page.sample(&[("code", code.slug())], count.load(Relaxed));
        }
        page.family("portcullis_limited_total", Kind::Counter, "Requests that a rate limit refused, by whose it is.");
        for (limit, count) in LIMITS.iter().zip(&self.0.limits) {
            page.sample(&[("limit", limit)], count.load(Relaxed));
        }
        self.0.counts.expose(page);
    }
}

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(2, 5) - 2
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "ANY",
    }
}
