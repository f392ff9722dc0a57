//! Conditional requests (RFC 9110, section 13): `If-Match` and `If-None-Match` over strong entity tags.

use crate::error::{Code, Error, Result};
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use std::future::{Ready, ready};

/// The entity tag of a version as seen through a field mask (0 when nothing is masked).
pub fn etag(version: i64, mask: u64) -> String {
    if mask == 0 { format!("\"{version}\"") } else { format!("\"{version}-{mask:x}\"") }
}

/// What the caller knows already.
#[derive(Clone, Debug, Default)]
pub struct Precondition {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Precondition {
    /// Refuses a change of something that changed meanwhile: 412.
    pub fn check(&self, current: &str) -> Result<()> {
        match &self.if_match {
            Some(expected) if !lists(expected, current) => Err(changed_meanwhile()),
            _ => Ok(()),
        }
    }

    /// [`Precondition::check`] by version alone, whatever part of it the caller saw.
    pub fn check_version(&self, version: i64) -> Result<()> {
        let Some(expected) = &self.if_match else { return Ok(()) };
        let same = |tag: &str| {
            let inner = tag.trim().trim_start_matches("W/").trim_matches('"');
            inner.split('-').next().and_then(|number| number.parse().ok()) == Some(version)
        };
        let known = expected.trim() == "*" || expected.split(',').any(same);
        if known { Ok(()) } else { Err(changed_meanwhile()) }
    }

    /// [`Precondition::check`] of what is not there.
    pub fn check_absent(&self) -> Result<()> {
        if self.if_match.is_some() { Err(changed_meanwhile()) } else { Ok(()) }
    }

    /// As a header `If-Match` with this text says.
    pub fn if_match(tag: String) -> Self {
        Self { if_match: Some(tag), if_none_match: None }
    }

    /// Whether the caller has this version already: 304.
    pub fn is_known(&self, current: &str) -> bool {
        self.if_none_match.as_deref().is_some_and(|known| lists(known, current))
    }

    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

fn changed_meanwhile() -> Error {
    let detail = "It was changed since you read it. Read it again, then repeat your change.";
    Error::new(Code::PreconditionFailed, detail)
}

fn lists(tags: &str, current: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == current)
}

impl FromRequest for Precondition {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // What cannot be read matches nothing, rather than being no condition at all.
        let read = |name| {
            let lines: Vec<_> = request.headers().get_all(name).map(|value| value.to_str().unwrap_or("?")).collect();
            (!lines.is_empty()).then(|| lines.join(","))
        };
        ready(Ok(Self { if_match: read(header::IF_MATCH), if_none_match: read(header::IF_NONE_MATCH) }))
    }
}
