//! Why a call was not made, or did not come to an end.

use crate::error::{Code, Error};
use std::{error::Error as StdError, fmt};

/// A host that must not be called, in a sentence for whoever named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refused {}

/// A call that failed before there was an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Refused(Refused),
    Unresolved(String),
    /// Nobody took the connection, or its certificate is not to be trusted.
    Connect(String),
    TimedOut,
    /// The connection broke, or what came was not HTTP.
    Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Unresolved(host) => write!(f, "{host} could not be resolved to an address."),
            Self::Connect(why) => write!(f, "No connection could be made: {why}."),
            Self::TimedOut => f.write_str("There was no answer in time."),
            Self::Broken => f.write_str("The connection ended without an answer that is HTTP."),
        }
    }
}

impl StdError for Failure {}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(Code::Unavailable, failure.to_string())
    }
}

/// What the sources of an error of the HTTP client say.
pub(super) fn told(error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    let mut last = None;
    while let Some(cause) = source {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.clone();
        }
        last = Some(cause);
        source = cause.source();
    }
    match last {
        _ if error.is_timeout() => Failure::TimedOut,
        Some(cause) if error.is_connect() => Failure::Connect(cause.to_string()),
        _ => Failure::Broken,
    }
}
