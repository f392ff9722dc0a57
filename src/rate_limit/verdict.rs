//! The answer of a limit, and how it is told (draft-ietf-httpapi-ratelimit-headers).

use crate::{
    error::{Code, Error},
    refusal::Check,
};
use actix_web::http::header::{HeaderName, HeaderValue};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub(super) policy: &'static str,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Until the allowance is whole again, or until there is any.
    pub(super) reset: Duration,
    pub(super) wait: Option<Duration>,
}

impl Verdict {
    /// Whose limit it is: `public`, `login`, `caller` or `key`.
    pub fn policy(&self) -> &'static str {
        self.policy
    }

    /// How many of the limit are left, and the limit.
    pub fn left(&self) -> (u32, u32) {
        (self.remaining, self.limit)
    }

    /// The answer, when the limit is reached.
    pub fn refusal(&self) -> Option<Error> {
        let wait = self.wait?;
        let detail = format!(
            "Too many requests: the limit is {} a minute. Try again in {} s.",
            self.limit,
            wait.as_millis().div_ceil(1000).max(1)
        );
        let (check, whose) = match self.policy {
            "public" => (Check::LimitByAddress, "requests from one address without a known caller"),
            "login" => (Check::LimitByAddress, "requests from one address at the doors that check a password"),
            "key" => (Check::LimitByCaller, "requests of this API key"),
            _ => (Check::LimitByCaller, "requests of this account"),
        };
        let why = format!("The limit `{}` is used up: {} a minute for {whose}.", self.policy, self.limit);
        Some(Error::new(Code::RateLimited, detail).because(check, why).retry_after(wait))
    }

    /// `RateLimit-Policy` and `RateLimit`, for every limited response.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let Self { policy, limit, remaining, reset, .. } = self;
        let reset = reset.as_millis().div_ceil(1000);
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        [
            (HeaderName::from_static("ratelimit-policy"), value(format!("\"{policy}\";q={limit};w=60"))),
            (HeaderName::from_static("ratelimit"), value(format!("\"{policy}\";r={remaining};t={reset}"))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_in_headers() {
        let reset = Duration::from_millis(2_100);
        let mut verdict = Verdict { policy: "public", limit: 20, remaining: 0, reset, wait: Some(reset) };
        let told: Vec<String> = verdict.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        assert_eq!(told, [r#"ratelimit-policy: "\"public\";q=20;w=60""#, r#"ratelimit: "\"public\";r=0;t=3""#]);
        assert_eq!(verdict.refusal().unwrap().wait(), Some(reset));
        verdict.wait = None;
        assert!(verdict.refusal().is_none());
    }
}
