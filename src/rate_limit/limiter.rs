//! All limits of the server. Requests without a known caller count by network, others by user.

use super::{keyed::Keyed, verdict::Verdict};
use crate::{
    access::Roles,
    actor::network,
    clock::Clock,
    config::{Limits, RoleLimits},
    permit::{LimitClass, Principal},
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

/// Clones share the counts.
#[derive(Clone)]
pub struct RateLimiter(Arc<Shared>);

struct Shared {
    enabled: bool,
    public: Keyed,
    login: Keyed,
    /// What the configuration says of roles.
    roles: RoleLimits,
    known: Roles,
    /// By how much is allowed; the keys are users.
    callers: RwLock<HashMap<u32, Arc<Keyed>>>,
    hasher: RandomState,
    clock: Clock,
}

impl RateLimiter {
    pub fn new(limits: &Limits, known: Roles, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            enabled: limits.enabled,
            public: Keyed::per_minute("public", limits.public_per_minute, clock.clone()),
            login: Keyed::per_minute("login", limits.login_per_minute, clock.clone()),
            roles: limits.roles.clone(),
            known,
            callers: RwLock::default(),
            hasher: RandomState::new(),
            clock,
        }))
    }

    /// Counts a request of nobody known, or one at a door that checks a password. Nothing when limits are off.
    pub fn check_ip(&self, class: LimitClass, address: Option<IpAddr>) -> Option<Verdict> {
        let shared = &self.0;
        let keyed = match class {
            LimitClass::Public => &shared.public,
            LimitClass::Login => &shared.login,
        };
        shared.enabled.then(|| keyed.check(shared.hasher.hash_one(address.map(network))))
    }

    /// Counts a request of somebody known, whichever session or key it came by. Nothing without a limit.
    pub fn check_caller(&self, principal: &Principal) -> Option<Verdict> {
        let limit = self.0.enabled.then(|| self.limit_of(principal)).flatten()?;
        Some(self.0.callers(limit).check(self.0.hasher.hash_one(principal.user_id)))
    }

    /// The most that one of the caller's roles allows. Roles without a limit of their own don't lift it.
    fn limit_of(&self, principal: &Principal) -> Option<u32> {
        let roles = self.0.known.snapshot();
        let limit = |name: &Arc<str>| {
            let own = roles.get(name).and_then(|role| role.rate_limit).map(|limit| limit.per_minute);
            own.or_else(|| self.0.roles.get(&**name).copied())
        };
        principal.roles.iter().filter_map(limit).max()
    }
}

impl Shared {
    fn callers(&self, limit: u32) -> Arc<Keyed> {
        let known = self.callers.read().unwrap_or_else(PoisonError::into_inner).get(&limit).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.callers.write().unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(Keyed::per_minute("caller", limit, self.clock.clone()));
            all.entry(limit).or_insert_with(made).clone()
        })
    }
}
