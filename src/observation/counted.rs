//! What is kept of a rule: how often it would have refused, and the latest few times.

use crate::{actor::Actor, clock::Time};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc};

const EXAMPLES: usize = 5;
const CHARACTERS: usize = 200;

/// One time that a rule would have refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Example {
    pub at: Time,
    pub request_id: Option<String>,
    pub route: String,
    pub caller: String,
    pub detail: String,
}

/// Who was let through, and on what.
pub struct Seen<'s> {
    pub actor: &'s Actor,
    pub route: &'s str,
    pub detail: &'s str,
}

/// A rule that is, or was, in observe mode.
#[derive(Clone, Debug, Serialize)]
pub struct Observation {
    pub rule: Arc<str>,
    /// The setting that puts it into observe mode; none when it refuses again.
    pub by: Option<&'static str>,
    pub count: u64,
    pub first_seen: Option<Time>,
    pub last_seen: Option<Time>,
    /// The latest first.
    pub examples: Vec<Example>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub count: u64,
    pub first_seen: Time,
    pub last_seen: Time,
    pub examples: VecDeque<Example>,
    /// The count that is on disk; none when that is not known.
    pub written: Option<u64>,
}

impl Counted {
    pub fn add(&mut self, at: Time, seen: &Seen<'_>) {
        let cut = |text: &str| text.chars().take(CHARACTERS).collect();
        if self.count == 0 {
            self.first_seen = at;
        }
        self.count += 1;
        self.last_seen = at;
        self.examples.truncate(EXAMPLES - 1);
        self.examples.push_front(Example {
            at,
            request_id: seen.actor.request_id.as_deref().map(str::to_owned),
            route: cut(seen.route),
            caller: cut(&seen.actor.label),
            detail: cut(seen.detail),
        });
    }

    pub fn is_written(&self) -> bool {
        self.written == Some(self.count)
    }
}
