//! Breaking the glass: a proof, a reason, and everything for a while.

use super::{
    model::{Cause, Elevation, MOST_MINUTES, NewElevation, State, may_elevate},
    store,
};
use crate::{
    audit::Event,
    clock::Time,
    error::{Code, Error, Result},
    identity::{
        Email, Identity,
        lockout::{Attempt, Work},
        recovery::spoken,
        second_factor::Given,
        sessions::{self, By, Checked, Requester},
        users,
    },
    ids::Id,
    mail::Template,
    permit::{AllowedInSession, rights::CreateElevations},
    storage::Tx,
};
use serde_json::json;
use std::time::Duration;

/// Elevations with shorter pauses between them are one in a row.
const PAUSE: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(MOST_MINUTES as u64 * 60);

/// What showed that it is the person and not an open browser.
enum Proof {
    Password(Box<Checked>),
    /// A code alone: it takes a turn at the same door as a password.
    Code(Attempt),
}

impl Identity {
    pub(super) async fn elevate(
        &self,
        proof: &AllowedInSession<CreateElevations>,
        new: NewElevation,
    ) -> Result<Elevation> {
        let (user, session) = (proof.principal.user_id, proof.session.id);
        let length = Duration::from_secs(u64::from(new.minutes()) * 60);
        let reason = new.reason.trim().to_owned();
        let given = Given { totp: new.totp.clone(), recovery_code: None };
        let shown = self.prove(proof, new, &given).await?;
        let (identity, caller) = (self.clone(), proof.permit.caller().clone());
        let released = if let Proof::Code(attempt) = &shown { Some(attempt.clone()) } else { None };
        let id = Id::new();
        let actor = proof.permit.actor().under(id);
        let started = self
            .ledger
            .change(&actor, move |tx| {
                let now = identity.clock().now();
                if let Proof::Password(checked) = &shown {
                    checked.settle(tx)?;
                }
                if !given.is_nothing() {
                    identity.settle_factor(tx, user, &given)?;
                }
                let email = identity.ensure_may_elevate(tx, user, session, now)?;
                identity.end_elevations_of(tx, user, Cause::Replaced)?;
                let elevation = Elevation {
                    id,
                    user_id: user,
                    user_email: email,
                    session_id: session,
                    reason: reason.clone(),
                    ip: caller.ip.map(|ip| ip.to_canonical().to_string()),
                    state: State::Active,
                    expires_at: within_reach(&store::latest(tx, user)?, now, length)?,
                    ended_at: None,
                    end_cause: None,
                    ended_by: None,
                    reviewed_at: None,
                    reviewed_by: None,
                    review_note: None,
                    created_at: now,
                    updated_at: now,
                };
                store::insert(tx, &elevation)?;
                identity.tell_administrators(tx, &elevation)?;
                identity.forget_principal(tx, user)?;
                let what = json!({
                    "reason": elevation.reason, "expires_at": elevation.expires_at, "session_id": session,
                });
                Ok((elevation, Event::new("elevation.started", "elevation", id).after(&what)))
            })
            .await;
        // A right code makes up for no wrong password.
        if let Some(attempt) = released {
            self.lockout.release(attempt).await?;
        }
        let started = started?;
        tracing::warn!(
            target: "portcullis::security", elevation_id = %id, user = started.user_email, reason = started.reason,
            until = %started.expires_at, "glass broken: a session holds every permission"
        );
        Ok(started)
    }

    fn tell_administrators(&self, tx: &Tx<'_>, elevation: &Elevation) -> Result<()> {
        if !self.mailer.is_configured() {
            return Ok(());
        }
        for administrator in users::administrators(tx)? {
            let letter = self
                .letter(Template::GlassBroken, &administrator)
                .with("who", &elevation.user_email)
                .with("reason", &elevation.reason)
                .with("until", spoken(elevation.expires_at))
                .with("ip", elevation.ip.as_deref().unwrap_or("this machine"))
                .with("link", format!("{}/console/elevations?open={}", self.address(), elevation.id));
            self.notify(tx, letter)?;
        }
        Ok(())
    }

