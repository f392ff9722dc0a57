//! All limits of the server. Requests without a known caller count by network, others by user; those of a key
//! count for the key and for its owner.

use super::{
    keyed::{Keyed, Shares},
    verdict::Verdict,
};
use crate::{
    access::Roles,
    actor::network,
    clock::Clock,
    config::{Limits, RoleLimits},
    ids::Id,
    permit::{LimitClass, Principal},
};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Arc,
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
    /// By users and by API keys.
    callers: Shares,
    hasher: RandomState,
}

impl RateLimiter {
    pub fn new(limits: &Limits, known: Roles, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            enabled: limits.enabled,
            public: Keyed::per_minute("public", limits.public_per_minute, clock.clone()),
            login: Keyed::per_minute("login", limits.login_per_minute, clock.clone()),
            roles: limits.roles.clone(),
            known,
            callers: Shares::new(clock),
            hasher: RandomState::new(),
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

    /// Counts a request of somebody known, whichever session or key it came by; the stricter answer where a key
    /// has a limit beside its owner's. Nothing without a limit.
    pub fn check_caller(&self, principal: &Principal) -> Option<Verdict> {
        if !self.0.enabled {
            return None;
        }
        let check = |policy, limit, id: Id| self.0.callers.check(policy, limit, self.0.hasher.hash_one(id));
        let own = principal.key.as_ref().and_then(|key| Some(check("key", key.per_minute?, key.id)));
        if own.is_some_and(|verdict| verdict.wait.is_some()) {
            return own;
        }
        let owners = self.limit_of(principal).map(|limit| check("caller", limit, principal.user_id));
        match (own, owners) {
            (Some(own), Some(owners)) if owners.wait.is_none() && own.remaining <= owners.remaining => Some(own),
            (own, owners) => owners.or(own),
        }
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
