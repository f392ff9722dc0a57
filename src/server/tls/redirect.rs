//! Plain HTTP: the way to HTTPS, and the answers that an authority asks for (RFC 8555, section 8.3).

use crate::error::{Code, Error, Result};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{KeepAlive, header},
    web::{Data, to},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// What to answer an authority, by token.
#[derive(Clone, Default)]
pub(super) struct Challenges(Arc<Mutex<HashMap<String, String>>>);

impl Challenges {
    pub fn set(&self, token: String, answer: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, answer);
    }

    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(&self, token: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

/// Answers until it is stopped.
pub(in crate::server) struct Redirect {
    pub address: SocketAddr,
    handle: ServerHandle,
}

impl Redirect {
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// Where requests are led.
struct Way {
    challenges: Challenges,
    /// Known by configuration, else taken from what is asked for.
    origin: Option<String>,
    port: u16,
}

pub(super) fn start(listen: SocketAddr, port: u16, origin: Option<&str>, challenges: Challenges) -> Result<Redirect> {
    let origin = origin.filter(|url| url.starts_with("https://")).map(str::to_owned);
    let way = Data::new(Way { challenges, origin, port });
    let server = HttpServer::new(move || App::new().app_data(way.clone()).default_service(to(lead)))
        .workers(1)
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(Duration::from_secs(1))
        .disable_signals()
        .bind(listen)
        .map_err(|cause| {
            Error::new(Code::Unavailable, format!("tls.redirect_listen: cannot listen on {listen}: {cause}"))
        })?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Redirect { address, handle })
}

async fn lead(request: HttpRequest, way: Data<Way>) -> HttpResponse {
    if let Some(token) = request.path().strip_prefix(CHALLENGES) {
        return match way.challenges.get(token) {
            Some(answer) => HttpResponse::Ok().content_type("application/octet-stream").body(answer),
            None => HttpResponse::NotFound().finish(),
        };
    }
    let Some(origin) = way.origin.clone().or_else(|| asked_for(&request, way.port)) else {
        return HttpResponse::BadRequest().finish();
    };
    let rest = request.uri().path_and_query().map_or("/", |rest| rest.as_str());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, format!("{origin}{rest}"))).finish()
}

/// The host that the request names, over HTTPS.
fn asked_for(request: &HttpRequest, port: u16) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.[]:".contains(&byte);
    let good = !name.is_empty() && name.bytes().all(is_legal);
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    good.then(|| format!("https://{name}{port}"))
}
