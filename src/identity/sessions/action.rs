//! Signing in, refreshing and signing out.

use super::store::{self, NewSession};
use crate::{
    actor::{Actor, ActorKind},
    audit::{Event, Outcome, Record},
    clock::Time,
    error::{Code, Error, Result},
    identity::{
        Email, Identity, Password, Verified,
        challenge::Answer,
        elevations,
        lockout::{Attempt, Work},
        second_factor::Given,
        users,
    },
    ids::Id,
    permit::{Action, Caller, Principal, SessionKind},
    refusal::Check,
    secrets::random_token,
    storage::Tx,
};
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// A refresh token that comes again so soon, while its successor is unused, is a double click and no theft.
const DOUBLE_CLICK: Duration = Duration::from_secs(10);
const USER_AGENT_CHARS: usize = 256;

/// Whether everybody is kept out but those who may open again.
pub trait Closed: Send + Sync {
    fn refusal(&self) -> Option<Error>;
}

/// Who asks to sign in, as far as it is known.
#[derive(Clone, Debug)]
pub struct Requester {
    pub ip: Option<IpAddr>,
    pub request_id: Arc<str>,
    pub user_agent: Option<String>,
}

impl Requester {
    pub fn new(caller: &Caller, user_agent: Option<&str>) -> Self {
        let user_agent =
            user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS).collect());
        Self { ip: caller.ip, request_id: caller.request_id.clone(), user_agent }
    }

    pub(in crate::identity) fn actor(&self, user: &users::User) -> Actor {
        Actor::new(ActorKind::User, Some(user.id), user.email.as_str())
            .from_request(self.ip, Some(self.request_id.clone()))
    }

    fn stranger(&self) -> Actor {
        Actor::anonymous().from_request(self.ip, Some(self.request_id.clone()))
    }
}

/// What a log-in brings.
#[derive(Debug)]
pub(super) struct Credentials {
    pub email: String,
    pub password: Password,
    pub factor: Given,
    pub challenge: Option<Answer>,
}

/// What a log-in or a refresh gives.
#[derive(Debug)]
pub(super) struct Issued {
    pub session: Id,
    /// The cookie, or the refresh token.
    pub secret: String,
    pub user: users::User,
}

/// An account whose password was right.
pub(in crate::identity) struct Checked {
    pub account: users::Account,
    pub attempt: Attempt,
    rehashed: Option<String>,
}

impl Checked {
    /// To be called in the change that the password was asked for. Refuses when the account changed meanwhile.
    pub fn settle(&self, tx: &Tx<'_>) -> Result<users::User> {
        let now = users::account_of(tx, self.account.user.id)?.filter(|now| now.password == self.account.password);
        let user = now.map(|now| now.user).filter(users::User::may_sign_in).ok_or_else(wrong_credentials)?;
        self.attempt.succeed(tx)?;
        if let Some(hashed) = &self.rehashed {
            users::set_password(tx, user.id, hashed)?;
        }
        Ok(user)
    }
}

/// One refusal for every bad credential.
pub(in crate::identity) fn wrong_credentials() -> Error {
    Error::new(Code::InvalidCredentials, "The e-mail address or the password is not right.")
}

/// The same whether the password or the code was wrong: it follows from what was sent alone.
fn wrong_code() -> Error {
    Error::new(Code::InvalidCredentials, "The e-mail address, the password or the code is not right.")
}

impl Identity {
    /// The password of somebody who is signed in already.
    pub(in crate::identity) async fn check_password(
        &self,
        email_key: &str,
        password: Password,
        requester: &Requester,
    ) -> Result<Checked> {
        self.check(email_key, password, Work::NotAsked, requester).await
    }

