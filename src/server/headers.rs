//! The headers that every answer carries, errors and files included.

use crate::{config::Config, web::RequestInfo};
use actix_web::{
    body::BoxBody,
    dev::ServiceResponse,
    http::header::{self, HeaderName, HeaderValue},
};

const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Built once, cloned cheaply.
pub struct Standing {
    fixed: Vec<(HeaderName, HeaderValue)>,
    sunset: Option<HeaderValue>,
}

impl Standing {
    pub fn new(config: &Config) -> Self {
        let fixed = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-xss-protection", "0"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ];
        let fixed = fixed.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let sunset = config.server.sunset.as_ref().and_then(|date| HeaderValue::from_str(&http_date(*date)).ok());
        Self { fixed: fixed.into(), sunset }
    }

    pub fn apply(&self, response: &mut ServiceResponse<BoxBody>, info: &RequestInfo, path: &str) {
        let headers = response.headers_mut();
        for (name, value) in &self.fixed {
            headers.insert(name.clone(), value.clone());
        }
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(API_POLICY));
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Ok(id) = HeaderValue::from_str(&info.id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        if info.unversioned {
            self.deprecate(headers, path);
        }
    }

    /// RFC 9745 (`Deprecation`), RFC 8594 (`Sunset`) and RFC 8288 (`Link`).
    fn deprecate(&self, headers: &mut header::HeaderMap, path: &str) {
        headers.insert(HeaderName::from_static("deprecation"), HeaderValue::from_static("@1767225600"));
        if let Some(sunset) = &self.sunset {
            headers.insert(HeaderName::from_static("sunset"), sunset.clone());
        }
        let rest = path.strip_prefix("/api/").unwrap_or_default();
        if let Ok(link) = HeaderValue::from_str(&format!("</api/v1/{rest}>; rel=\"successor-version\"")) {
            headers.append(header::LINK, link);
        }
    }
}

fn http_date(date: jiff::civil::Date) -> String {
    date.strftime("%a, %d %b %Y 00:00:00 GMT").to_string()
}
