//! The last refusals: of strangers and of known callers apart, so that a flood from outside pushes nobody else's out.

use super::model::{Decision, Refused};
use crate::{access::Roles, clock::Clock, ids::Id, refusal::Check};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Decisions of strangers, and as many of known callers.
const KEPT: usize = 2048;
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Clones share the ring.
#[derive(Clone)]
pub struct Decisions(Arc<Inner>);

struct Inner {
    clock: Clock,
    roles: Roles,
    strangers: Ring,
    known: Ring,
}

#[derive(Default)]
struct Ring(Mutex<VecDeque<Arc<Decision>>>);

impl Ring {
    /// The lock is held for a move in memory; what falls out is freed after it.
    fn push(&self, decision: Arc<Decision>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = kept.front().is_some_and(|first| kept.len() >= KEPT || decision.at.since(first.at) >= LIFETIME);
        let oldest = if over { kept.pop_front() } else { None };
        kept.push_back(decision);
        drop(kept);
        drop(oldest);
    }

    fn all(&self) -> Vec<Arc<Decision>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Which decisions somebody looks for.
#[derive(Debug, Default)]
pub struct Question<'q> {
    pub request_id: Option<&'q str>,
    pub code: Option<&'q str>,
    /// An account's or a key's id.
    pub actor: Option<Id>,
    pub rule: Option<Check>,
    /// Only those before this one.
    pub before: Option<Id>,
}

impl Question<'_> {
    fn fits(&self, decision: &Decision) -> bool {
        let by = |id: Id| decision.who.as_ref().is_some_and(|who| who.is(id));
        self.request_id.is_none_or(|id| *decision.request_id == *id)
            && self.code.is_none_or(|code| decision.code.slug() == code)
            && self.actor.is_none_or(by)
            && self.rule.is_none_or(|rule| decision.reason.check == rule)
            && self.before.is_none_or(|before| decision.id < before)
    }
}

impl Decisions {
    pub fn new(roles: Roles, clock: Clock) -> Self {
        let (strangers, known) = (Ring::default(), Ring::default());
        Self(Arc::new(Inner { clock, roles, strangers, known }))
    }

    pub fn record(&self, refused: Refused<'_>) {
        let decision = Arc::new(Decision::new(refused, self.0.clock.now(), self.0.roles.snapshot()));
        let ring = if decision.is_of_stranger() { &self.0.strangers } else { &self.0.known };
        ring.push(decision);
    }

    pub fn get(&self, id: Id) -> Option<Arc<Decision>> {
        self.latest().into_iter().find(|decision| decision.id == id)
    }

    /// The latest that answer the question, and whether there are more.
    pub fn find(&self, question: &Question<'_>, limit: usize) -> (Vec<Arc<Decision>>, bool) {
        let mut found: Vec<_> =
            self.latest().into_iter().filter(|decision| question.fits(decision)).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    }

    /// All that are kept and not too old, the latest first.
    fn latest(&self) -> Vec<Arc<Decision>> {
        let now = self.0.clock.now();
        let both = self.0.strangers.all().into_iter().chain(self.0.known.all());
        let mut all: Vec<_> = both.filter(|decision| now.since(decision.at) < LIFETIME).collect();
        all.sort_unstable_by_key(|decision| std::cmp::Reverse(decision.id));
        all
    }
}