    /// The one door that looks at passwords: waiting, locks and time are the same for every account there is
    /// and for every one there is not.
    async fn check(&self, email_key: &str, password: Password, work: Work, requester: &Requester) -> Result<Checked> {
        let place = self.hasher.place()?;
        let attempt = self.lockout.reserve(self.account_key(email_key), requester.ip, work).await?;
        let account = self.db().read(|reader| users::account(reader, email_key))?;
        let hashed = account.as_ref().and_then(|account| account.password.clone());
        let verified = match self.hasher.verify(place, password, hashed).await {
            Ok(verified) => verified,
            Err(error) => {
                self.lockout.release(attempt).await?;
                return Err(error);
            }
        };
        let rehashed = match verified {
            Verified::Wrong => return Err(self.refuse(account.as_ref(), attempt, requester).await),
            Verified::Right => None,
            Verified::Rehashed(hashed) => Some(hashed),
        };
        match account {
            Some(account) if account.user.may_sign_in() => Ok(Checked { account, attempt, rehashed }),
            other => Err(self.refuse(other.as_ref(), attempt, requester).await),
        }
    }

    async fn refuse(&self, account: Option<&users::Account>, attempt: Attempt, requester: &Requester) -> Error {
        let event = match account {
            Some(account) => Event::new("login.failed", "user", account.user.id),
            None => Event::bare("login.failed"),
        };
        let why = match account {
            None => "There is no account with this address.",
            Some(account) if !account.user.may_sign_in() => {
                "The account is disabled, waits for approval, or is a service's."
            }
            Some(account) if account.password.is_none() => "The account has no password yet.",
            Some(_) => "The password is wrong.",
        };
        self.count_failure(event, attempt, requester).await.because(Check::Credentials, why)
    }

    pub(in crate::identity) async fn count_failure(
        &self,
        event: Event,
        attempt: Attempt,
        requester: &Requester,
    ) -> Error {
        self.ledger.note(&requester.stranger(), event.outcome(Outcome::Failed));
        let network = attempt.network().to_owned();
        match self.lockout.failed(attempt).await {
            Ok(spray) => {
                if let Some(spray) = spray {
                    let event = Event::new("login.spray_seen", "network", network);
                    let event = event.after(&json!({ "kind": spray.as_str() })).outcome(Outcome::Failed);
                    self.ledger.note(&requester.stranger(), event);
                }
                wrong_credentials()
            }
            Err(error) => error,
        }
    }

    /// Asks the caller for their password once more, as dangerous acts do.
    pub async fn confirm_password(&self, principal: &Principal, password: Password, caller: &Caller) -> Result<()> {
        let key = Email::key_of(&principal.email);
        let checked = self.check_password(&key, password, &Requester::new(caller, None)).await?;
        self.ledger.unrecorded("a password was right", move |tx| checked.settle(tx).map(drop)).await
    }

    pub(super) async fn log_in(
        &self,
        credentials: Credentials,
        kind: SessionKind,
        requester: Requester,
    ) -> Result<Issued> {
        let account = self.account_key(&credentials.email);
        let ip = requester.ip;
        let with_code = !credentials.factor.is_nothing();
        match self.open_with(credentials, &account, kind, requester).await {
            Err(error) => Err(match error.code() {
                Code::MfaRequired => error,
                Code::ChallengeRequired => self.with_challenge(&account, ip, error)?,
                Code::InvalidCredentials if with_code => self.closed().unwrap_or_else(wrong_code),
                _ => self.closed().unwrap_or(error),
            }),
            opened => opened,
        }
    }

