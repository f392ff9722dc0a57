//! One check: what it is about, what it is worth, and what it found.

use super::{Patient, probe::Answers};
use crate::error::Result;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// What travels, and how.
    Transport,
    /// Who can sign in.
    Accounts,
    /// Who may do what.
    Access,
    /// What is kept, and whether it would come back.
    Data,
    /// Whether it runs as it should.
    Operations,
}

impl Category {
    pub const ALL: [Self; 5] = [Self::Transport, Self::Accounts, Self::Access, Self::Data, Self::Operations];

    /// A check of this category, by its name, its two titles and what it is worth.
    pub(super) fn check(
        self,
        id: &'static str,
        good: &'static str,
        bad: &'static str,
        points: u32,
        look: Look,
    ) -> Check {
        Check { id, good, bad, category: self, points, look }
    }
}

pub(super) type Look = fn(&Patient, &Answers) -> Result<Outcome>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    High,
    Medium,
    Low,
    /// It could not be looked at, so nothing good is said of it.
    NotProbed,
}

/// What a check found.
pub enum Outcome {
    /// As it should be, and how one can tell.
    Good(String),
    Bad {
        severity: Severity,
        evidence: String,
        remedy: &'static str,
    },
    /// It could not be looked at, and why.
    NotProbed(String),
}

impl Outcome {
    /// Good when `holds`, else bad; the evidence is the same figure either way.
    pub fn holds(holds: bool, severity: Severity, evidence: impl Into<String>, remedy: &'static str) -> Self {
        let evidence = evidence.into();
        if holds { Self::Good(evidence) } else { Self::Bad { severity, evidence, remedy } }
    }
}

pub struct Check {
    pub id: &'static str,
    /// What is so when it is good, and when it is bad, as titles.
    pub good: &'static str,
    pub bad: &'static str,
    pub category: Category,
    /// Part of the whole score.
    pub points: u32,
    pub(super) look: Look,
}

/// A check that was made.
pub struct Looked {
    pub check: Check,
    pub outcome: Outcome,
}

impl Check {
    /// An error is no verdict: the check was not made.
    pub(super) fn make(self, patient: &Patient, answers: &Answers) -> Looked {
        let outcome = (self.look)(patient, answers).unwrap_or_else(|error| {
            tracing::warn!(check = self.id, ?error, "a check of the doctor failed");
            Outcome::NotProbed(format!("It could not be looked at: {error}"))
        });
        Looked { check: self, outcome }
    }
}
