//! A refusal in words, check by check.

use super::model::{Asked, Decision, Via};
use crate::{
    access::Snapshot,
    actor::ActorKind,
    clock::Time,
    ids::Id,
    permit::{Action, Grants, Need, Reach},
    refusal::Check,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Refused,
    /// It would have refused, and is in observe mode.
    Observed,
    NotReached,
}

/// One check, and how it went.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub rule: Check,
    pub outcome: Outcome,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Value>,
}

impl Step {
    pub(super) fn new(rule: Check, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { rule, outcome, detail: detail.into(), facts: None }
    }
}

#[derive(Debug, Serialize)]
pub struct Shown {
    pub r#type: ActorKind,
    pub id: Option<Id>,
    pub label: Arc<str>,
    pub roles: Vec<Arc<str>>,
    pub via: Via,
}

/// A decision as administrators see it.
#[derive(Debug, Serialize)]
pub struct Explained {
    pub id: Id,
    pub at: Time,
    pub request_id: Arc<str>,
    pub method: String,
    /// The pattern of the route; null where none answered.
    pub route: Option<String>,
    pub path: String,
    pub status: u16,
    pub code: &'static str,
    /// What the caller was told.
    pub told: String,
    pub caller: Shown,
    pub ip: Option<IpAddr>,
    pub rules: Vec<Step>,
}

/// Says of a type whether its entities are their owners' alone.
pub type OwnerOnly<'f> = &'f dyn Fn(&str) -> bool;

impl Decision {
    pub fn explain(&self, owner_only: OwnerOnly<'_>) -> Explained {
        Explained {
            id: self.id,
            at: self.at,
            request_id: self.request_id.clone(),
            method: self.method.to_string(),
            route: self.asked.as_ref().map(|asked| format!("/api/v1{}", asked.path)),
            path: self.path.to_string(),
            status: self.status,
            code: self.code.slug(),
            told: self.told.to_string(),
            caller: self.caller(),
            ip: self.ip,
            rules: Check::ALL
                .into_iter()
                .filter(|check| self.concerns(*check))
                .map(|check| self.step(check, owner_only))
                .collect(),
        }
    }

