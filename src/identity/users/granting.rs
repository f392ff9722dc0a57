//! How far one account may be given, changed or taken over by another: nobody grants what they do not hold.

use super::model::{Kind, User};
use crate::{
    access::SYSTEM,
    error::{Error, Faults, Result},
    filter::{self, Operand},
    identity::Identity,
    permit::{Extent, Permission, Permit},
};
use serde_json::{Map, Value};

impl Identity {
    /// Roles that exist, and `system` for services alone.
    pub(super) fn check_roles(&self, roles: &[String], kind: Kind) -> Result<()> {
        let snapshot = self.roles.snapshot();
        let mut faults = Faults::default();
        for (index, role) in roles.iter().enumerate() {
            if snapshot.get(role).is_none() {
                faults.push(format!("/roles/{index}"), "unknown", format!("There is no role `{role}`."));
            } else if role == SYSTEM && kind != Kind::Service {
                let message = "The role system is for service accounts alone.";
                faults.push(format!("/roles/{index}"), "invalid", message);
            }
        }
        faults.into_result()
    }

    /// Nobody grants what they do not hold.
    pub(super) fn ensure_can_grant(&self, permit: &Permit, roles: &[String]) -> Result<()> {
        match self.beyond(permit, roles) {
            Some(role) => Err(Error::forbidden(format!(
                "You cannot give the role {role}, since it allows more than you may do yourself."
            ))),
            None => Ok(()),
        }
    }

    /// Nobody takes over an account that may do more than they.
    pub(in crate::identity) fn ensure_not_above(&self, permit: &Permit, user: &User) -> Result<()> {
        match self.beyond(permit, &user.roles) {
            Some(role) => Err(Error::forbidden(format!(
                "This account has the role {role}, which allows more than you may do yourself."
            ))),
            None => Ok(()),
        }
    }

    /// Row rules such as `data.team = @user.data.team` reach as far as what stands in the account. Whoever is held
    /// to such a rule gives nobody else's values to an account, nor takes over an account that has them.
    pub(super) fn ensure_rules_stay(
        &self,
        permit: &Permit,
        roles: &[String],
        was: Option<Person<'_>>,
        wanted: Person<'_>,
    ) -> Result<()> {
        let held = permit.caller().own_grants();
        let own = permit.caller().principal.as_deref().map(|who| &*who.data);
        let snapshot = self.roles.snapshot();
        let permissions = roles.iter().filter_map(|name| snapshot.get(name)).flat_map(|role| &role.permissions);
        for permission in permissions {
            let Extent::Where(rule) = &permission.extent else { continue };
            let everywhere = Permission { extent: Extent::Any, ..permission.clone() };
            // Values are questions too, where the rule looks at what one may not see.
            if self.roles.may_grant(held, &everywhere) && self.roles.rule_is_seen(held, permission).is_ok() {
                continue;
            }
            let mut kept = true;
            let _ = filter::parse(&rule.0).map_err(Error::from)?.each(&mut |comparison| {
                if let Operand::User(path) = &comparison.operand {
                    let (value, before) = (wanted.value(path), was.and_then(|was| was.value(path)));
                    let mine = || path.split_first().and_then(|(_, path)| own.and_then(|own| at(own, path)));
                    kept &= value.is_none() || value == before || path[0] == "data" && value.as_ref() == mine();
                }
                Ok(())
            });
            if !kept {
                return Err(Error::forbidden(format!(
                    "The permission {permission} would reach further with these values than you do yourself."
                )));
            }
        }
        Ok(())
    }

    /// The first role that allows something which the caller may not do.
    fn beyond(&self, permit: &Permit, roles: &[String]) -> Option<String> {
        let held = permit.caller().own_grants();
        let snapshot = self.roles.snapshot();
        let beyond = |name: &&String| {
            snapshot.get(name).is_some_and(|role| {
                role.clearance > held.clearance() || !role.permissions.iter().all(|one| self.roles.may_grant(held, one))
            })
        };
        roles.iter().find(beyond).cloned()
    }
}

/// What row rules can ask of an account.
#[derive(Clone, Copy)]
pub(super) struct Person<'a> {
    pub data: &'a Map<String, Value>,
    pub email: &'a str,
}

impl<'a> From<&'a User> for Person<'a> {
    fn from(user: &'a User) -> Self {
        Self { data: &user.data, email: &user.email }
    }
}

impl Person<'_> {
    /// What stands behind `@user.…`; nothing for what an account cannot choose.
    fn value(&self, path: &[String]) -> Option<Value> {
        match path.split_first()? {
            (first, []) if first == "email" => Some(self.email.into()),
            (first, rest) if first == "data" => {
                let (member, below) = rest.split_first()?;
                at(self.data.get(member)?, below).cloned()
            }
            _ => None,
        }
    }
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}
