//! Errors as problem documents (RFC 9457). The only place that knows which code has which status.

use crate::{
    error::{Code, Error, Fault},
    ids::Id,
};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

/// The HTTP status of a code (RFC 9110, section 15).
pub fn status(code: Code) -> StatusCode {
    let number = match code {
        Code::MalformedJson => 400,
        Code::Unauthenticated | Code::InvalidCredentials | Code::TokenExpired | Code::MfaRequired => 401,
        Code::Forbidden | Code::CsrfFailed | Code::ReauthenticationRequired => 403,
        Code::NotFound => 404,
        Code::MethodNotAllowed => 405,
        Code::RequestTimeout => 408,
        Code::Conflict => 409,
        Code::PreconditionFailed => 412,
        Code::PayloadTooLarge => 413,
        Code::UriTooLong => 414,
        Code::UnsupportedMediaType => 415,
        Code::RangeNotSatisfiable => 416,
        Code::ValidationFailed | Code::InspectionBlocked => 422,
        Code::RateLimited | Code::LoginDelayed | Code::ChallengeRequired => 429,
        Code::HeadersTooLarge => 431,
        Code::Internal => 500,
        Code::KillSwitchActive | Code::Unavailable => 503,
        Code::StorageFull => 507,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn title(code: Code) -> &'static str {
    match code {
        Code::MalformedJson => "Malformed JSON",
        Code::Unauthenticated => "Not signed in",
        Code::InvalidCredentials => "Wrong credentials",
        Code::TokenExpired => "Token expired",
        Code::MfaRequired => "Second factor required",
        Code::Forbidden => "Not allowed",
        Code::CsrfFailed => "Request from another site",
        Code::ReauthenticationRequired => "Password needed again",
        Code::NotFound => "Not found",
        Code::MethodNotAllowed => "Method not allowed",
        Code::RequestTimeout => "Request took too long",
        Code::Conflict => "Conflict",
        Code::PreconditionFailed => "Changed meanwhile",
        Code::PayloadTooLarge => "Body too large",
        Code::UriTooLong => "Address too long",
        Code::UnsupportedMediaType => "Unsupported content type",
        Code::RangeNotSatisfiable => "No such range",
        Code::ValidationFailed => "Not valid",
        Code::InspectionBlocked => "Blocked by inspection",
        Code::RateLimited => "Too many requests",
        Code::LoginDelayed => "Log-in delayed",
        Code::ChallengeRequired => "Challenge required",
        Code::HeadersTooLarge => "Headers too large",
        Code::Internal => "Internal error",
        Code::KillSwitchActive => "Kill switch active",
        Code::Unavailable => "Unavailable",
        Code::StorageFull => "Storage full",
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<Id>,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    extra: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

/// The whole answer to an error, and the id of the decision where there was one.
pub fn render(error: &Error, path: &str, request_id: &str) -> (HttpResponse, Option<Id>) {
    let (code, status) = (error.code(), status(error.code()));
    let decision_id = matches!(status.as_u16(), 401 | 403 | 429 | 503).then(Id::new);
    let problem = Problem {
        r#type: format!("urn:portcullis:problem:{}", code.slug()),
        title: title(code),
        status: status.as_u16(),
        detail: error.detail(),
        instance: path,
        code: code.slug(),
        request_id,
        decision_id,
        errors: error.faults(),
        extra: error.extra(),
    };
    let mut answer = HttpResponse::build(status);
    answer.content_type("application/problem+json").insert_header((header::CACHE_CONTROL, "no-store"));
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"portcullis\""));
    }
    if let Some(wait) = error.wait() {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if let Some(allow) = error.extra().and_then(|extra| extra.get("allow")).and_then(|allow| allow.as_str()) {
        answer.insert_header((header::ALLOW, allow));
    }
    if let Some(size) = error.extra().and_then(|extra| extra.get("complete_length")) {
        answer.insert_header((header::CONTENT_RANGE, format!("bytes */{size}")));
    }
    (answer.body(serde_json::to_vec(&problem).unwrap_or_default()), decision_id)
}

/// The edge renders again what it sees, since only it knows the request.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        status(self.code())
    }

    fn error_response(&self) -> HttpResponse {
        render(self, "", "").0
    }
}
