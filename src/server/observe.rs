//! Rules in observe mode at the gate: whom they would have refused is let through and counted, on data routes alone.

use super::App;
use crate::{
    access::{Role, Roles},
    config::{Enforcement, is_data_path},
    error::{Error, Result},
    observation::{Observations, Seen},
    permit::{Action, Caller, Extent, Grants, Need, Permission, Principal, Route, Subject},
    rate_limit::{RateLimiter, Verdict},
    refusal::Check,
};
use actix_web::{HttpMessage, HttpRequest};
use std::sync::Arc;

pub(super) struct Observe {
    observations: Observations,
    roles: Roles,
    limits: RateLimiter,
}

/// Left on a request that a rule let pass, for the decision if something else refuses it.
#[derive(Default)]
pub(super) struct Observed(pub Vec<(Check, Arc<str>)>);

impl Observe {
    pub fn new(app: &App) -> Self {
        Self { observations: app.observations.clone(), roles: app.roles.clone(), limits: app.limits.clone() }
    }

    fn let_pass(
        &self,
        request: &HttpRequest,
        route: &Route,
        caller: &Caller,
        check: Check,
        rule: &Arc<str>,
        detail: &str,
    ) {
        let target = format!("{} {}", route.method, route.path);
        self.observations.count(rule, &Seen { actor: &caller.actor(), route: &target, detail });
        let mut left = request.extensions_mut();
        if let Some(observed) = left.get_mut::<Observed>() {
            observed.0.push((check, rule.clone()));
        } else {
            left.insert(Observed(vec![(check, rule.clone())]));
        }
    }

    /// The rule by which a limit that is reached only counts.
    pub fn watches_limit(&self, route: &Route, verdict: &Verdict, caller: &Caller) -> Option<Arc<str>> {
        if !is_data_path(route.path) {
            return None;
        }
        let rule = match verdict.policy() {
            "public" => "limits.public".to_owned(),
            "caller" => format!("limits.roles.{}", self.limits.deciding_role(caller.principal.as_deref()?)?),
            "route" | "public_route" => format!("limits.routes.{}", self.limits.pattern_of(route)?),
            _ => return None,
        };
        self.observations.watches(&rule)
    }

    /// Whether a limit that is reached only counts; then it was counted.
    pub fn limit(&self, request: &HttpRequest, route: &Route, verdict: &Verdict, caller: &Caller) -> bool {
        let Some(rule) = self.watches_limit(route, verdict, caller) else { return false };
        let by_address = matches!(verdict.policy(), "public" | "public_route");
        let check = if by_address { Check::LimitByAddress } else { Check::LimitByCaller };
        let detail = format!("over {} a minute", verdict.left().1);
        self.let_pass(request, route, caller, check, &rule, &detail);
        true
    }

    /// The role that stands in for whoever shows no good credential here.
    pub fn stand_in(&self, route: &Route, request: &HttpRequest) -> Option<Arc<Role>> {
        let Need::Permission { resource: "entities", .. } = route.need else { return None };
        let name = self.observations.stand_in(request.match_info().get("type")?)?;
        // Its rights may have grown since the start.
        self.roles.snapshot().get(&name).filter(|role| role.grants().are_of_data()).cloned()
    }

    /// Has a stranger act as the role, where they would have been refused and the role may.
    pub fn let_stranger_pass(
        &self,
        request: &HttpRequest,
        route: &Route,
        caller: &mut Caller,
        role: &Role,
        is_bad: bool,
    ) {
        let Some((entity_type, action)) = of_entities(request, route) else { return };
        let may = |grants: &Grants| grants.reach("entities", Some(entity_type), action).is_some();
        if !is_bad && may(&caller.anonymous) || !may(&role.grants()) {
            return;
        }
        caller.anonymous = Arc::new(role.grants());
        let what = if is_bad { "a credential that is not good" } else { "no credential" };
        let detail = format!("{what}, on {entity_type}; acts as {}", role.name);
        self.let_pass(request, route, caller, Check::Authentication, &"auth.enforcement".into(), &detail);
    }

    /// Gives somebody for this request the permission that they miss, where that is only counted. What a key's
    /// scopes leave out stays out.
    pub fn permission(&self, request: &HttpRequest, route: &Route, caller: &mut Caller) {
        let Some((entity_type, action)) = of_entities(request, route) else { return };
        let Some(principal) = &caller.principal else { return };
        let reach = |grants: &Grants| grants.reach("entities", Some(entity_type), action).is_some();
        if reach(&principal.grants) {
            return;
        }
        let Some(rule) = self.observations.watches_permission(entity_type, action) else { return };
        let missing = Permission { subject: Subject::AllEntities, action: Some(action), extent: Extent::Any };
        let grants = principal.grants.and_also(&missing);
        if !reach(&grants) {
            return;
        }
        let roles: Vec<&str> = principal.roles.iter().map(|role| &**role).collect();
        let detail = match roles.as_slice() {
            [] => format!("no role, on {entity_type}"),
            roles => format!("{}, on {entity_type}", roles.join(", ")),
        };
        caller.principal = Some(Arc::new(Principal { grants: Arc::new(grants), ..Principal::clone(principal) }));
        self.let_pass(request, route, caller, Check::Permission, &rule, &detail);
    }
}

fn of_entities<'r>(request: &'r HttpRequest, route: &Route) -> Option<(&'r str, Action)> {
    match route.need {
        Need::Permission { resource: "entities", action } => Some((request.match_info().get("type")?, action)),
        _ => None,
    }
}

impl App {
    /// Says loudly what only counts, and refuses to serve where strangers would act as a role that is not there or
    /// that holds more than data.
    pub(super) fn announce_observed(&self) -> Result<()> {
        for rule in self.observations.active() {
            tracing::warn!(%rule, "this rule is in observe mode: what it would refuse is let through and counted");
        }
        let config = self.config.load();
        if config.auth.enforcement != Enforcement::Observe {
            return Ok(());
        }
        let name = config.auth.observe_role.as_deref().unwrap_or_default();
        match self.roles.snapshot().get(name) {
            Some(role) if role.grants().are_of_data() => Ok(()),
            Some(_) => Err(Error::conflict(format!(
                "auth.observe_role: the role {name} holds more than data; strangers would act as it"
            ))),
            None => Err(Error::conflict(format!("auth.observe_role: there is no role {name}"))),
        }
    }
}
