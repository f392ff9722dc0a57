//! How elevations end: at their time, with their session or right, by their holder or an administrator.

use super::{
    model::{Cause, Elevation, RESOURCE, State, may_elevate},
    store,
};
use crate::{
    access::{RolesFollower, Snapshot},
    actor::Actor,
    audit::Event,
    clock::Time,
    error::{Error, Result},
    identity::{
        Identity, Parts,
        sessions::{self, By},
        users,
    },
    ids::Id,
    permit::{Action, Caller},
    storage::Tx,
};
use serde_json::json;
use std::sync::Weak;

/// Ends the elevations of those who lose the right to them with a change of roles.
pub(in crate::identity) struct WithRoles(pub Weak<Parts>);

impl RolesFollower for WithRoles {
    fn roles_change(&self, tx: &Tx<'_>, next: &Snapshot) -> Result<()> {
        let identity = Identity::of(&self.0)?;
        store::elevated_users(tx)?.into_iter().try_for_each(|user| identity.settle_elevations_of(tx, user, next))
    }
}

fn ended(id: Id, cause: Cause) -> Event {
    let action = if cause == Cause::Expired { "elevation.expired" } else { "elevation.ended" };
    Event::new(action, "elevation", id).after(&json!({ "cause": cause }))
}

impl Identity {
    /// Writes down the end of those of a user's elevations that the time or the change under way has ended.
    pub(in crate::identity) fn settle_elevations_of(&self, tx: &Tx<'_>, user: Id, roles: &Snapshot) -> Result<()> {
        let now = self.clock().now();
        for elevation in store::open_of(tx, user)? {
            if let Some((cause, at)) = self.cause_of_end(tx, &elevation, roles, now)? {
                self.write_end(tx, elevation.id, cause, at)?;
            }
        }
        Ok(())
    }

    fn cause_of_end(
        &self,
        tx: &Tx<'_>,
        elevation: &Elevation,
        roles: &Snapshot,
        now: Time,
    ) -> Result<Option<(Cause, Time)>> {
        let session = sessions::load(tx, By::Id(elevation.session_id))?;
        let session_ends = session.map_or(now, |session| session.ended_at.unwrap_or(session.expires_at));
        if session_ends <= now && session_ends <= elevation.expires_at {
            return Ok(Some((Cause::SessionEnded, session_ends)));
        }
        if elevation.expires_at <= now {
            return Ok(Some((Cause::Expired, elevation.expires_at)));
        }
        let user = users::find(tx, elevation.user_id)?.filter(users::User::may_sign_in);
        let may = user.is_some_and(|user| !self.must_enrol(&user) && may_elevate(&roles.grants(&user.roles)));
        Ok((!may).then_some((Cause::RightLost, now)))
    }

    fn write_end(&self, tx: &Tx<'_>, id: Id, cause: Cause, at: Time) -> Result<()> {
        store::end(tx, id, cause, None, at)?;
        let actor = Actor::system("elevations end by themselves").under(id);
        self.ledger.also(tx, &actor, ended(id, cause));
        Ok(())
    }

    /// Ends whatever a user still has.
    pub(in crate::identity) fn end_elevations_of(&self, tx: &Tx<'_>, user: Id, cause: Cause) -> Result<()> {
        self.settle_elevations_of(tx, user, &self.roles.snapshot())?;
        let now = self.clock().now();
        store::open_of(tx, user)?.iter().try_for_each(|elevation| self.write_end(tx, elevation.id, cause, now))
    }

    /// Writes down every end that has come; for a thread where blocking is fine.
    pub(in crate::identity) fn settle_elevations(&self) -> Result<()> {
        let identity = self.clone();
        self.ledger.unrecorded_blocking("each end of an elevation is an event of its own", move |tx| {
            store::elevated_users(tx)?.into_iter().try_for_each(|user| identity.forget_principal(tx, user))
        })
    }

    /// [`Identity::settle_elevations`], without making anybody wait.
    pub(in crate::identity) fn settle_elevations_soon(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let identity = self.clone();
        runtime.spawn_blocking(move || {
            if let Err(error) = identity.settle_elevations() {
                tracing::warn!(?error, "the end of an elevation could not be written");
            }
        });
    }

    /// Ends an elevation before its time: one's own, or with the right anybody's.
    pub(super) async fn end_elevation(&self, caller: &Caller, id: Id) -> Result<Elevation> {
        let (identity, caller) = (self.clone(), caller.clone());
        let mut actor = caller.actor();
        actor.elevation.get_or_insert(id);
        self.ledger
            .change(&actor, move |tx| {
                let found = store::find(tx, id)?.ok_or_else(Error::not_found)?;
                let others = caller.own_grants().reach(RESOURCE, None, Action::Update).is_some();
                if caller.user_id() != Some(found.user_id) && !others {
                    return Err(Error::not_found());
                }
                let now = identity.clock().now();
                if found.at(now).state == State::Ended {
                    return Err(Error::conflict("This elevation has ended already."));
                }
                store::end(tx, id, Cause::Ended, caller.user_id(), now)?;
                let after = store::find(tx, id)?.ok_or_else(Error::not_found)?;
                identity.forget_principal(tx, after.user_id)?;
                Ok((after, ended(id, Cause::Ended)))
            })
            .await
    }
}
