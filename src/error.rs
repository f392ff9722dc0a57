//! One error for the whole program: a stable code, a safe sentence, where it was, and a cause
//! that only the log sees. HTTP appears once, in `web::problem`.

use crate::refusal::{Check, Reason};
use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable slugs of problem documents (RFC 9457, member `code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    MalformedJson,
    Unauthenticated,
    InvalidCredentials,
    TokenExpired,
    MfaRequired,
    Forbidden,
    CsrfFailed,
    ReauthenticationRequired,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    PreconditionFailed,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    ValidationFailed,
    InspectionBlocked,
    RateLimited,
    LoginDelayed,
    ChallengeRequired,
    HeadersTooLarge,
    Internal,
    KillSwitchActive,
    Unavailable,
    StorageFull,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 26] = [
        Self::MalformedJson,
        Self::Unauthenticated,
        Self::InvalidCredentials,
        Self::TokenExpired,
        Self::MfaRequired,
        Self::Forbidden,
        Self::CsrfFailed,
        Self::ReauthenticationRequired,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::InspectionBlocked,
        Self::RateLimited,
        Self::LoginDelayed,
        Self::ChallengeRequired,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::KillSwitchActive,
        Self::Unavailable,
        Self::StorageFull,
    ];

    pub fn slug(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidCredentials => "invalid_credentials",
            Self::TokenExpired => "token_expired",
            Self::MfaRequired => "mfa_required",
            Self::Forbidden => "forbidden",
            Self::CsrfFailed => "csrf_failed",
            Self::ReauthenticationRequired => "reauthentication_required",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::ValidationFailed => "validation_failed",
            Self::InspectionBlocked => "inspection_blocked",
            Self::RateLimited => "rate_limited",
            Self::LoginDelayed => "login_delayed",
            Self::ChallengeRequired => "challenge_required",
            Self::HeadersTooLarge => "headers_too_large",
            Self::Internal => "internal",
            Self::KillSwitchActive => "kill_switch_active",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
        }
    }
}

/// One thing that is wrong in a request: where (RFC 6901 pointer, or a parameter's name), what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    pub pointer: String,
    pub code: Cow<'static, str>,
    pub message: String,
}

/// Faults that one answer names, and characters of each text in them, at most: an answer must not outgrow what it
/// answers to.
const NAMED: usize = 100;
const CHARACTERS: usize = 1000;

/// Collects faults, so that a caller hears of all of them at once, or of the first hundred.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn push(&mut self, pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        if self.0.len() < NAMED {
            let (pointer, message) = (shortened(pointer.into()), shortened(message.into()));
            self.0.push(Fault { pointer, code: code.into(), message });
        }
    }

    /// Whether further faults would not be named.
    pub fn is_full(&self) -> bool {
        self.0.len() >= NAMED
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_inner(self) -> Vec<Fault> {
        self.0
    }

    /// `Ok` when nothing was wrong, else one `validation_failed` that names everything.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self.0)) }
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    retry_after: Option<Duration>,
    extra: Option<serde_json::Map<String, serde_json::Value>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    reason: Option<Reason>,
}

impl Error {
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            retry_after: None,
            extra: None,
            source: None,
            reason: None,
        }))
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here, or nothing you may know of.")
    }

    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, detail)
    }

    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail: Cow<'static, str> = match faults.as_slice() {
            [one] => one.message.clone().into(),
            many => format!("{} values are not valid; see errors.", many.len()).into(),
        };
        let mut error = Self::new(Code::ValidationFailed, detail);
        error.0.faults = faults;
        error
    }

    /// One fault, where there can only be one.
    pub fn invalid_at(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::invalid(vec![Fault { pointer: pointer.into(), code: code.into(), message: message.into() }])
    }

    /// A refusal of its own kind that names places.
    pub fn refused(code: Code, detail: impl Into<Cow<'static, str>>, faults: Vec<Fault>) -> Self {
        let mut error = Self::new(code, detail);
        error.0.faults = faults;
        error
    }

    /// Something that should not happen. The cause goes to the log alone.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side. The log has it under this request id.")
            .caused_by(cause)
    }

    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// The same error as one of a part of a greater request that stands at `place`.
    pub fn within(mut self, place: &str) -> Self {
        if self.0.faults.is_empty() {
            let (code, message) = (self.0.code.slug().into(), self.0.detail.clone().into_owned());
            self.0.faults.push(Fault { pointer: place.to_owned(), code, message });
            return self;
        }
        for fault in &mut self.0.faults {
            fault.pointer.insert_str(0, place);
        }
        self
    }

    /// Says which check refused and why, for administrators alone.
    pub fn because(mut self, check: Check, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.reason = Some(Reason { check, detail: detail.into() });
        self
    }

    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// A further member of the problem document (RFC 9457, section 3.2).
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.extra.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub fn extra(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.0.extra.as_ref()
    }

    pub fn reason(&self) -> Option<&Reason> {
        self.0.reason.as_ref()
    }

    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)?;
        if self.0.faults.len() > 1 {
            for fault in &self.0.faults {
                write!(f, "\n  {}: {}", fault.pointer, fault.message)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.code.slug())?;
        match &self.0.source {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}
