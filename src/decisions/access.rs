//! What a user may see and do: all of it, or one thing tried, check by check as in a decision.

use super::explain::{Held, Outcome, Step};
use crate::{
    access::{FieldCatalogue, Roles, Scope as RoleScope, scope_of},
    data::{
        entities::{Entities, Standing},
        entity_types::EntityTypes,
    },
    error::{Error, Faults, Result},
    identity::{Identity, User},
    ids::Id,
    permit::{
        Action, Allowed, CATALOGUE, Clearance, Permission, Permit, Principal, is_name,
        rights::{ReadEntity, ReadUsers},
    },
    refusal::Check,
    web::{At, Params},
};
use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct AccessQuery {
    resource: Option<String>,
    action: Option<String>,
    id: Option<String>,
}

#[derive(Serialize)]
struct Access {
    roles: Vec<Arc<str>>,
    permissions: Vec<Permission>,
    clearance: Clearance,
    #[serde(flatten)]
    scope: RoleScope,
}

#[derive(Serialize)]
struct Trial {
    allowed: bool,
    resource: String,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Id>,
    rules: Vec<Step>,
}

/// One thing that somebody might do.
struct Asked {
    resource: &'static str,
    entity_type: Option<String>,
    action: Action,
    id: Option<Id>,
}

pub(super) async fn show(
    permit: Allowed<ReadUsers>,
    id: At<Id>,
    query: Params<AccessQuery>,
    identity: Data<Identity>,
    roles: Data<Roles>,
    (types, entities): (Data<EntityTypes>, Data<Entities>),
) -> Result<HttpResponse> {
    let (user, principal) = identity.principal_of(id.0)?.ok_or_else(Error::not_found)?;
    let asked = query.0;
    if asked.resource.is_none() && asked.action.is_none() && asked.id.is_none() {
        let grants = &principal.grants;
        return Ok(HttpResponse::Ok().json(Access {
            permissions: grants.permissions().to_vec(),
            clearance: grants.clearance(),
            scope: scope_of(grants, &types.types()),
            roles: principal.roles,
        }));
    }
    let resource = asked.resource.clone().unwrap_or_default();
    let asked = read(asked)?;
    let snapshot = roles.snapshot();
    let held = Held {
        roles: Some(&principal.roles),
        grants: Some(&principal.grants),
        snapshot: &snapshot,
        owner_only: asked.entity_type.as_deref().is_some_and(|name| types.is_owner_only(name)),
    };
    let mut steps = vec![account(&user), second_factor(&principal)];
    steps.push(held.step(asked.resource, asked.entity_type.as_deref(), asked.action));
    if let (Some(id), Some(name)) = (asked.id, &asked.entity_type) {
        let its = Permit::on_behalf_of(Arc::new(principal.clone()), "what a user may do is tried");
        steps.push(ownership(&permit, &its, &entities, (name, id), asked.action)?);
    }
    let mut allowed = true;
    for step in &mut steps {
        if !allowed {
            *step = Step::new(step.rule, Outcome::NotReached, "");
        }
        allowed &= step.outcome == Outcome::Passed;
    }
    Ok(HttpResponse::Ok().json(Trial { allowed, resource, action: asked.action, id: asked.id, rules: steps }))
}

fn read(query: AccessQuery) -> Result<Asked> {
    let mut faults = Faults::default();
    let text = query.resource.unwrap_or_default();
    let (noun, entity_type) = match text.split_once('.') {
        Some(("entities", name)) => ("entities", Some(name)),
        _ => (&*text, None),
    };
    let known = CATALOGUE.iter().find(|resource| resource.name == noun);
    let fits = entity_type.is_some_and(is_name) == (noun == "entities");
    let resource = known.filter(|_| fits);
    if resource.is_none() {
        let message = "`resource` is one of GET /permissions, such as `users` or `entities.customers`.";
        faults.push("/resource", "invalid", message);
    }
    let word = query.action.unwrap_or_default();
    let action = resource.and_then(|known| known.actions.iter().copied().find(|action| action.as_str() == word));
    if let Some(known) = resource.filter(|_| action.is_none()) {
        let names: Vec<_> = known.actions.iter().map(|action| action.as_str()).collect();
        faults.push("/action", "invalid", format!("`action` is one of {}.", names.join(", ")));
    }
    let id = query.id.map(|id| id.parse::<Id>());
    if matches!(id, Some(Err(_))) || id.is_some() && entity_type.is_none() {
        faults.push("/id", "invalid", "`id` is the id of an entity, beside a resource such as `entities.customers`.");
    }
    faults.into_result()?;
    let (Some(resource), Some(action)) = (resource, action) else { return Err(Error::not_found()) };
    let entity_type = entity_type.map(str::to_owned);
    Ok(Asked { resource: resource.name, entity_type, action, id: id.and_then(Result::ok) })
}

fn account(user: &User) -> Step {
    let (outcome, detail) = if user.deleted_at.is_some() {
        (Outcome::Refused, "The account is deleted.".to_owned())
    } else if user.is_active() {
        (Outcome::Passed, format!("The account {} is active.", user.email))
    } else {
        (Outcome::Refused, format!("The account is {}.", user.status.as_str()))
    };
    Step::new(Check::Authentication, outcome, detail)
}

fn second_factor(principal: &Principal) -> Step {
    if principal.enrol_only {
        let detail = "A role of the account takes a second factor, and none is set up: it can do nothing else first.";
        return Step::new(Check::SecondFactor, Outcome::Refused, detail);
    }
    Step::new(Check::SecondFactor, Outcome::Passed, "None is missing.")
}

/// Only for those who see everything of the entity themselves: a row rule tells what fields hold.
fn ownership(
    permit: &Permit,
    its: &Permit,
    entities: &Entities,
    (entity_type, id): (&str, Id),
    action: Action,
) -> Result<Step> {
    let own = permit.extend::<ReadEntity>(Some(entity_type)).ok_or_else(Error::not_found)?;
    if entities.standing(&own, entity_type, id, Action::Read)?.0 != Standing::Within {
        return Err(Error::not_found());
    }
    if own.clearance() < Clearance::Restricted {
        return Err(Error::forbidden("Trying it on one entity takes the clearance restricted."));
    }
    let (standing, reach) = entities.standing(its, entity_type, id, action)?;
    let (outcome, detail) = match standing {
        Standing::Within => (Outcome::Passed, format!("The entity is within reach ({reach}).")),
        Standing::Readable => (
            Outcome::Refused,
            format!("They may read the entity, but not {} it: their reach is {reach}. They get 403.", action.as_str()),
        ),
        Standing::Hidden => (
            Outcome::Refused,
            format!("The entity is beyond their reach ({reach}), so that for them it does not exist: they get 404."),
        ),
    };
    Ok(Step::new(Check::Ownership, outcome, detail))
}
