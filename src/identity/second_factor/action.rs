//! Setting up a second factor, asking for it, and taking it away.

use super::{
    authenticator::{Authenticator, Enrolment, SECRET_BYTES},
    recovery, store,
};
use crate::{
    audit::{Event, Record},
    error::{Code, Error, Result},
    identity::{Email, Identity, Password, Policy, sessions, sessions::Requester, users},
    ids::Id,
    mail::Template,
    permit::{Caller, Permit, Principal},
    secrets::{Purpose, random_bytes},
    storage::{Reader, Tx},
};
use serde_json::json;
use zeroize::Zeroizing;

/// What somebody signs in with beside their password.
#[derive(Clone, Debug, Default)]
pub(in crate::identity) struct Given {
    pub totp: Option<String>,
    pub recovery_code: Option<String>,
}

impl Given {
    pub fn is_nothing(&self) -> bool {
        self.totp.is_none() && self.recovery_code.is_none()
    }
}

/// What of it was right.
pub(in crate::identity) enum Factor {
    /// The time step of a code.
    Step(i64),
    /// The fingerprint of a recovery code.
    Recovery(String),
}

fn owner(user: Id) -> String {
    format!("totp:{user}")
}

impl Identity {
    /// Whether a person with these roles must have a second factor.
    fn requires_factor(&self, roles: &[String]) -> bool {
        let config = self.config.load();
        roles.iter().any(|role| config.auth.require_mfa_roles.contains(role))
    }

    /// Whether this person has yet to set up the second factor that a role of theirs takes.
    pub(in crate::identity) fn must_enrol(&self, user: &users::User) -> bool {
        !user.mfa_enabled && user.kind == users::Kind::Person && self.requires_factor(&user.roles)
    }

    pub(in crate::identity) fn password_policy(&self, roles: &[String]) -> Policy {
        let policy = Policy { min: self.config.load().auth.password_min as usize };
        if self.requires_factor(roles) { policy.with_factor() } else { policy }
    }

    /// What of `given` fits the second factor of `user`, where there is one.
    pub(in crate::identity) fn find_factor(
        &self,
        reader: &Reader<'_>,
        user: Id,
        given: &Given,
    ) -> Result<Option<Factor>> {
        let Some(stored) = store::find(reader, user)?.filter(|stored| stored.confirmed) else { return Ok(None) };
        let found = match given {
            Given { totp: Some(code), .. } => {
                let step = self.authenticator(user, &stored)?.step_of(code, self.clock().now());
                step.filter(|step| *step > stored.last_step).map(Factor::Step)
            }
            Given { recovery_code: Some(code), .. } => {
                let fingerprint = self.recovery_fingerprint(user, code);
                store::has_code(reader, user, &fingerprint)?.then_some(Factor::Recovery(fingerprint))
            }
            _ => {
                let detail = "Send the code of your authenticator app as `totp`, or a `recovery_code`.";
                return Err(Error::new(Code::MfaRequired, detail));
            }
        };
        found.map(Some).ok_or_else(sessions::wrong_credentials)
    }

    /// Takes the second factor in the log-in under way, so that no code is taken twice. Answers with the event of
    /// a recovery code that was used.
    pub(in crate::identity) fn settle_factor(&self, tx: &Tx<'_>, user: Id, given: &Given) -> Result<Option<Event>> {
        match self.find_factor(tx, user, given)? {
            None => Ok(None),
            Some(Factor::Step(step)) => store::take_step(tx, user, step).map(|()| None),
            Some(Factor::Recovery(fingerprint)) => {
                store::take_code(tx, user, &fingerprint)?;
                let left = json!({ "recovery_codes_left": store::codes_left(tx, user)? });
                Ok(Some(Event::new("user.recovery_code_used", "user", user).after(&left)))
            }
        }
    }

    fn authenticator(&self, user: Id, stored: &store::Stored) -> Result<Authenticator> {
        Authenticator::new(&self.keyring.unseal(Purpose::Fields, &owner(user), &stored.sealed, self.clock().now())?)
    }

    fn recovery_fingerprint(&self, user: Id, code: &str) -> String {
        self.fingerprint("recovery", &format!("{user}:{}", recovery::plain(code)))
    }

    /// A secret for the caller's authenticator app. It counts for nothing until a code of it was seen.
    pub(super) async fn begin_factor(&self, principal: &Principal) -> Result<Enrolment> {
        let user = principal.user_id;
        let secret = Zeroizing::new(random_bytes::<SECRET_BYTES>()?);
        let enrolment = Authenticator::new(&*secret)?.enrolment(&principal.email)?;
        let sealed = self.keyring.seal(Purpose::Fields, &owner(user), &*secret)?;
        let now = self.clock().now();
        self.ledger
            .unrecorded("a second factor begins once it is confirmed", move |tx| {
                if store::find(tx, user)?.is_some_and(|stored| stored.confirmed) {
                    return Err(Error::conflict(
                        "There is a second factor already. Switch it off first to set up another.",
                    ));
                }
                store::hand_out(tx, user, &sealed, now)
            })
            .await?;
        Ok(enrolment)
    }

