//! Reviewing: somebody else reads what was done and closes it with a note.

use super::{
    model::{Elevation, RESOURCE, Review, State, Waiting},
    store,
};
use crate::{
    actor::Actor,
    audit::Event,
    clock::Time,
    error::{Error, Result},
    identity::{Identity, users},
    ids::Id,
    permit::{Action, AllowedInSession, rights::UpdateElevations},
    storage::{Reader, Tx},
};
use serde_json::json;

impl Identity {
    /// How many elevations run, and how many wait for their review.
    pub fn elevations_waiting(&self, reader: &Reader<'_>) -> Result<Waiting> {
        store::waiting(reader, self.clock().now())
    }

    pub(super) fn elevation(&self, id: Id) -> Result<Elevation> {
        let found = self.db().read(|reader| store::find(reader, id))?.ok_or_else(Error::not_found)?;
        Ok(found.at(self.clock().now()))
    }

    /// Closes somebody else's elevation.
    pub(super) async fn review_elevation(
        &self,
        proof: &AllowedInSession<UpdateElevations>,
        id: Id,
        review: Review,
    ) -> Result<Elevation> {
        let (identity, caller) = (self.clone(), proof.permit.caller().clone());
        if caller.own_grants().reach(RESOURCE, None, Action::Update).is_none() {
            return Err(Error::forbidden("Under an elevation nobody reviews: this takes a right of your own."));
        }
        self.ledger
            .change(&proof.permit.actor(), move |tx| {
                let found = reviewable(tx, id, identity.clock().now())?;
                if caller.user_id() == Some(found.user_id) {
                    return Err(Error::forbidden(
                        "Nobody reviews their own elevation. Where nobody else can, a shell on the machine does: \
                         portcullis elevation review.",
                    ));
                }
                identity.close(tx, &found, caller.user_id(), &review)
            })
            .await
    }

    /// [`Identity::review_elevation`] from the command line, where nobody else is there to do it.
    pub async fn review_elevation_alone(&self, id: Id, review: Review) -> Result<Elevation> {
        let identity = self.clone();
        self.ledger
            .change(&Actor::cli(), move |tx| {
                let found = reviewable(tx, id, identity.clock().now())?;
                if let Some(other) = identity.reviewer_beside(tx, found.user_id)? {
                    return Err(Error::conflict(format!("{other} can review this in the console.")));
                }
                identity.close(tx, &found, None, &review)
            })
            .await
    }

    fn close(&self, tx: &Tx<'_>, found: &Elevation, by: Option<Id>, review: &Review) -> Result<(Elevation, Event)> {
        self.forget_principal(tx, found.user_id)?;
        store::review(tx, found.id, by, review.note.trim(), self.clock().now())?;
        let after = store::find(tx, found.id)?.ok_or_else(Error::not_found)?;
        let event = Event::new("elevation.reviewed", "elevation", found.id);
        Ok((after, event.after(&json!({ "note": review.note.trim(), "user_id": found.user_id }))))
    }

    /// Somebody else who may review.
    fn reviewer_beside(&self, reader: &Reader<'_>, user: Id) -> Result<Option<String>> {
        let roles = self.roles.snapshot();
        let may = |other: &users::User| {
            other.id != user
                && other.kind == users::Kind::Person
                && other.may_sign_in()
                && roles.grants(&other.roles).reach(RESOURCE, None, Action::Update).is_some()
        };
        Ok(users::all(reader)?.into_iter().find(may).map(|other| other.email))
    }

    /// Every elevation, the newest first; for the command line.
    pub fn elevations(&self) -> Result<Vec<Elevation>> {
        let now = self.clock().now();
        let sql = format!("SELECT {} FROM {} ORDER BY elevations.created_at DESC", store::COLUMNS, store::TABLES);
        let found = self.db().read_long(move |reader| reader.query_all(&sql, &[], store::read))?;
        Ok(found.into_iter().map(|elevation| elevation.at(now)).collect())
    }
}

fn reviewable(tx: &Tx<'_>, id: Id, now: Time) -> Result<Elevation> {
    let found = store::find(tx, id)?.ok_or_else(Error::not_found)?.at(now);
    if found.state == State::Active {
        return Err(Error::conflict("This elevation still runs. End it first, then review all of it."));
    }
    if found.reviewed_at.is_some() {
        return Err(Error::conflict("This elevation was reviewed already."));
    }
    Ok(found)
}
