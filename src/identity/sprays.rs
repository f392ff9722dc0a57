//! Guesses that are spread over accounts: one password tried on many from one network, and stolen lists of which each
//! account is tried once, from many networks. They make log-in dearer for that network, or for everybody for a
//! while; no account is locked by them, and whoever knows the password gets in.

use super::lockout::FORGOTTEN_AFTER;
use crate::{clock::Time, error::Result, params, storage::Reader};
use std::time::Duration;

/// Accounts at which one network fails before it counts as spraying.
pub(super) const ACCOUNTS: i64 = 10;
/// Accounts and networks that fail within [`LATELY`] before everybody shows work.
const OVERALL: i64 = 200;
const LATELY: Duration = Duration::from_secs(600);

/// Whether `network` failed at many accounts within a day.
pub(super) fn comes_from(reader: &Reader<'_>, network: &str, now: Time) -> Result<bool> {
    let counted: Option<i64> = reader.query_one(
        "SELECT count(*) FROM
         (SELECT 1 FROM login_attempts WHERE network = ?1 AND failed > 0 AND last_at > ?2 LIMIT ?3) AS some",
        params![network, now.minus(FORGOTTEN_AFTER), ACCOUNTS],
        |row| row.get(0),
    )?;
    Ok(counted.unwrap_or(0) >= ACCOUNTS)
}

/// Whether so many log-ins fail lately, wherever they come from, that a list is being tried.
pub(super) fn is_under_way(reader: &Reader<'_>, now: Time) -> Result<bool> {
    let counted: Option<i64> = reader.query_one(
        "SELECT count(*) FROM
         (SELECT 1 FROM login_attempts WHERE last_at > ?1 AND failed > 0 LIMIT ?2) AS some",
        params![now.minus(LATELY), OVERALL],
        |row| row.get(0),
    )?;
    Ok(counted.unwrap_or(0) >= OVERALL)
}

/// What a failed attempt was part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spray {
    Network,
    Overall,
}

impl Spray {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "one network, many accounts",
            Self::Overall => "many networks, many accounts",
        }
    }
}
