//! Why somebody does something, for the audit log.

use super::Body;
use crate::{error::Faults, validate::has_control};
use serde::Deserialize;

/// Characters of a reason, at most.
pub const LONGEST_REASON: usize = 500;

/// A body that says why, or nothing.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct Why {
    pub reason: Option<String>,
}

impl Body for Why {
    fn check(&self, faults: &mut Faults) {
        check_reason(self.reason.as_deref(), faults);
    }
}

/// For bodies that say more beside.
pub fn check_reason(reason: Option<&str>, faults: &mut Faults) {
    if reason.is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON) {
        let message = format!("A reason has 1 to {LONGEST_REASON} characters; leave it out for none.");
        faults.push("/reason", "invalid", message);
    }
    if reason.is_some_and(has_control) {
        faults.push("/reason", "control_character", "The reason holds a control character.");
    }
}
