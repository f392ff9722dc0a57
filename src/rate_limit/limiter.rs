//! All limits of the server. Requests without a known caller count by network, others by user; those of a key
//! count for the key and for its owner. A route with a limit of its own counts beside these. What limits say may
//! change at any time: how much of its minute a caller has used stays known.

use super::{keyed::Keyed, verdict::Verdict};
use crate::{
    access::Roles,
    actor::network,
    clock::Clock,
    config::{Config, Live, is_same_route, route_of},
    permit::{LimitClass, Principal, Route},
};
use actix_web::http::Method;
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::Arc,
};

/// Clones share the counts.
#[derive(Clone)]
pub struct RateLimiter(Arc<Shared>);

struct Shared {
    config: Live,
    public: Keyed,
    login: Keyed,
    /// By users and by API keys, whichever limit of theirs it is.
    callers: Keyed,
    /// By route and address, of those nobody knows.
    strangers: Keyed,
    routes: Arc<ArcSwap<RouteLimits>>,
    known: Roles,
    hasher: RandomState,
}

/// The routes that have a limit of their own: requests a minute, and what they are counted under.
type RouteLimits = HashMap<(Method, &'static str), (u32, Arc<str>)>;

impl RateLimiter {
    pub fn new(config: Live, routes: &[Route], known: Roles, clock: Clock) -> Self {
        let limits: Arc<ArcSwap<RouteLimits>> = Arc::default();
        let (table, routes) = (limits.clone(), routes.iter().map(|route| (route.method.clone(), route.path)));
        let routes: Vec<_> = routes.collect();
        config.subscribe(move |config| table.store(Arc::new(by_route(&routes, config))));
        Self(Arc::new(Shared {
            config,
            public: Keyed::large(clock.clone()),
            login: Keyed::small(clock.clone()),
            callers: Keyed::small(clock.clone()),
            strangers: Keyed::small(clock),
            routes: limits,
            known,
            hasher: RandomState::new(),
        }))
    }

    /// Counts a request of nobody known, or one at a door that checks a password. Nothing when limits are off.
    pub fn check_ip(&self, class: LimitClass, address: Option<IpAddr>) -> Option<Verdict> {
        let limits = &self.0.config.load().limits;
        let (keyed, policy, limit) = match class {
            LimitClass::Public => (&self.0.public, "public", limits.public_per_minute),
            LimitClass::Login => (&self.0.login, "login", limits.login_per_minute),
            LimitClass::Uncounted => return None,
        };
        limits.enabled.then(|| keyed.check(policy, limit, self.key(address.map(network))))
    }

    /// Counts a request of nobody known on a route with a limit of its own.
    pub fn check_route_by_ip(&self, route: &Route, address: Option<IpAddr>) -> Option<Verdict> {
        let (limit, pattern) = self.limit_of_route(route)?;
        Some(self.0.strangers.check("public_route", limit, self.key((pattern, address.map(network)))))
    }

    /// Counts a request of somebody known, whichever session or key it came by: for the key, for its owner and
    /// for the route, as far as each has a limit. The first that is reached ends it, unless it `passes` all the same.
    pub fn check_caller(
        &self,
        principal: &Principal,
        route: &Route,
        passes: &dyn Fn(&Verdict) -> bool,
    ) -> Vec<Verdict> {
        if !self.0.config.load().limits.enabled {
            return Vec::new();
        }
        let (callers, user) = (&self.0.callers, principal.user_id);
        let counts = route.limit != LimitClass::Uncounted;
        let key = || {
            let key = principal.key.as_ref().filter(|_| counts)?;
            Some(callers.check("key", key.per_minute?, self.key(key.id)))
        };
        let owner = || Some(callers.check("caller", self.limit_of(principal).filter(|_| counts)?, self.key(user)));
        let by_route = || {
            let (limit, pattern) = self.limit_of_route(route)?;
            Some(callers.check("route", limit, self.key((pattern, user))))
        };
        let mut verdicts = Vec::new();
        for check in [&key as &dyn Fn() -> Option<Verdict>, &owner, &by_route] {
            let verdict = check();
            verdicts.extend(verdict);
            if verdict.is_some_and(|verdict| verdict.wait.is_some() && !passes(&verdict)) {
                break;
            }
        }
        verdicts
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.0.hasher.hash_one(of)
    }

    fn limit_of_route(&self, route: &Route) -> Option<(u32, Arc<str>)> {
        let routes = self.0.routes.load();
        if routes.is_empty() || !self.0.config.load().limits.enabled {
            return None;
        }
        routes.get(&(route.method.clone(), route.path)).cloned()
    }

    /// The pattern under which a route has a limit of its own.
    pub fn pattern_of(&self, route: &Route) -> Option<Arc<str>> {
        self.limit_of_route(route).map(|(_, pattern)| pattern)
    }

    /// The role whose limit a caller has.
    pub fn deciding_role(&self, principal: &Principal) -> Option<Arc<str>> {
        let (roles, config) = (self.0.known.snapshot(), self.0.config.load());
        let limit = |name: &Arc<str>| {
            let own = roles.get(name).and_then(|role| role.rate_limit).map(|limit| limit.per_minute);
            own.or_else(|| config.limits.roles.get(&**name).copied())
        };
        let limited = principal.roles.iter().filter_map(|name| Some((limit(name)?, name)));
        limited.max_by_key(|(limit, _)| *limit).map(|(_, name)| name.clone())
    }

    /// The most that one of the caller's roles allows. Roles without a limit of their own don't lift it.
    fn limit_of(&self, principal: &Principal) -> Option<u32> {
        let (roles, config) = (self.0.known.snapshot(), self.0.config.load());
        let limit = |name: &Arc<str>| {
            let own = roles.get(name).and_then(|role| role.rate_limit).map(|limit| limit.per_minute);
            own.or_else(|| config.limits.roles.get(&**name).copied())
        };
        principal.roles.iter().filter_map(limit).max()
    }
}

/// For each route the pattern that names it; one that names its method goes before one for all methods.
fn by_route(routes: &[(Method, &'static str)], config: &Config) -> RouteLimits {
    let mut limits = RouteLimits::new();
    for (pattern, limit) in config.limits.routes.iter() {
        let named: Arc<str> = route_of(pattern).into();
        for (method, path) in routes {
            let key = (method.clone(), *path);
            if is_same_route(&named, &format!("{method} {path}"))
                || (is_same_route(&named, path) && !limits.contains_key(&key))
            {
                limits.insert(key, (*limit, named.clone()));
            }
        }
    }
    limits
}
