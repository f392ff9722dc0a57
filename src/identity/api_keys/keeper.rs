//! Who deals with keys: people with their own, and whoever holds the right with those of others.

use super::model::ApiKey;
use crate::{
    access::Roles,
    actor::Actor,
    clock::Time,
    error::{Error, Result},
    ids::Id,
    permit::{Action, Caller, Clearance, OwnOr, Permission, Permit, refusal},
};

const RESOURCE: &str = "api_keys";

/// Somebody who deals with keys.
#[derive(Clone, Debug)]
pub struct Keeper {
    caller: Caller,
    actor: Actor,
}

impl From<&Permit> for Keeper {
    fn from(permit: &Permit) -> Self {
        Self { caller: permit.caller().clone(), actor: permit.actor() }
    }
}

impl<R> From<OwnOr<R>> for Keeper {
    fn from(proof: OwnOr<R>) -> Self {
        Self { actor: proof.caller.actor(), caller: proof.caller }
    }
}

impl Keeper {
    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(super) fn user_id(&self) -> Option<Id> {
        self.caller.user_id()
    }

    fn holds(&self, action: Action) -> bool {
        self.caller.grants().reach(RESOURCE, None, action).is_some()
    }

    /// Whose keys are within reach: everybody's, or one's own.
    pub(super) fn sees_all(&self) -> bool {
        self.holds(Action::Read)
    }

    /// Refuses what the caller may not do with a key of `owner`: 404 where they may not know of it.
    pub(super) fn ensure(&self, action: Action, owner: Id) -> Result<()> {
        if self.user_id() == Some(owner) || self.holds(action) {
            return Ok(());
        }
        match action {
            Action::Create => Err(refusal(&self.caller, RESOURCE, action)),
            _ if self.sees_all() => Err(refusal(&self.caller, RESOURCE, action)),
            _ => Err(Error::not_found()),
        }
    }

    /// Whoever gets to know a secret could use it: it must not open more than they may do themselves. A person's
    /// own key stays within their rights whatever it says.
    pub(super) fn ensure_not_above(
        &self,
        roles: &Roles,
        owner: Id,
        scopes: &[Permission],
        clearance: Clearance,
    ) -> Result<()> {
        let (held, own) = (self.caller.own_grants(), self.user_id() == Some(owner));
        if own && held.of_key().is_none() {
            return Ok(());
        }
        let may = |scope: &Permission| if own { roles.may_grant(held, scope) } else { roles.may_lend(held, scope) };
        if let Some(scope) = scopes.iter().find(|scope| !may(scope)) {
            return Err(Error::forbidden(format!("You cannot hand out {scope}, since you do not hold it.")));
        }
        if clearance > held.clearance() {
            let detail = format!("The owner's clearance is {clearance}, which is above yours.");
            return Err(Error::forbidden(detail));
        }
        Ok(())
    }

    /// The time until which a key lives must be to come; a key makes and keeps none that outlives it.
    pub(super) fn check_end(&self, ends: Option<Time>, now: Time) -> Result<()> {
        if ends.is_some_and(|end| end <= now) {
            return Err(Error::invalid_at("/expires_at", "out_of_range", "The end must be in the future."));
        }
        let own = self.caller.principal.as_ref().and_then(|principal| principal.key.as_ref()?.expires_at);
        match own {
            Some(own) if ends.is_none_or(|end| end > own) => {
                let message = format!("A key cannot make one that outlives it; name an end until {own}.");
                Err(Error::invalid_at("/expires_at", "out_of_range", message))
            }
            _ => Ok(()),
        }
    }

    /// A key that was found, when the caller may do this with it.
    pub(super) fn admit(&self, found: Option<ApiKey>, action: Action) -> Result<ApiKey> {
        let key = found.ok_or_else(Error::not_found)?;
        self.ensure(action, key.owner_id)?;
        Ok(key)
    }
}
