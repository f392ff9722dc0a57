//! `Idempotency-Key` on POST: the first answer is given again for a day, to the same caller on the same route.

use super::App;
use crate::{
    audit::{Keyed, KeyedOutcome as Outcome, Ledger, keyed_clean, under_way},
    data::entity_types::EntityTypes,
    error::{Code, Error, Fault, Result},
    jobs::Engine,
    permit::{Caller, Need, Route},
    secrets::Keyring,
    web::read_body,
};
use actix_http::h1;
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, to_bytes},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const CLEAN: &str = "idempotency.clean";
const CLEAN_EVERY: Duration = Duration::from_secs(3600);
const HEADER: &str = "idempotency-key";
const REPLAYED: header::HeaderName = header::HeaderName::from_static("idempotency-replayed");
/// Characters of a key, at most.
const LENGTH: usize = 255;
/// Headers of an answer that belong to it.
const HEADERS: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];
/// Nouns whose answers are secrets, or depend on more than the request.
const NEVER: [&str; 3] = ["auth", "api-keys", "setup"];

/// Knows the keys of the requests that run now. Clones share them.
#[derive(Clone)]
pub struct Idempotency {
    ledger: Ledger,
    keyring: Keyring,
    types: EntityTypes,
    running: Arc<Mutex<HashSet<String>>>,
}

/// How a request goes on.
pub enum Turn {
    /// It has no key.
    Plain,
    /// It is the first with its key.
    First(Running),
    /// It was answered before.
    Again(HttpResponse),
}

/// The key is this request's own until it is dropped.
pub struct Running {
    pub keyed: Keyed,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(self.keyed.key());
    }
}

/// Whether the route is one whose first answer can be given again.
pub(super) fn takes_key(route: &Route) -> bool {
    route.method == Method::POST
        && !NEVER.contains(&route.noun())
        && !route.path.ends_with("/presign")
        && !route.streams
}

impl Idempotency {
    pub fn new(ledger: Ledger, keyring: Keyring, types: EntityTypes) -> Self {
        Self { ledger, keyring, types, running: Arc::default() }
    }

    /// Looks at the key of a request whose caller was let in. Whoever lacks the right is left to the refusal.
    pub async fn begin(&self, request: &mut ServiceRequest, route: &Route, caller: &Caller) -> Result<Turn> {
        if route.method != Method::POST || !request.headers().contains_key(HEADER) || !may(request, route, caller) {
            return Ok(Turn::Plain);
        }
        let key = key_of(request.request())?.to_owned();
        let Some(principal) = &caller.principal else { return Err(refused("only known callers can repeat a request")) };
        if !takes_key(route) {
            return Err(refused("what this address answers is not kept"));
        }
        let payload = request.take_payload();
        let body = read_body(request.request(), payload).await?.freeze();
        let (_, mut again) = h1::Payload::create(true);
        again.unread_data(body.clone());
        request.set_payload(Payload::from(again));
        let by_key = principal.key.as_ref().map(|key| key.id.to_string()).unwrap_or_default();
        let segments = request.match_info();
        let path = segments.iter().flat_map(|(name, value)| [name, value]);
        let path: Vec<&str> = [route.path].into_iter().chain(path).collect();
        let user = principal.user_id.to_string();
        let whose = self.digest(["key", &user, &by_key, &key].into_iter().chain(path).map(str::as_bytes));
        let asked = self.digest([b"request", request.query_string().as_bytes(), &body[..]].into_iter());
        let rights = self.rights(caller);
        let keyed = Keyed::new(self.keyring.clone(), whose, asked, rights);
        if !self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(keyed.key().to_owned()) {
            return Err(under_way());
        }
        let running = Running { keyed, all: self.running.clone() };
        let now = self.ledger.clock().now();
        let found = self.ledger.db().read(|reader| running.keyed.find(reader, now))?;
        Ok(found.map_or(Turn::First(running), |outcome| Turn::Again(again_as(outcome))))
    }

