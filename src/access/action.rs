//! Making, changing and deleting roles. Nobody grants what they do not hold.

use super::{
    role::{ADMIN, RateLimit, Role},
    snapshot::Roles,
    store,
};
use crate::{
    audit::{Event, Ledger},
    error::{Code, Error, Faults, Result},
    filter,
    ids::Id,
    permit::{Clearance, Extent, Permission, Permit, is_name, rights::ReadEntityTypes},
    web::{Body, Precondition, etag, nullable},
};
use serde::Deserialize;

/// Permissions in one role, at most.
const MOST_PERMISSIONS: usize = 500;

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct NewRole {
    pub name: String,
    pub permissions: Vec<String>,
    pub clearance: Option<Clearance>,
    pub rate_limit: Option<RateLimit>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct RoleChange {
    pub permissions: Option<Vec<String>>,
    pub clearance: Option<Clearance>,
    /// Absent: stays. Null: no limit.
    #[serde(default, deserialize_with = "nullable")]
    pub rate_limit: Option<Option<RateLimit>>,
}

impl Body for NewRole {
    fn check(&self, faults: &mut Faults) {
        if !is_name(&self.name) {
            let rule = "A role's name is a small letter, then up to 62 small letters, digits and underscores.";
            faults.push("/name", "invalid", rule);
        }
        check_permissions(&self.permissions, faults);
        check_limit(self.rate_limit, faults);
    }
}

impl Body for RoleChange {
    fn check(&self, faults: &mut Faults) {
        check_permissions(self.permissions.as_deref().unwrap_or_default(), faults);
        check_limit(self.rate_limit.flatten(), faults);
    }
}

fn check_permissions(permissions: &[String], faults: &mut Faults) {
    if permissions.len() > MOST_PERMISSIONS {
        faults.push("/permissions", "too_many", format!("A role has at most {MOST_PERMISSIONS} permissions."));
        return;
    }
    for (index, text) in permissions.iter().enumerate() {
        if let Err(why) = text.parse::<Permission>().and_then(|permission| check_rule(&permission)) {
            faults.push(format!("/permissions/{index}"), "invalid", format!("`{text}` is not a permission: {why}."));
        }
    }
}

/// A row rule must be a filter; whether its fields exist shows only where it is used.
fn check_rule(permission: &Permission) -> Result<(), String> {
    match &permission.extent {
        Extent::Where(rule) => filter::parse(&rule.0).map(drop).map_err(|error| format!("in its rule, {error}")),
        Extent::Any | Extent::Own => Ok(()),
    }
}

fn check_limit(limit: Option<RateLimit>, faults: &mut Faults) {
    if limit.is_some_and(|limit| limit.per_minute == 0) {
        faults.push("/rate_limit/per_minute", "out_of_range", "A limit is at least 1 a minute; leave it out for none.");
    }
}

fn parse(texts: &[String]) -> Vec<Permission> {
    let mut permissions: Vec<Permission> = Vec::with_capacity(texts.len());
    for permission in texts.iter().filter_map(|text| text.parse().ok()) {
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    permissions
}

/// Refuses to hand out a permission or a clearance that the caller lacks.
fn ensure_held(roles: &Roles, permit: &Permit, permissions: &[Permission], clearance: Option<Clearance>) -> Result<()> {
    let grants = permit.caller().own_grants();
    if let Some(missing) = permissions.iter().find(|permission| !roles.may_grant(grants, permission)) {
        // Which types and fields there are is told to those who may read them.
        let knows = permit.extend::<ReadEntityTypes>(None).is_some() && grants.can_grant(missing);
        let unseen = if knows { roles.rule_is_seen(grants, missing).err() } else { None };
        let why = unseen.unwrap_or_else(|| "you do not hold it".to_owned());
        return Err(Error::forbidden(format!("You cannot grant {missing}, since {why}.")));
    }
    match clearance {
        Some(clearance) if clearance > grants.clearance() => Err(Error::forbidden(format!(
            "You cannot grant the clearance {clearance}, since yours is {}.",
            grants.clearance()
        ))),
        _ => Ok(()),
    }
}

pub async fn create(ledger: &Ledger, roles: &Roles, permit: &Permit, new: NewRole) -> Result<Role> {
    let now = ledger.clock().now();
    let role = Role {
        id: Id::new(),
        name: new.name.as_str().into(),
        permissions: parse(&new.permissions),
        clearance: new.clearance.unwrap_or_default(),
        rate_limit: new.rate_limit,
        built_in: false,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    ensure_held(roles, permit, &role.permissions, Some(role.clearance))?;
    let roles = roles.clone();
    ledger
        .change(&permit.actor(), move |tx| {
            if store::find(tx, &role.name)?.is_some() {
                return Err(Error::conflict(format!("There is a role {} already.", role.name)));
            }
            store::insert(tx, &role)?;
            roles.refresh(tx)?;
            Ok((role.clone(), Event::new("role.created", "role", &role.name).after(&role)))
        })
        .await
}

pub async fn change(
    ledger: &Ledger,
    roles: &Roles,
    permit: &Permit,
    name: String,
    change: RoleChange,
    precondition: Precondition,
) -> Result<Role> {
    let (roles, permit, clock) = (roles.clone(), permit.clone(), ledger.clock().clone());
    let actor = permit.actor();
    ledger
        .change(&actor, move |tx| {
            let before = store::find(tx, &name)?.ok_or_else(Error::not_found)?;
            precondition.check(&etag(before.version, 0))?;
            if *before.name == *ADMIN {
                return Err(Error::conflict("The role admin holds everything and cannot be changed."));
            }
            let mut after = before.clone();
            if let Some(texts) = &change.permissions {
                after.permissions = parse(texts);
            }
            after.clearance = change.clearance.unwrap_or(before.clearance);
            after.rate_limit = change.rate_limit.unwrap_or(before.rate_limit);
            let added: Vec<_> =
                after.permissions.iter().filter(|new| !before.permissions.contains(new)).cloned().collect();
            ensure_held(&roles, &permit, &added, (after.clearance > before.clearance).then_some(after.clearance))?;
            after.version += 1;
            after.updated_at = clock.now();
            store::update(tx, &after)?;
            roles.refresh(tx)?;
            let event = Event::new("role.updated", "role", &after.name).changed(&before, &after);
            Ok((after, event))
        })
        .await
}

pub async fn delete(
    ledger: &Ledger,
    roles: &Roles,
    permit: &Permit,
    name: String,
    precondition: Precondition,
) -> Result<()> {
    let roles = roles.clone();
    ledger
        .change(&permit.actor(), move |tx| {
            let role = store::find(tx, &name)?.ok_or_else(Error::not_found)?;
            precondition.check(&etag(role.version, 0))?;
            if role.built_in {
                return Err(Error::conflict(format!("The role {name} is built in and stays.")));
            }
            store::delete(tx, &name).map_err(|cause| match cause.code() {
                Code::Conflict => Error::conflict(format!(
                    "Somebody has the role {name}, or had it when they were deleted. Take it from them first."
                ))
                .caused_by(cause),
                _ => cause,
            })?;
            roles.refresh(tx)?;
            Ok(((), Event::new("role.deleted", "role", &name).before(&role)))
        })
        .await
}
