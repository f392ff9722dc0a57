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
use std::{net::IpAddr, time::Duration};

/// About 130,000 tries: a third of a second in a browser, and a heavy price for a list of a million passwords.
const DIFFICULTY: u32 = 17;
/// For a network that tries many accounts: eight times as much.
const HARDER: u32 = 20;
const LIFETIME: Duration = Duration::from_secs(120);
const LONGEST_NONCE: usize = 64;
const MAC_CHARS: usize = 32;

/// What a log-in brings to show the work was done.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    salt: String,
    nonce: String,
}

impl Answer {
    fn is_worked(&self, difficulty: u32) -> bool {
        let hash = Sha256::new().chain_update(&self.salt).chain_update(&self.nonce).finalize();
        let head = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        self.nonce.len() <= LONGEST_NONCE && head.leading_zeros() >= difficulty
    }
}

impl Identity {
    /// Whether `answer` is good for this account, and hard enough for where it comes from; that it comes once is for
    /// the attempt to see.
    pub(super) fn work_of(&self, account: &str, ip: Option<IpAddr>, answer: Option<Answer>) -> Result<Work> {
        let Some(answer) = answer else { return Ok(Work::Missing) };
        let asked = self.difficulty(ip)?;
        let difficulty = [HARDER, DIFFICULTY].into_iter().filter(|difficulty| *difficulty >= asked);
        let good =
            difficulty.filter_map(|difficulty| Some((difficulty, self.ends_at(account, difficulty, &answer.salt)?)));
        let now = self.clock().now();
        let until = good
            .filter(|(difficulty, until)| *until > now && answer.is_worked(*difficulty))
            .map(|(_, until)| until)
            .next();
        Ok(until.map_or(Work::Missing, |until| Work::Done { salt: answer.salt, until }))
    }

    fn difficulty(&self, ip: Option<IpAddr>) -> Result<u32> {
        Ok(if self.lockout.is_spraying(ip)? { HARDER } else { DIFFICULTY })
    }

    /// When a salt of ours for this account and difficulty ends.
    fn ends_at(&self, account: &str, difficulty: u32, salt: &str) -> Option<Time> {
        let (open, mac) = salt.rsplit_once('.')?;
        verify_slices_are_equal(mac.as_bytes(), self.mac(account, difficulty, open).as_bytes()).ok()?;
        open.split_once('.')?.0.parse().ok().map(Time)
    }

    fn mac(&self, account: &str, difficulty: u32, open: &str) -> String {
        let mut mac = self.fingerprint("challenge", &format!("{account}:{difficulty}:{open}"));
        mac.truncate(MAC_CHARS);
        mac
    }

    /// The refusal, with a challenge for the next try.
    pub(super) fn with_challenge(&self, account: &str, ip: Option<IpAddr>, error: Error) -> Result<Error> {
        let until = self.clock().now().plus(LIFETIME);
        let difficulty = self.difficulty(ip)?;
        let open = format!("{}.{}", until.millis(), random_token(16)?);
        let salt = format!("{open}.{}", self.mac(account, difficulty, &open));
        let challenge = json!({ "algorithm": "sha256", "salt": salt, "difficulty": difficulty, "expires_at": until });
        Ok(error.with("challenge", challenge))
    }
}
