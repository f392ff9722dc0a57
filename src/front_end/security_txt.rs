//! Whom to tell about a vulnerability (RFC 9116).

use crate::{clock::Clock, config::Live};
use actix_web::{HttpResponse, http::header, web::Data};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

/// Days that what it says is good for. It is written anew for each request.
const GOOD_FOR: i64 = 180;
const DAY: i64 = 86_400;

pub(super) async fn show(config: Data<Live>, clock: Data<Clock>) -> HttpResponse {
    let config = config.load();
    let Some(contact) = &config.security_txt.contact else { return HttpResponse::NotFound().finish() };
    let today = clock.now().millis() / 1000 / DAY * DAY;
    let expires = Timestamp::from_second(today).unwrap_or_default() + SignedDuration::from_secs(GOOD_FOR * DAY);
    let mut text = format!("Contact: {contact}\nExpires: {expires}\n");
    if let Some(url) = &config.server.public_url {
        let _ = writeln!(text, "Canonical: {url}/.well-known/security.txt");
    }
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "max-age=86400"))
        .content_type("text/plain; charset=utf-8")
        .body(text)
}
