//! Keys and rotations as callers see them. A secret is in none of them.

use crate::{
    clock::Time,
    error::Faults,
    identity::Password,
    secrets::{KeyFacts, Purpose, UNTIL_UNUSED},
    web::{Body, LONGEST_REASON},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);
/// The longest that an access token can be made to live, and the leeway of its end.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600 + 60);

/// The keys that can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What access tokens are signed with.
    Jwt,
    /// What is encrypted in the database.
    Fields,
    /// What presigned addresses are signed with.
    Presign,
    /// What the secrets of webhooks are encrypted with.
    Webhooks,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Jwt, Self::Fields, Self::Presign, Self::Webhooks];

    pub fn purpose(self) -> Purpose {
        match self {
            Self::Jwt => Purpose::Jwt,
            Self::Fields => Purpose::Fields,
            Self::Presign => Purpose::Presign,
            Self::Webhooks => Purpose::Webhooks,
        }
    }

    pub fn of(purpose: Purpose) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.purpose() == purpose)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        self.purpose().as_str()
    }

    /// Whether values in the database are sealed with it, so that a key can go only when none is left.
    pub fn seals(self) -> bool {
        matches!(self, Self::Fields | Self::Webhooks)
    }

    /// Until when the key before still verifies or decrypts; none: it is gone at once.
    pub fn retiring(self, now: Time, emergency: bool) -> Option<Time> {
        match self {
            Self::Fields | Self::Webhooks => Some(UNTIL_UNUSED),
            Self::Jwt | Self::Presign if emergency => None,
            Self::Jwt => Some(now.plus(LONGEST_TOKEN)),
            Self::Presign => Some(now.plus(HOUR)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Current,
    /// It verifies or decrypts and does nothing new.
    Retiring,
}

/// A key, without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct SecretKey {
    pub id: Arc<str>,
    pub kind: Purpose,
    pub state: State,
    pub created_at: Time,
    pub age_days: u64,
    /// Exact to a minute.
    pub last_used_at: Option<Time>,
    /// When a retiring key is removed; none where it goes once nothing is sealed with it.
    pub retires_at: Option<Time>,
    /// How many values in the database are sealed with it, of a kind that seals.
    pub sealed: Option<i64>,
    /// Whether it can be rotated.
    pub rotatable: bool,
}

impl SecretKey {
    pub fn new(facts: KeyFacts, sealed: Option<i64>, now: Time) -> Self {
        Self {
            id: facts.id,
            kind: facts.purpose,
            state: if facts.retiring_until.is_some() { State::Retiring } else { State::Current },
            created_at: facts.created_at,
            age_days: now.since(facts.created_at).as_secs() / 86_400,
            last_used_at: facts.last_used_at,
            retires_at: facts.retiring_until.filter(|end| *end != UNTIL_UNUSED),
            sealed,
            rotatable: Kind::of(facts.purpose).is_some(),
        }
    }
}

/// A wish for a new key.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct Rotate {
    /// The key before is known to somebody: nothing it signed counts any more, and nobody stays signed in.
    pub emergency: Option<bool>,
    pub reason: Option<String>,
    pub password: Option<Password>,
}

impl Body for Rotate {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        let reason = self.reason.as_deref().map_or("", str::trim);
        if reason.is_empty() {
            faults.push("/reason", "required", "Say why; the audit log keeps it.");
        }
        if reason.chars().count() > LONGEST_REASON {
            faults.push("/reason", "too_long", format!("A reason has at most {LONGEST_REASON} characters."));
        }
    }
}

/// What a rotation did.
#[derive(Clone, Debug, Serialize)]
pub struct Rotation {
    pub kind: Kind,
    /// The key that is current now.
    pub id: Arc<str>,
    /// The key that was.
    pub replaced: Arc<str>,
    pub emergency: bool,
    /// Until when the key before verifies; none where it is gone, or goes once nothing is sealed with it.
    pub retires_at: Option<Time>,
    pub sessions_ended: usize,
}
