//! A key as it is kept, shown, made and changed.

use crate::{
    access::RateLimit,
    clock::Time,
    error::Faults,
    ids::Id,
    permit::Permission,
    secrets::random_token,
    web::{Body, nullable},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How every key begins, so that scanners find one that leaked.
const MARK: &str = "ptk_";
const SECRET_BYTES: usize = 32;
/// `ptk_` and 32 bytes as base64url.
const CHARS: usize = MARK.len() + 43;
/// What is shown of a secret: the mark and 8 characters.
const PREFIX_CHARS: usize = MARK.len() + 8;
const NAME_CHARS: usize = 100;
const MOST_SCOPES: usize = 200;
const LONGEST_OVERLAP_MINUTES: u32 = 7 * 24 * 60;

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ApiKey {
    pub id: Id,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<Permission>,
    pub owner_id: Id,
    pub owner_email: String,
    pub rate_limit: Option<RateLimit>,
    pub expires_at: Option<Time>,
    pub last_used_at: Option<Time>,
    /// Until when the secret before the last rotation works, or worked.
    pub overlap_ends_at: Option<Time>,
    pub created_at: Time,
    pub created_by: Option<Id>,
    pub updated_at: Time,
    #[serde(skip)]
    pub version: i64,
}

/// What a key is presented with; it is shown once.
#[derive(Clone)]
pub(super) struct Secret(pub String);

impl Secret {
    pub fn new() -> crate::error::Result<Self> {
        Ok(Self(format!("{MARK}{}", random_token(SECRET_BYTES)?)))
    }

    pub fn prefix(&self) -> String {
        self.0[..PREFIX_CHARS].to_owned()
    }
}

/// Whether a text means to be a key.
pub(in crate::identity) fn is_marked(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Whether a text can be a key, before anything is looked up.
pub(in crate::identity) fn looks_like_one(text: &str) -> bool {
    text.len() == CHARS && text.starts_with(MARK)
}

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct NewKey {
    pub name: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<Time>,
    /// The caller, unless said.
    pub owner_id: Option<Id>,
    pub rate_limit: Option<RateLimit>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct KeyChange {
    pub name: Option<String>,
    /// Absent: stays. Null: never.
    #[serde(default, deserialize_with = "nullable")]
    pub expires_at: Option<Option<Time>>,
    /// Absent: stays. Null: only the owner's limit.
    #[serde(default, deserialize_with = "nullable")]
    pub rate_limit: Option<Option<RateLimit>>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct Rotation {
    /// How long the old secret goes on working; it ends at once unless said.
    pub overlap_minutes: Option<u32>,
}

impl Rotation {
    pub(super) fn overlap(&self) -> Duration {
        Duration::from_secs(u64::from(self.overlap_minutes.unwrap_or(0)) * 60)
    }
}

impl Body for NewKey {
    fn check(&self, faults: &mut Faults) {
        check_name(&self.name, faults);
        check_limit(self.rate_limit, faults);
        if self.scopes.len() > MOST_SCOPES {
            faults.push("/scopes", "too_many", format!("A key has at most {MOST_SCOPES} scopes."));
            return;
        }
        for (index, text) in self.scopes.iter().enumerate() {
            if let Err(why) = text.parse::<Permission>() {
                faults.push(format!("/scopes/{index}"), "invalid", format!("`{text}` is not a permission: {why}."));
            }
        }
    }
}

impl NewKey {
    pub(super) fn scopes(&self) -> Vec<Permission> {
        let mut scopes: Vec<Permission> = Vec::with_capacity(self.scopes.len());
        for scope in self.scopes.iter().filter_map(|text| text.parse().ok()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}

impl Body for KeyChange {
    fn check(&self, faults: &mut Faults) {
        if let Some(name) = &self.name {
            check_name(name, faults);
        }
        check_limit(self.rate_limit.flatten(), faults);
    }
}

impl Body for Rotation {
    fn check(&self, faults: &mut Faults) {
        if self.overlap_minutes.is_some_and(|minutes| minutes > LONGEST_OVERLAP_MINUTES) {
            let message = format!("The overlap is at most {LONGEST_OVERLAP_MINUTES} minutes, which is a week.");
            faults.push("/overlap_minutes", "out_of_range", message);
        }
    }
}

fn check_name(name: &str, faults: &mut Faults) {
    if name.trim().is_empty() {
        faults.push("/name", "required", "Give the key a name that says what uses it.");
    } else if name.chars().count() > NAME_CHARS {
        faults.push("/name", "too_long", format!("A name has at most {NAME_CHARS} characters."));
    }
}

fn check_limit(limit: Option<RateLimit>, faults: &mut Faults) {
    if limit.is_some_and(|limit| limit.per_minute == 0) {
        faults.push("/rate_limit/per_minute", "out_of_range", "A limit is at least 1 a minute; leave it out for none.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert!(looks_like_one(&one.0) && one.0 != other.0);
        assert!(one.0.starts_with(&one.prefix()) && one.prefix().len() == 12);
        for bad in ["", "ptk_", &one.0[1..], &format!("{}x", one.0), &one.0.replace("ptk_", "ptx_")] {
            assert!(!looks_like_one(bad), "{bad}");
        }
    }
}
