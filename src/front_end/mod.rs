//! A team's own front end: the files of `server.public_dir` at `/`, and what /.well-known/security.txt says.

mod answer;
mod path;
mod range;
mod security_txt;

use crate::{
    config::{Config, Live},
    error::{Code, Error, Result},
    kill_switch::{KillSwitch, Visit},
};
use actix_web::{
    HttpRequest, HttpResponse,
    dev::Service,
    http::{Method, header},
    middleware::Compress,
    web::{self, Data, ServiceConfig},
};
use answer::{Found, answer};
use path::{FilePath, open};
use std::sync::Arc;

/// Names below `/` that are never looked for among the files.
const OWN: [&str; 6] = ["api", "console", "docs", "health", "metrics", "openapi.json"];

/// What is asked before a file is looked for: whether the address counts against a limit.
pub type Ask = Arc<dyn Fn(&HttpRequest) -> Result<()> + Send + Sync>;

/// Mounts the files at `/`, or without any leads from there to the console.
pub fn mount(config: &mut ServiceConfig, settings: &Config, ask: Ask) {
    if settings.security_txt.contact.is_some() {
        let path = web::resource("/.well-known/security.txt").get(security_txt::show).head(security_txt::show);
        config.service(path);
    }
    if settings.server.public_dir.is_none() {
        config.service(web::resource("/").get(lead).head(lead));
        return;
    }
    let files = web::resource("/{path:.*}")
        .to(move |request: HttpRequest, config: Data<Live>, kill_switch: Data<KillSwitch>| {
            let asked = ask(&request);
            async move {
                asked?;
                show(&request, &config.load(), &kill_switch).await
            }
        })
        .wrap(Compress::default())
        .wrap_fn(|mut request, service| {
            // A part of a file is a part of its bytes as they are.
            if request.headers().contains_key(header::RANGE) {
                request.headers_mut().remove(header::ACCEPT_ENCODING);
            }
            service.call(request)
        });
    config.service(files);
}

async fn lead() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/console/")).finish()
}

async fn show(request: &HttpRequest, config: &Config, kill_switch: &KillSwitch) -> Result<HttpResponse> {
    let path = FilePath::parse(request.path())
        .filter(|path| !OWN.contains(&path.first().as_str()))
        .ok_or_else(Error::not_found)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = "GET, HEAD";
        let detail = format!("This address knows the methods {allow}.");
        return Err(Error::new(Code::MethodNotAllowed, detail).with("allow", allow));
    }
    let visit = Visit { path: "/", method: request.method(), entity_type: None, by_key: false };
    kill_switch.refuses_visit(&visit).map_or(Ok(()), Err)?;
    let folder = config.server.public_dir.clone().ok_or_else(Error::not_found)?;
    let fallback = config.server.public_fallback.clone().filter(|_| path.is_page());
    let found = web::block(move || find(&folder, &path, fallback.as_deref())).await.map_err(Error::internal)?;
    match found? {
        Some(Found::Folder) => Ok(with_slash(request)),
        Some(Found::File(file)) => answer(request, file, config.server.public_csp.as_deref()),
        None => Err(Error::not_found()),
    }
}

/// The file at the path, else the one that stands in for pages.
fn find(folder: &std::path::Path, path: &FilePath, fallback: Option<&str>) -> Result<Option<Found>> {
    let found = open(folder, path).map_err(unreadable)?;
    let stand_in = fallback.filter(|_| found.is_none()).and_then(FilePath::parse);
    match stand_in {
        Some(stand_in) => open(folder, &stand_in).map_err(unreadable),
        None => Ok(found),
    }
}

fn unreadable(cause: std::io::Error) -> Error {
    Error::internal(format!("a file of server.public_dir cannot be read: {cause}"))
}

/// Links in the page of a folder lead from the folder.
fn with_slash(request: &HttpRequest) -> HttpResponse {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish()
}