    fn caller(&self) -> Shown {
        let Some(who) = &self.who else {
            let label = "anonymous".into();
            return Shown { r#type: ActorKind::Anonymous, id: None, label, roles: Vec::new(), via: Via::Nothing };
        };
        let (kind, id) = match &who.via {
            Via::ApiKey { id, .. } => (ActorKind::ApiKey, *id),
            _ => (ActorKind::User, who.user_id),
        };
        Shown { r#type: kind, id: Some(id), label: who.email.clone(), roles: who.roles.clone(), via: who.via.clone() }
    }

    /// Whether the check stands in the way of such a request at all.
    fn concerns(&self, check: Check) -> bool {
        let asked = self.asked.as_ref();
        check == self.reason.check
            || match check {
                Check::LoginDelay | Check::Challenge | Check::Credentials => asked.is_some_and(|asked| asked.is_login),
                Check::Ownership => asked.is_some_and(|asked| asked.has_id && asked.entity_type.is_some()),
                Check::Origin | Check::Conditions | Check::Reauthentication | Check::Capacity => false,
                _ => true,
            }
    }

    fn step(&self, check: Check, owner_only: OwnerOnly<'_>) -> Step {
        let refused_at = self.reason.check;
        let outcome = match check.cmp(&refused_at) {
            std::cmp::Ordering::Less => Outcome::Passed,
            std::cmp::Ordering::Equal => Outcome::Refused,
            std::cmp::Ordering::Greater => Outcome::NotReached,
        };
        let mut step = match (outcome, &self.asked) {
            (Outcome::NotReached, _) => Step::new(check, outcome, ""),
            (_, None) if matches!(check, Check::Route | Check::Method) => {
                Step::new(check, Outcome::NotReached, "No route answers this method and address.")
            }
            (Outcome::Refused, _) if check != Check::Permission => {
                Step::new(check, outcome, self.reason.detail.clone())
            }
            (_, asked) => self.passed(check, outcome, asked.as_ref(), owner_only),
        };
        if let Some((_, rule)) = self.observed.iter().find(|(observed, _)| *observed == check) {
            step.outcome = Outcome::Observed;
            let detail = format!("`{rule}` is in observe mode and let it pass. {}", step.detail);
            step.detail = detail.trim_end().into();
        }
        step
    }

    fn passed(&self, check: Check, outcome: Outcome, asked: Option<&Asked>, owner_only: OwnerOnly<'_>) -> Step {
        let open = asked.and_then(|asked| match asked.need {
            Need::Public(why) => Some(why),
            _ => None,
        });
        let detail = match check {
            Check::Route => asked.map(|asked| format!("/api/v1{}", asked.path)).unwrap_or_default(),
            Check::Method => asked.map(|asked| asked.method.to_string()).unwrap_or_default(),
            Check::LimitByAddress => self.limit(&["public", "login", "public_route"]),
            Check::LimitByCaller => self.limit(&["key", "caller", "route"]),
            Check::Authentication => match (&self.who, open) {
                (Some(who), _) => match &who.via {
                    Via::ApiKey { name, .. } => format!("The API key {name} of {}.", who.email),
                    Via::Cookie { .. } => format!("{}, signed in to the console.", who.email),
                    _ => format!("{}, with an access token.", who.email),
                },
                (None, Some(why)) => format!("Not asked: open to anyone ({why})."),
                (None, None) => "Nobody; what `anonymous` holds decides.".to_owned(),
            },
            Check::Csrf => "No write by cookie from another site.".to_owned(),
            Check::KillSwitch => "Nothing is closed for this request.".to_owned(),
            Check::SecondFactor => "None is missing.".to_owned(),
            Check::Permission => return self.permission(outcome, asked, owner_only),
            _ => String::new(),
        };
        Step::new(check, outcome, detail)
    }

    fn limit(&self, policies: &[&str]) -> String {
        let of = |policy: &&str| self.verdicts.of(policy);
        let told: Vec<_> = policies
            .iter()
            .filter_map(of)
            .map(|verdict| {
                let (left, limit) = verdict.left();
                format!("The limit `{}`: {left} of {limit} a minute left.", verdict.policy())
            })
            .collect();
        if told.is_empty() { "No limit counts this request.".to_owned() } else { told.join(" ") }
    }

    fn permission(&self, outcome: Outcome, asked: Option<&Asked>, owner_only: OwnerOnly<'_>) -> Step {
        let (resource, action) = match asked.map(|asked| asked.need) {
            Some(Need::Permission { resource, action } | Need::Own { resource, action }) => (resource, action),
            Some(Need::Session | Need::SignedIn) if outcome == Outcome::Passed => {
                return Step::new(Check::Permission, outcome, "Anybody who is signed in may.");
            }
            Some(Need::Public(why)) if outcome == Outcome::Passed => {
                return Step::new(Check::Permission, outcome, format!("Not asked: open to anyone ({why})."));
            }
            _ => return Step::new(Check::Permission, outcome, self.reason.detail.clone()),
        };
        let entity_type = asked.and_then(|asked| asked.entity_type.as_deref());
        let held = Held {
            roles: self.who.as_ref().map(|who| who.roles.as_slice()),
            grants: self.who.as_ref().map(|who| &*who.grants).or(self.anonymous.as_deref()),
            snapshot: &self.roles,
            owner_only: entity_type.is_some_and(owner_only),
        };
        let mut step = held.step(resource, entity_type, action);
        step.outcome = outcome;
        step
    }
}

/// What decides about a permission.
pub(super) struct Held<'h> {
    /// None for a caller without credentials.
    pub roles: Option<&'h [Arc<str>]>,
    pub grants: Option<&'h Grants>,
    pub snapshot: &'h Snapshot,
    pub owner_only: bool,
}

impl Held<'_> {
    pub fn reach(&self, grants: &Grants, resource: &str, entity_type: Option<&str>, action: Action) -> Option<Reach> {
        match entity_type.filter(|_| self.owner_only && resource == "entities") {
            Some(entity_type) => grants.reach_owner_only(entity_type, action),
            None => grants.reach(resource, entity_type, action),
        }
    }

    /// Whether they hold it, and what each of their roles holds of it.
    pub fn step(&self, resource: &str, entity_type: Option<&str>, action: Action) -> Step {
        let needed = match entity_type {
            Some(name) if resource == "entities" => format!("entities.{name}:{}", action.as_str()),
            _ => format!("{resource}:{}", action.as_str()),
        };
        let reach = |grants: &Grants| self.reach(grants, resource, entity_type, action).map(|reach| reach.to_string());
        let words = |reach: &Option<String>| reach.clone().unwrap_or_else(|| "does not hold it".to_owned());
        let held = self.grants.and_then(reach);
        let mut facts = json!({ "needed": needed, "reach": held });
        let mut parts = vec![format!("Needs {needed}.")];
        match self.roles {
            None => parts.push(format!("`anonymous`: {}.", words(&held))),
            Some([]) => parts.push("The account has no roles.".to_owned()),
            Some(roles) => {
                let of = |name: &Arc<str>| self.snapshot.get(name).and_then(|role| reach(&role.grants()));
                let by_role: Vec<_> = roles.iter().map(|name| (name.clone(), of(name))).collect();
                parts.extend(by_role.iter().map(|(name, reach)| format!("{name}: {}.", words(reach))));
                facts["roles"] = by_role.iter().map(|(name, reach)| json!({"role": name, "reach": reach})).collect();
            }
        }
        if let Some((scopes, owner)) = self.grants.and_then(Grants::of_key) {
            let (scopes, owner) = (reach(scopes), reach(owner));
            parts.push(format!("The key's scopes: {}; its owner: {}.", words(&scopes), words(&owner)));
            facts["key"] = json!({ "scopes": scopes, "owner": owner });
        }
        if self.owner_only {
            parts.push("Entities of this type are their owners' alone.".to_owned());
        }
        let outcome = if held.is_some() { Outcome::Passed } else { Outcome::Refused };
        Step { facts: Some(facts), ..Step::new(Check::Permission, outcome, parts.join(" ")) }
    }
}
