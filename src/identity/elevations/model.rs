//! What an elevation is, and what somebody sends to start and to review one.

use crate::{
    clock::Time,
    error::Faults,
    identity::Password,
    ids::Id,
    permit::{Action, Grants},
    web::Body,
};
use serde::{Deserialize, Serialize};

pub(super) const RESOURCE: &str = "elevations";
pub(super) const MOST_MINUTES: u32 = 60;
const MINUTES: u32 = 15;
const LONGEST_TEXT: usize = 500;
/// A reason is a sentence that a reviewer can check, not a key held down.
const LEAST_WORDS: usize = 2;

/// Whether somebody with these grants may break the glass.
pub(in crate::identity) fn may_elevate(grants: &Grants) -> bool {
    grants.reach(RESOURCE, None, Action::Create).is_some()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active,
    Ended,
}

/// Why an elevation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Expired,
    /// Somebody ended it.
    Ended,
    SessionEnded,
    RightLost,
    PasswordChanged,
    Replaced,
}

impl Cause {
    pub const ALL: [Self; 6] =
        [Self::Expired, Self::Ended, Self::SessionEnded, Self::RightLost, Self::PasswordChanged, Self::Replaced];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::SessionEnded => "session_ended",
            Self::RightLost => "right_lost",
            Self::PasswordChanged => "password_changed",
            Self::Replaced => "replaced",
        }
    }
}

/// An elevation as its reviewers see it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Elevation {
    pub id: Id,
    pub user_id: Id,
    pub user_email: String,
    #[serde(skip)]
    pub session_id: Id,
    pub reason: String,
    pub ip: Option<String>,
    pub state: State,
    pub expires_at: Time,
    pub ended_at: Option<Time>,
    pub end_cause: Option<Cause>,
    pub ended_by: Option<Id>,
    pub reviewed_at: Option<Time>,
    pub reviewed_by: Option<Id>,
    pub review_note: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Elevation {
    pub fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// The same, as the time alone has made it.
    pub(super) fn at(mut self, now: Time) -> Self {
        if self.state == State::Active && now >= self.expires_at {
            self.state = State::Ended;
            self.ended_at = Some(self.expires_at);
            self.end_cause = Some(Cause::Expired);
        }
        self
    }
}

/// How many run, and how many wait for their review.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Waiting {
    pub active: i64,
    pub unreviewed: i64,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct NewElevation {
    pub password: Option<Password>,
    pub totp: Option<String>,
    pub reason: String,
    pub minutes: Option<u32>,
}

impl NewElevation {
    pub fn minutes(&self) -> u32 {
        self.minutes.unwrap_or(MINUTES)
    }
}

impl Body for NewElevation {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        if self.reason.split_whitespace().count() < LEAST_WORDS {
            faults.push("/reason", "required", "Say in a few words why; whoever reviews it reads them.");
        }
        check_length("/reason", &self.reason, faults);
        if !(1..=MOST_MINUTES).contains(&self.minutes()) {
            faults.push("/minutes", "out_of_range", format!("An elevation takes 1 to {MOST_MINUTES} minutes."));
        }
        if self.password.is_none() && self.totp.is_none() {
            let message = "Send your password once more, or the code of your authenticator app as `totp`.";
            faults.push("/password", "required", message);
        }
    }
}

/// What a reviewer says.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct Review {
    pub note: String,
}

impl Body for Review {
    fn check(&self, faults: &mut Faults) {
        if self.note.trim().is_empty() {
            faults.push("/note", "required", "Say what you found.");
        }
        check_length("/note", &self.note, faults);
    }
}

fn check_length(pointer: &'static str, text: &str, faults: &mut Faults) {
    if text.chars().count() > LONGEST_TEXT {
        faults.push(pointer, "too_long", format!("This has at most {LONGEST_TEXT} characters."));
    }
}