    fn digest<'b>(&self, parts: impl Iterator<Item = &'b [u8]>) -> String {
        let mut all = b"idempotency".to_vec();
        for part in parts {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        }
        hex::encode(self.keyring.fingerprint(&all))
    }

    /// What the answer depends on beside the request: what the caller holds, and what types hide.
    fn rights(&self, caller: &Caller) -> String {
        let held = format!("{:?}", caller.grants());
        let types: Vec<_> = self.types.all().iter().map(|kind| (kind.id, kind.version)).collect();
        self.digest([held.as_bytes(), format!("{types:?}").as_bytes()].into_iter())
    }

    /// Keeps the answer of a first request before it goes out.
    pub async fn end(&self, running: Running, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        if let Some(error) = response.response().error() {
            if let Some(outcome) = error.as_error::<Error>().and_then(refusal) {
                self.keep(&running, outcome).await;
            }
            return response;
        }
        if !response.status().is_success() || running.keyed.is_answered() {
            return response;
        }
        let (request, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let Ok(body) = to_bytes(body).await else {
            return ServiceResponse::new(
                request,
                HttpResponse::from_error(Error::internal("an answer without its body")),
            );
        };
        if let Ok(text) = String::from_utf8(body.to_vec()) {
            let header = |name: &header::HeaderName| {
                Some((name.to_string(), head.headers().get(name)?.to_str().ok()?.to_owned()))
            };
            let headers = HEADERS.iter().filter_map(header).collect();
            self.keep(&running, Outcome::Answered { status: head.status().as_u16(), headers, body: text }).await;
        }
        ServiceResponse::new(request, head.set_body(BoxBody::new(body)))
    }

    /// The change is remembered already where there was one, so a failure here loses no more than its exact answer.
    async fn keep(&self, running: &Running, outcome: Outcome) {
        let (keyed, now) = (running.keyed.clone(), self.ledger.clock().now());
        let kept =
            self.ledger.unrecorded("the answer to a request with a key", move |tx| keyed.keep(tx, now, &outcome, &[]));
        if let Err(error) = kept.await {
            tracing::warn!(?error, "the answer to a request with a key could not be kept");
        }
    }
}

/// Registers the clean-up with `engine`.
pub fn keep_house(app: &App, engine: &mut Engine) {
    let (ledger, reason) = (app.ledger.clone(), "answers that are no longer given again are removed");
    engine.register_blocking(CLEAN, move |_: serde_json::Value, _| {
        let now = ledger.clock().now();
        ledger.unrecorded_blocking(reason, move |tx| keyed_clean(tx, now).map(drop))
    });
    engine.schedule(CLEAN, CLEAN_EVERY);
}

fn may(request: &ServiceRequest, route: &Route, caller: &Caller) -> bool {
    match route.need {
        Need::Permission { resource, action } => {
            caller.grants().reach(resource, request.match_info().get("type"), action).is_some()
        }
        _ => true,
    }
}

fn refused(why: &str) -> Error {
    Error::invalid_at("/Idempotency-Key", "not_available", format!("Send no Idempotency-Key here: {why}."))
}

fn key_of(request: &HttpRequest) -> Result<&str> {
    let mut all = request.headers().get_all(HEADER);
    let key = all.next().and_then(|key| key.to_str().ok()).filter(|_| all.next().is_none());
    let good = |key: &&str| (1..=LENGTH).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    key.filter(good).ok_or_else(|| {
        let message = format!("A key is one text of 1 to {LENGTH} visible ASCII characters.");
        Error::invalid_at("/Idempotency-Key", "invalid", message)
    })
}

/// What handlers refuse because of how things stand. What is wrong with the request itself is not kept, so that it
/// can be put right under the same key.
fn refusal(error: &Error) -> Option<Outcome> {
    if !matches!(error.code(), Code::NotFound | Code::Conflict | Code::PreconditionFailed) {
        return None;
    }
    let told = |fault: &Fault| (fault.pointer.clone(), fault.code.to_string(), fault.message.clone());
    Some(Outcome::Refused {
        status: error.status_code().as_u16(),
        detail: error.detail().to_owned(),
        faults: error.faults().iter().map(told).collect(),
        extra: error.extra().cloned(),
    })
}

fn again_as(outcome: Outcome) -> HttpResponse {
    let mut response = match outcome {
        Outcome::Done { made, ids } => {
            let status = if made { StatusCode::CREATED } else { StatusCode::OK };
            HttpResponse::build(status).json(Outcome::changed(&ids))
        }
        Outcome::Answered { status, headers, body } => {
            let mut answer = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
            for header in headers {
                answer.insert_header(header);
            }
            answer.body(body)
        }
        Outcome::Refused { status, detail, faults, extra } => {
            let code = match status {
                404 => Code::NotFound,
                412 => Code::PreconditionFailed,
                _ => Code::Conflict,
            };
            let faults =
                faults.into_iter().map(|(pointer, code, message)| Fault { pointer, code: code.into(), message });
            let error = Error::refused(code, detail, faults.collect());
            let error = extra.into_iter().flatten().fold(error, |error, (name, value)| error.with(&name, value));
            HttpResponse::from_error(error)
        }
    };
    response.headers_mut().insert(REPLAYED, header::HeaderValue::from_static("true"));
    response
}
