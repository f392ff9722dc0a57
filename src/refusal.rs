//! Why a request was refused: which check said no, and what it knew. For administrators; no answer carries it.

use serde::Serialize;
use std::borrow::Cow;

/// The checks that a request goes through, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Pages of other sites.
    Origin,
    Route,
    Method,
    LimitByAddress,
    Authentication,
    Csrf,
    KillSwitch,
    LimitByCaller,
    /// One that a role asks for and that is still to be set up.
    SecondFactor,
    Permission,
    /// Whose it is, or the row rule of a permission.
    Ownership,
    /// What the action itself asks of its caller.
    Conditions,
    LoginDelay,
    Challenge,
    Credentials,
    Reauthentication,
    /// Whether the server has room for it now.
    Capacity,
}

impl Check {
    pub const ALL: [Self; 17] = [
        Self::Origin,
        Self::Route,
        Self::Method,
        Self::LimitByAddress,
        Self::Authentication,
        Self::Csrf,
        Self::KillSwitch,
        Self::LimitByCaller,
        Self::SecondFactor,
        Self::Permission,
        Self::Ownership,
        Self::Conditions,
        Self::LoginDelay,
        Self::Challenge,
        Self::Credentials,
        Self::Reauthentication,
        Self::Capacity,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Route => "route",
            Self::Method => "method",
            Self::LimitByAddress => "limit_by_address",
            Self::Authentication => "authentication",
            Self::Csrf => "csrf",
            Self::KillSwitch => "kill_switch",
            Self::LimitByCaller => "limit_by_caller",
            Self::SecondFactor => "second_factor",
            Self::Permission => "permission",
            Self::Ownership => "ownership",
            Self::Conditions => "conditions",
            Self::LoginDelay => "login_delay",
            Self::Challenge => "challenge",
            Self::Credentials => "credentials",
            Self::Reauthentication => "reauthentication",
            Self::Capacity => "capacity",
        }
    }

    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == text)
    }
}

/// The check that refused, with a sentence on why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub check: Check,
    pub detail: Cow<'static, str>,
}
