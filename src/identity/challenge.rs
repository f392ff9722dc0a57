//! The work that log-in asks for after failures: a nonce such that `sha256(salt + nonce)` starts with so many zero
//! bits. The salt says itself until when and for which account it is good, so that nothing is kept of those that
//! nobody answers.

use super::{Identity, lockout::Work};
use crate::{
    clock::Time,
    error::{Error, Result},
    secrets::random_token,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// About 130,000 tries: a third of a second in a browser, and a heavy price for a list of a million passwords.
const DIFFICULTY: u32 = 17;
const LIFETIME: Duration = Duration::from_secs(120);
const LONGEST_NONCE: usize = 64;
const MAC_CHARS: usize = 32;

/// What a log-in brings to show the work was done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    salt: String,
    nonce: String,
}

impl Answer {
    fn is_worked(&self) -> bool {
        let hash = Sha256::new().chain_update(&self.salt).chain_update(&self.nonce).finalize();
        let head = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        self.nonce.len() <= LONGEST_NONCE && head.leading_zeros() >= DIFFICULTY
    }
}

impl Identity {
    /// Whether `answer` is good for this account; that it comes once is for the attempt to see.
    pub(super) fn work_of(&self, account: &str, answer: Option<Answer>) -> Work {
        let until = answer.as_ref().and_then(|answer| self.ends_at(account, &answer.salt));
        match answer {
            Some(answer) if until.is_some_and(|until| until > self.clock().now()) && answer.is_worked() => {
                Work::Done { salt: answer.salt, until: until.unwrap_or_default() }
            }
            _ => Work::Missing,
        }
    }

    /// When a salt of ours for this account ends.
    fn ends_at(&self, account: &str, salt: &str) -> Option<Time> {
        let (open, mac) = salt.rsplit_once('.')?;
        verify_slices_are_equal(mac.as_bytes(), self.mac(account, open).as_bytes()).ok()?;
        open.split_once('.')?.0.parse().ok().map(Time)
    }

    fn mac(&self, account: &str, open: &str) -> String {
        let mut mac = self.fingerprint("challenge", &format!("{account}:{open}"));
        mac.truncate(MAC_CHARS);
        mac
    }

    /// The refusal, with a challenge for the next try.
    pub(super) fn with_challenge(&self, account: &str, error: Error) -> Result<Error> {
        let until = self.clock().now().plus(LIFETIME);
        let open = format!("{}.{}", until.millis(), random_token(16)?);
        let salt = format!("{open}.{}", self.mac(account, &open));
        let challenge = json!({ "algorithm": "sha256", "salt": salt, "difficulty": DIFFICULTY, "expires_at": until });
        Ok(error.with("challenge", challenge))
    }
}
