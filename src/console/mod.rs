//! The web console, embedded in the binary: pages, style sheet, modules. No build step.

use crate::{
    error::{Error, Result},
    mail::Mailer,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    middleware::Compress,
    web::{self, Data, ServiceConfig},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, sync::LazyLock};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Assets;

const CONTENT_POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
    form-action 'self'; img-src 'self' data: blob:";

/// The style sheet: its parts in order, as one answer.
static STYLES: LazyLock<Asset> = LazyLock::new(|| {
    let parts = ["css/tokens.css", "css/layout.css", "css/parts.css"];
    let files = parts.iter().filter_map(|part| Assets::get(part));
    let bytes: Vec<u8> = files.flat_map(|file| file.data.into_owned()).collect();
    Asset { tag: tag(&Sha256::digest(&bytes)), bytes: Cow::Owned(bytes), kind: "text/css; charset=utf-8" }
});

struct Asset {
    bytes: Cow<'static, [u8]>,
    tag: String,
    kind: &'static str,
}

/// Weak, since the same file is served compressed and plain.
fn tag(hash: &[u8]) -> String {
    format!("W/\"{}\"", hex::encode(&hash[..16]))
}

impl Asset {
    fn find(path: &str) -> Option<Self> {
        let EmbeddedFile { data, metadata } = Assets::get(path)?;
        let kind = match path.rsplit('.').next()? {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => return None,
        };
        Some(Self { bytes: data, tag: tag(&metadata.sha256_hash()), kind })
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let fresh = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == self.tag));
        let mut answer = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer
            .insert_header((header::ETAG, self.tag.clone()))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_POLICY));
        if fresh { answer.finish() } else { answer.content_type(self.kind).body(self.bytes.to_vec()) }
    }
}

/// Mounts the console at `/console/`.
pub fn mount(config: &mut ServiceConfig) {
    let files = web::resource("/{path:.*}").get(serve).head(serve);
    config
        .service(web::resource("/console").get(lead).head(lead))
        .service(web::scope("/console").wrap(Compress::default()).service(files));
}

async fn lead() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/console/")).finish()
}

/// The document of the API as a page to read.
pub fn documentation(request: &HttpRequest) -> Result<HttpResponse> {
    Asset::find("docs.html").map(|asset| asset.answer(request)).ok_or_else(Error::not_found)
}

async fn serve(request: HttpRequest) -> Result<HttpResponse> {
    let path = request.match_info().get("path").unwrap_or_default();
    if path == "app.css" {
        return Ok(STYLES.answer(&request));
    }
    let file = if path.starts_with("js/") || path == "favicon.svg" {
        path
    } else if is_page(path) {
        "index.html"
    } else {
        return Err(Error::not_found());
    };
    let mails = request.app_data::<Data<Mailer>>().is_some_and(|mailer| mailer.is_configured());
    let asset = if file == "index.html" && mails { Some(with_mail()) } else { Asset::find(file) };
    asset.map(|asset| asset.answer(&request)).ok_or_else(Error::not_found)
}

/// The page with a mark for the modules that mail is sent here, so that they need not ask.
fn with_mail() -> Asset {
    let page = Assets::get("index.html").map(|file| file.data.into_owned()).unwrap_or_default();
    let bytes = String::from_utf8_lossy(&page).replacen("<html ", "<html data-mail ", 1).into_bytes();
    Asset { tag: tag(&Sha256::digest(&bytes)), bytes: Cow::Owned(bytes), kind: "text/html; charset=utf-8" }
}

/// A page is what has a module of its own under `js/pages`.
fn is_page(path: &str) -> bool {
    let page = path.split('/').next().unwrap_or_default();
    path.is_empty() || (!page.contains('.') && Assets::get(&format!("js/pages/{page}.js")).is_some())
}