    /// The password, the code or both; whatever is sent must be right. Failures count as those of log-ins do.
    async fn prove(
        &self,
        proof: &AllowedInSession<CreateElevations>,
        new: NewElevation,
        given: &Given,
    ) -> Result<Proof> {
        let (principal, caller) = (&proof.principal, proof.permit.caller());
        let (key, requester) = (Email::key_of(&principal.email), Requester::new(caller, None));
        let shown = match new.password {
            Some(password) => Proof::Password(Box::new(self.check_password(&key, password, &requester).await?)),
            None => Proof::Code(self.lockout.reserve(self.account_key(&key), caller.ip, Work::NotAsked).await?),
        };
        if given.is_nothing() {
            return Ok(shown);
        }
        let attempt = match &shown {
            Proof::Password(checked) => checked.attempt.clone(),
            Proof::Code(attempt) => attempt.clone(),
        };
        match self.db().read(|reader| self.find_factor(reader, principal.user_id, given)) {
            Ok(Some(_)) => Ok(shown),
            Ok(None) => {
                self.lockout.release(attempt).await?;
                let message = "You have no second factor. Send your password instead.";
                Err(Error::invalid_at("/totp", "no_second_factor", message))
            }
            Err(error) if error.code() == Code::InvalidCredentials => {
                let event = Event::new("login.code_failed", "user", principal.user_id);
                Err(self.count_failure(event, attempt, &requester).await)
            }
            Err(error) => {
                self.lockout.release(attempt).await?;
                Err(error)
            }
        }
    }

    /// What the request was let in for may have changed since: the session, the account and its right.
    fn ensure_may_elevate(&self, tx: &Tx<'_>, user: Id, session: Id, now: Time) -> Result<String> {
        let live = sessions::load(tx, By::Id(session))?
            .is_some_and(|session| session.ended_at.is_none() && session.expires_at > now);
        let account = users::find(tx, user)?.filter(|account| live && account.may_sign_in());
        let account = account.ok_or_else(|| Error::new(Code::Unauthenticated, "This session has ended."))?;
        if self.must_enrol(&account) || !may_elevate(&self.roles.snapshot().grants(&account.roles)) {
            return Err(Error::forbidden("This takes the permission elevations:create, which you do not hold."));
        }
        Ok(account.email)
    }
}

/// The end of an elevation that begins now, when with those before it in a row it stays within an hour.
fn within_reach(latest: &[(Time, Time)], now: Time, length: Duration) -> Result<Time> {
    let mut begun = now;
    let mut last_end = None;
    for (start, end) in latest {
        if end.plus(PAUSE) < begun {
            break;
        }
        last_end = last_end.max(Some(*end));
        begun = begun.min(*start);
    }
    let end = now.plus(length);
    if end <= begun.plus(LONGEST) {
        return Ok(end);
    }
    let left = begun.plus(LONGEST).since(now).as_secs() / 60;
    let again = last_end.unwrap_or(now).plus(PAUSE);
    let detail = format!(
        "Elevations with less than {} minutes between them last at most {MOST_MINUTES} minutes together: {left} are \
         left. After {again} a new one may take its full time.",
        PAUSE.as_secs() / 60
    );
    Err(Error::conflict(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_in_a_row_is_the_most() {
        let minute = |number: i64| Time(number * 60_000);
        let end = |latest: &[(i64, i64)], now, length: u64| {
            let latest: Vec<_> = latest.iter().map(|(start, end)| (minute(*start), minute(*end))).collect();
            within_reach(&latest, minute(now), Duration::from_secs(length * 60)).ok()
        };
        assert_eq!(end(&[], 100, 60), Some(minute(160)));
        assert_eq!(end(&[(100, 130)], 130, 30), Some(minute(160)));
        assert_eq!(end(&[(100, 130)], 130, 31), None);
        assert_eq!(end(&[(100, 130)], 140, 21), None, "a short pause does not start anew");
        assert_eq!(end(&[(100, 130)], 141, 60), Some(minute(201)));
        assert_eq!(end(&[(125, 150), (100, 120)], 155, 6), None, "the row goes back to its first");
        assert_eq!(end(&[(125, 150), (100, 114)], 155, 30), Some(minute(185)));
    }
}