    async fn open_with(
        &self,
        credentials: Credentials,
        account: &str,
        kind: SessionKind,
        requester: Requester,
    ) -> Result<Issued> {
        let Credentials { email, password, factor, challenge } = credentials;
        let work = self.work_of(account, requester.ip, challenge)?;
        let checked = self.check(&Email::key_of(&email), password, work, &requester).await?;
        if let Some(refusal) = self.closed_to(&checked.account.user) {
            self.lockout.failed(checked.attempt).await?;
            return Err(refusal);
        }
        let (user, attempt) = (checked.account.user.id, checked.attempt.clone());
        let failure = if factor.is_nothing() { "login.failed" } else { "login.code_failed" };
        // A wrong code is refused before anything is written, so that it takes as long as a wrong password.
        let outcome = match self.db().read(|reader| self.find_factor(reader, user, &factor)) {
            Ok(_) => self.open(checked, factor, kind, &requester).await,
            Err(error) => Err(error),
        };
        match outcome {
            // A right password alone neither counts as a failure nor makes up for one.
            Err(error) if error.code() == Code::MfaRequired => {
                self.lockout.release(attempt).await?;
                Err(error)
            }
            Err(error) if error.code() == Code::InvalidCredentials => {
                Err(self.count_failure(Event::new(failure, "user", user), attempt, &requester).await)
            }
            outcome => outcome,
        }
    }

    async fn open(&self, checked: Checked, factor: Given, kind: SessionKind, requester: &Requester) -> Result<Issued> {
        let (identity, from) = (self.clone(), requester.clone());
        self.ledger
            .change(&requester.actor(&checked.account.user), move |tx| {
                let mut user = checked.settle(tx)?;
                let recovered = identity.settle_factor(tx, user.id, &factor)?;
                let now = identity.clock().now();
                users::signed_in(tx, user.id, now)?;
                user.last_login_at = Some(now);
                let new_device = identity.is_new_device(tx, user.id, from.user_agent.as_deref(), from.ip, now)?;
                let (session, secret) = identity.open_session(tx, user.id, kind, &from, new_device, now)?;
                let what = json!({ "user_id": user.id, "kind": store::kind_word(kind), "user_agent": from.user_agent });
                let event = Event::new("session.created", "session", session).after(&what);
                let warned = if new_device { Some(identity.warn_of(tx, &user, session, &from)?) } else { None };
                let events: Vec<_> = recovered.into_iter().chain([event]).chain(warned).collect();
                Ok((Issued { session, secret, user }, events))
            })
            .await
    }

    fn open_session(
        &self,
        tx: &Tx<'_>,
        user_id: Id,
        kind: SessionKind,
        requester: &Requester,
        new_device: bool,
        now: Time,
    ) -> Result<(Id, String)> {
        let secret = random_token(32)?;
        let fingerprint = self.fingerprint("session", &secret);
        let (secret_column, lifetime) = match kind {
            SessionKind::Cookie => (Some(fingerprint.clone()), self.session_max()),
            SessionKind::Token => (None, self.refresh_lifetime()),
        };
        let session = NewSession {
            id: Id::new(),
            user_id,
            kind,
            secret: secret_column,
            user_agent: requester.user_agent.clone(),
            ip: requester.ip.map(|ip| ip.to_canonical().to_string()),
            created_at: now,
            expires_at: now.plus(lifetime),
            new_device,
        };
        store::insert(tx, &session)?;
        if kind == SessionKind::Token {
            store::insert_refresh(tx, session.id, &fingerprint, now)?;
        }
        Ok((session.id, secret))
    }

    /// Takes a refresh token for its successor. One that comes again ends its session, unless it is a double click.
    pub(super) async fn refresh(&self, token: &str, requester: Requester) -> Result<Issued> {
        let refused = || Error::new(Code::InvalidCredentials, "The refresh token is not good any more. Sign in again.");
        let fingerprint = self.fingerprint("session", token);
        let owner = self.db().read(|reader| {
            let Some(found) = store::find_refresh(reader, &fingerprint)? else { return Ok(None) };
            Ok(users::account_of(reader, found.session.user_id)?.map(|account| account.user))
        })?;
        let Some(owner) = owner else { return Err(self.closed().unwrap_or_else(refused)) };
        if let Some(refusal) = self.closed_to(&owner) {
            return Err(refusal);
        }
        let (actor, identity) = (requester.actor(&owner), self.clone());
        let issued = self.ledger.change(&actor, move |tx| identity.rotate(tx, &fingerprint)).await?;
        issued.ok_or_else(refused)
    }