    /// Puts the second factor in force with a first code; answers with the recovery codes.
    pub(super) async fn confirm_factor(
        &self,
        principal: &Principal,
        caller: &Caller,
        code: &str,
    ) -> Result<Vec<String>> {
        let (user, code, codes) = (principal.user_id, code.to_owned(), recovery::codes()?);
        let (identity, shown) = (self.clone(), codes.clone());
        self.ledger
            .change(&caller.actor(), move |tx| {
                let now = identity.clock().now();
                let stored = store::find(tx, user)?.filter(|stored| !stored.confirmed);
                let stored = stored
                    .ok_or_else(|| Error::conflict("Nothing waits to be confirmed. Begin with POST /auth/mfa/totp."))?;
                let step = identity.authenticator(user, &stored)?.step_of(&code, now);
                let step = step.filter(|step| *step > stored.last_step).ok_or_else(|| {
                    Error::invalid_at(
                        "/totp",
                        "wrong_code",
                        "This is not the code of now. Check the clock of your device.",
                    )
                })?;
                store::confirm(tx, user, step, now)?;
                identity.put_codes(tx, user, &codes)?;
                users::touch(tx, user, now)?;
                identity.forget_principal(tx, user)?;
                Ok(((), Event::new("user.mfa_enabled", "user", user)))
            })
            .await?;
        Ok(shown)
    }

    fn put_codes(&self, tx: &Tx<'_>, user: Id, codes: &[String]) -> Result<()> {
        let fingerprints: Vec<_> = codes.iter().map(|code| self.recovery_fingerprint(user, code)).collect();
        store::set_codes(tx, user, &fingerprints)
    }

    /// Switches the caller's second factor off.
    pub(super) async fn disable_factor(
        &self,
        principal: &Principal,
        caller: &Caller,
        password: Password,
    ) -> Result<()> {
        let checked = self.check_with_factor(principal, caller, password).await?;
        let identity = self.clone();
        self.ledger
            .change(&caller.actor(), move |tx| {
                let user = checked.settle(tx)?.id;
                Ok(((), identity.remove_factor(tx, user, "user.mfa_disabled")?))
            })
            .await
    }

    /// New recovery codes; earlier ones stop working.
    pub(super) async fn renew_codes(
        &self,
        principal: &Principal,
        caller: &Caller,
        password: Password,
    ) -> Result<Vec<String>> {
        let checked = self.check_with_factor(principal, caller, password).await?;
        let (identity, codes) = (self.clone(), recovery::codes()?);
        let shown = codes.clone();
        self.ledger
            .change(&caller.actor(), move |tx| {
                let user = checked.settle(tx)?;
                if !user.mfa_enabled {
                    return Err(no_factor());
                }
                identity.put_codes(tx, user.id, &codes)?;
                Ok(((), Event::new("user.recovery_codes_issued", "user", user.id)))
            })
            .await?;
        Ok(shown)
    }

    /// The caller's password once more, where they have a second factor.
    async fn check_with_factor(
        &self,
        principal: &Principal,
        caller: &Caller,
        password: Password,
    ) -> Result<sessions::Checked> {
        if !self.db().read(|reader| store::find(reader, principal.user_id))?.is_some_and(|stored| stored.confirmed) {
            return Err(no_factor());
        }
        self.check_password(&Email::key_of(&principal.email), password, &Requester::new(caller, None)).await
    }

    /// Takes the second factor of a user away who has lost it, recovery codes and all.
    pub async fn reset_factor(&self, permit: &Permit, id: Id) -> Result<users::User> {
        if permit.user_id() == Some(id) {
            let detail = "Switch your own second factor off with POST /auth/mfa/disable and your password.";
            return Err(Error::new(Code::ReauthenticationRequired, detail));
        }
        let (identity, permit) = (self.clone(), permit.clone());
        let actor = permit.actor();
        self.ledger
            .change(&actor, move |tx| {
                identity.ensure_not_above(&permit, &users::live(tx, id)?)?;
                let record = identity.remove_factor(tx, id, "user.mfa_reset")?;
                Ok((users::live(tx, id)?, record))
            })
            .await
    }

    fn remove_factor(&self, tx: &Tx<'_>, user: Id, action: &'static str) -> Result<Record> {
        if !store::remove(tx, user)? {
            return Ok(Record::Unchanged);
        }
        users::touch(tx, user, self.clock().now())?;
        let email = users::live(tx, user)?.email;
        self.notify(tx, self.letter(Template::SecondFactorRemoved, &email))?;
        self.forget_principal(tx, user)?;
        Ok(Event::new(action, "user", user).into())
    }
}

fn no_factor() -> Error {
    Error::conflict("There is no second factor. Set one up with POST /auth/mfa/totp.")
}
