//! The answer of a limit, and how it is told (draft-ietf-httpapi-ratelimit-headers).

use crate::{
    error::{Code, Error},
    refusal::Check,
};
use actix_web::{
    dev::Extensions,
    http::header::{HeaderName, HeaderValue},
};
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
    /// Whose limit it is: `public`, `login`, `public_route`, `caller`, `key` or `route`.
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
            "public_route" => (Check::LimitByAddress, "requests on this route from one address without a known caller"),
            "route" => (Check::LimitByCaller, "requests of this account on this route"),
            _ => (Check::LimitByCaller, "requests of this account"),
        };
        let why = format!("The limit `{}` is used up: {} a minute for {whose}.", self.policy, self.limit);
        Some(Error::new(Code::RateLimited, detail).because(check, why).retry_after(wait))
    }
}

/// What was asked of all limits that count a request.
#[derive(Clone, Debug, Default)]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Keeps one more for the answer's headers.
    pub fn add(extensions: &mut Extensions, verdict: Verdict) {
        match extensions.get_mut::<Self>() {
            Some(verdicts) => verdicts.0.push(verdict),
            None => drop(extensions.insert(Self(vec![verdict]))),
        }
    }

    /// What a policy said.
    pub fn of(&self, policy: &str) -> Option<&Verdict> {
        self.0.iter().find(|verdict| verdict.policy == policy)
    }

    /// `RateLimit-Policy` and `RateLimit`, for every limited response: a member for each policy.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        let list = |member: &dyn Fn(&Verdict) -> String| {
            let text = self.0.iter().map(member).collect::<Vec<_>>().join(", ");
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
        };
        let policy = |verdict: &Verdict| format!("\"{}\";q={};w=60", verdict.policy, verdict.limit);
        let left = |verdict: &Verdict| {
            let reset = verdict.reset.as_millis().div_ceil(1000);
            format!("\"{}\";r={};t={reset}", verdict.policy, verdict.remaining)
        };
        [
            (HeaderName::from_static("ratelimit-policy"), list(&policy)),
            (HeaderName::from_static("ratelimit"), list(&left)),
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
        let told: Vec<String> =
            Verdicts(vec![verdict]).headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        assert_eq!(told, [r#"ratelimit-policy: "\"public\";q=20;w=60""#, r#"ratelimit: "\"public\";r=0;t=3""#]);
        assert_eq!(verdict.refusal().unwrap().wait(), Some(reset));
        let route = Verdict { policy: "route", limit: 3, remaining: 2, reset: Duration::from_secs(20), wait: None };
        let [policies, left] = Verdicts(vec![verdict, route]).headers();
        assert_eq!(policies.1, r#""public";q=20;w=60, "route";q=3;w=60"#);
        assert_eq!(left.1, r#""public";r=0;t=3, "route";r=2;t=20"#);
        verdict.wait = None;
        assert!(verdict.refusal().is_none());
    }
}