    fn rotate(&self, tx: &Tx<'_>, fingerprint: &str) -> Result<(Option<Issued>, Record)> {
        let Some(found) = store::find_refresh(tx, fingerprint)? else { return Ok((None, Record::Unchanged)) };
        let now = self.clock().now();
        let session = &found.session;
        if session.ended_at.is_some() || session.expires_at <= now {
            return Ok((None, Record::Unchanged));
        }
        if let Some(replaced_at) = found.replaced_at {
            if !found.successor_used && now.since(replaced_at) <= DOUBLE_CLICK {
                return Ok((None, Record::Unchanged));
            }
            store::end(tx, session.user_id, session.id, now)?;
            self.forget_principal(tx, session.user_id)?;
            let event = Event::new("session.refresh_reused", "session", session.id).outcome(Outcome::Denied);
            return Ok((None, event.into()));
        }
        let account = users::account_of(tx, session.user_id)?.filter(|account| account.user.may_sign_in());
        let Some(account) = account else { return Ok((None, Record::Unchanged)) };
        let secret = random_token(32)?;
        let successor = self.fingerprint("session", &secret);
        store::rotate(tx, session.id, fingerprint, &successor, now, now.plus(self.refresh_lifetime()))?;
        let event = Event::new("session.refreshed", "session", session.id);
        Ok((Some(Issued { session: session.id, secret, user: account.user }), event.into()))
    }

    /// Ends one session of the caller's own; another's is not found.
    pub(super) async fn end_session(&self, actor: &Actor, user: Id, session: Id) -> Result<()> {
        let identity = self.clone();
        self.ledger
            .change(actor, move |tx| {
                if !store::end(tx, user, session, identity.clock().now())? {
                    return Err(Error::not_found());
                }
                identity.forget_principal(tx, user)?;
                Ok(((), Event::new("session.ended", "session", session)))
            })
            .await
    }

    pub(super) async fn end_sessions(&self, actor: &Actor, user: Id) -> Result<()> {
        let identity = self.clone();
        self.ledger
            .change(actor, move |tx| {
                let ended = store::end_all(tx, user, None, identity.clock().now())?;
                identity.forget_principal(tx, user)?;
                Ok(((), Event::new("user.sessions_ended", "user", user).after(&json!({ "sessions": ended }))))
            })
            .await
    }

    /// Sets a new password; every other session ends.
    pub(super) async fn change_password(
        &self,
        principal: &Principal,
        caller: &Caller,
        current: Password,
        new: Password,
    ) -> Result<()> {
        let roles: Vec<String> = principal.roles.iter().map(ToString::to_string).collect();
        let account = (&*principal.email, principal.name.as_deref());
        self.judge_password(&new, account, &roles, "/new_password")?;
        let checked =
            self.check_password(&Email::key_of(&principal.email), current, &Requester::new(caller, None)).await?;
        let hashed = self.hasher.hash(new).await?;
        let (identity, keep) = (self.clone(), principal.session.as_ref().map(|session| session.id));
        self.ledger
            .change(&caller.actor(), move |tx| {
                let user = checked.settle(tx)?;
                users::set_password(tx, user.id, &hashed)?;
                store::end_all(tx, user.id, keep, identity.clock().now())?;
                identity.notify_of_password(tx, &user.email, "Your other sessions have ended.")?;
                identity.end_elevations_of(tx, user.id, elevations::Cause::PasswordChanged)?;
                identity.forget_principal(tx, user.id)?;
                Ok(((), Event::new("user.password_changed", "user", user.id)))
            })
            .await
    }

    fn closed(&self) -> Option<Error> {
        self.gate.get().and_then(|gate| gate.refusal())
    }

    /// The refusal for a user who may not open the gate again, while it is closed.
    fn closed_to(&self, user: &users::User) -> Option<Error> {
        let refusal = self.closed()?;
        let grants = self.roles.snapshot().grants(&user.roles);
        grants.reach("kill_switch", None, Action::Write).is_none().then_some(refusal)
    }
}
