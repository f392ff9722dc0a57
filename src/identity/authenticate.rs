//! From credentials to a principal: one cache look-up on the hot path, and never older than the last change of
//! the user, their sessions and keys, or any role.

use super::{
    Identity, api_keys, elevations,
    sessions::{self, By, Loaded},
    users,
};
use crate::{
    access::{KeyCatalogue, KeyHolder},
    cache::{Cache, CacheStats, Stamp},
    clock::Time,
    error::{Code, Error, Result},
    ids::Id,
    permit::{
        Authenticate, Clearance, Credential, Elevated, Extent, Grants, KeyRef, Permission, Principal, SessionKind,
        SessionRef,
    },
    refusal::Check,
    storage::Tx,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How exact `last_used_at` is.
const USE_WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// What an entry takes beside its key, about.
const ENTRY_BYTES: usize = 1024;

/// Says who somebody is. Clones share the cache.
#[derive(Clone)]
pub struct Authenticator {
    identity: Identity,
    known: Cache<Box<str>, Arc<Known>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Session(SessionKind),
    Key,
}

/// A credential that was verified.
struct Known {
    principal: Arc<Principal>,
    kind: Kind,
    /// Of the session, or of the key.
    id: Id,
    until: Time,
    /// Until when the principal is the elevated one.
    elevated_until: Time,
    last_used: AtomicI64,
    last_written: AtomicI64,
}

#[allow(clippy::borrowed_box)]
fn weigh(token: &Box<str>, _: &Arc<Known>) -> usize {
    token.len() + ENTRY_BYTES
}

impl Authenticate for Authenticator {
    fn authenticate(&self, credential: Credential<'_>) -> Result<Arc<Principal>> {
        let now = self.identity.clock().now();
        let known = self.know(credential, now)?;
        self.note_use(&known, now);
        Ok(known.principal.clone())
    }

    fn recheck(&self, credential: Credential<'_>) -> Result<Arc<Principal>> {
        self.know(credential, self.identity.clock().now()).map(|known| known.principal.clone())
    }

    fn anonymous(&self) -> Arc<Grants> {
        self.identity.roles.snapshot().anonymous()
    }
}

impl Authenticator {
    /// What is known of a credential that is good now.
    fn know(&self, credential: Credential<'_>, now: Time) -> Result<Arc<Known>> {
        let (secret, kind) = match credential {
            Credential::Key(secret) => (secret, Kind::Key),
            Credential::Bearer(secret) if api_keys::is_marked(secret) => (secret, Kind::Key),
            Credential::Bearer(token) => (token, Kind::Session(SessionKind::Token)),
            Credential::Cookie(secret) => (secret, Kind::Session(SessionKind::Cookie)),
        };
        let good = |known: &Arc<Known>| known.kind == kind && now < known.elevated_until;
        let known = match self.known.get(secret).filter(good) {
            Some(known) => known,
            None => match kind {
                Kind::Session(kind) => self.verify_session(secret, kind, now)?,
                Kind::Key => self.verify_key(secret, now)?,
            },
        };
        self.ensure_in_time(&known, now)?;
        Ok(known)
    }

    /// Keeps verified credentials for `ttl` and in `capacity_bytes` at most.
    pub fn new(identity: Identity, capacity_bytes: u64, ttl: Duration) -> Self {
        let principals = identity.roles.principals().clone();
        let known = Cache::sharing(principals, "principals", capacity_bytes, ttl, weigh);
        Self { identity, known }
    }

    pub fn stats(&self) -> CacheStats {
        self.known.stats()
    }

    /// Checks what time alone changes.
    fn ensure_in_time(&self, known: &Known, now: Time) -> Result<()> {
        if now >= known.until {
            return Err(expired(known.kind));
        }
        let idle = now.since(Time(known.last_used.load(Relaxed)));
        if known.kind == Kind::Session(SessionKind::Cookie) && idle >= self.identity.session_idle() {
            return Err(expired(known.kind));
        }
        Ok(())
    }

    fn note_use(&self, known: &Known, now: Time) {
        known.last_used.fetch_max(now.millis(), Relaxed);
        let written = known.last_written.load(Relaxed);
        if now.since(Time(written)) >= USE_WRITTEN_EVERY
            && known.last_written.compare_exchange(written, now.millis(), Relaxed, Relaxed).is_ok()
        {
            self.write_use(known.kind, known.id, now);
        }
    }

    fn write_use(&self, kind: Kind, id: Id, at: Time) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let ledger = self.identity.ledger.clone();
        runtime.spawn(async move {
            let write = move |tx: &Tx<'_>| match kind {
                Kind::Session(_) => sessions::used(tx, id, at),
                Kind::Key => api_keys::used(tx, id, at),
            };
            if let Err(error) = ledger.unrecorded("when a session or a key was last used", write).await {
                tracing::warn!(?error, "the use of a session or a key could not be written");
            }
        });
    }

    fn verify_key(&self, secret: &str, now: Time) -> Result<Arc<Known>> {
        if !api_keys::looks_like_one(secret) {
            return Err(bad_key("What was sent is not written like a key of this server."));
        }
        let fingerprint = self.identity.fingerprint("api_key", secret);
        let load = || self.identity.db().read(|reader| api_keys::load(reader, &fingerprint))?.ok_or_else(unknown_key);
        let owner = load()?.owner_id;
        // The stamp comes before every read, so that a change in between outdates what is kept.
        let stamp = self.known.generations().stamp(&owner);
        let key = load()?;
        let owner = self.identity.db().read(|reader| users::find(reader, owner))?;
        let owner = owner.filter(users::User::is_active).ok_or_else(inactive_owner)?;
        let until = [key.expires_at, key.ends_at].into_iter().flatten().min().unwrap_or(Time(i64::MAX));
        let (grants, enrol_only) = self.identity.held_by_key(&owner, key.scopes);
        let last_used = key.last_used_at.unwrap_or_default().millis();
        let shown =
            KeyRef { id: key.id, name: key.name.into(), expires_at: key.expires_at, per_minute: key.per_minute };
        let known = Arc::new(Known {
            principal: Arc::new(Principal { key: Some(shown), ..principal(owner, grants, enrol_only) }),
            kind: Kind::Key,
            id: key.id,
            until,
            elevated_until: Time(i64::MAX),
            last_used: AtomicI64::new(last_used),
            last_written: AtomicI64::new(last_used),
        });
        self.ensure_in_time(&known, now)?;
        self.known.insert(secret.into(), known.clone(), stamp);
        Ok(known)
    }

    fn verify_session(&self, secret: &str, kind: SessionKind, now: Time) -> Result<Arc<Known>> {
        let principals = self.known.generations();
        // The stamp comes before every read, so that a change in between outdates what is kept.
        let (stamp, loaded, until, csrf): (Stamp, Loaded, Time, String) = match kind {
            SessionKind::Token => {
                let (claims, ends) = self.identity.tokens.verify(secret)?;
                let stamp = principals.stamp(&claims.sub);
                let session = self.load(By::Id(claims.sid))?.filter(|session| session.user_id == claims.sub);
                let session = session.ok_or_else(no_session)?;
                let until = session.expires_at.min(ends);
                (stamp, session, until, String::new())
            }
            SessionKind::Cookie => {
                let fingerprint = self.identity.fingerprint("session", secret);
                let owner = self.load(By::Secret(&fingerprint))?.ok_or_else(no_session)?.user_id;
                let stamp = principals.stamp(&owner);
                let session = self.load(By::Secret(&fingerprint))?.ok_or_else(no_session)?;
                (stamp, session.clone(), session.expires_at, self.identity.csrf_token(secret))
            }
        };
        if loaded.kind != kind || loaded.ended_at.is_some() {
            return Err(ended("The session was ended: by signing out, by an administrator, or by a new password."));
        }
        let user = self.identity.db().read(|reader| users::find(reader, loaded.user_id))?;
        let user = user.filter(users::User::may_sign_in).ok_or_else(not_admitted)?;
        let (grants, enrol_only) = self.identity.held_by(&user);
        let principal = principal(user, grants, enrol_only);
        let principal = self.elevated(principal, loaded.id, now)?;
        let elevated_until = principal.elevated.as_ref().map_or(Time(i64::MAX), |elevated| elevated.expires_at);
        let session = SessionRef { id: loaded.id, kind, csrf_token: csrf.into(), expires_at: until };
        let known = Arc::new(Known {
            principal: Arc::new(Principal { session: Some(session), ..principal }),
            kind: Kind::Session(kind),
            id: loaded.id,
            until,
            elevated_until,
            last_used: AtomicI64::new(loaded.last_used_at.millis()),
            last_written: AtomicI64::new(loaded.last_used_at.millis()),
        });
        self.ensure_in_time(&known, now)?;
        self.known.insert(secret.into(), known.clone(), stamp);
        Ok(known)
    }

    /// The principal as its session's elevation makes it, while one runs that its holder may still have.
    fn elevated(&self, principal: Principal, session: Id, now: Time) -> Result<Principal> {
        let Some(running) = self.identity.db().read(|reader| elevations::running(reader, session))? else {
            return Ok(principal);
        };
        if !running.holds_at(now) || !elevations::may_elevate(&principal.grants) {
            self.identity.settle_elevations_soon();
            return Ok(principal);
        }
        let everything = Grants::new(vec![Permission::EVERYTHING], Some(Clearance::Restricted));
        let elevated = Elevated { id: running.id, expires_at: running.expires_at, own: principal.grants };
        Ok(Principal { grants: Arc::new(everything), elevated: Some(elevated), ..principal })
    }

    fn load(&self, by: By<'_>) -> Result<Option<Loaded>> {
        self.identity.db().read(|reader| sessions::load(reader, by))
    }
}

impl Identity {
    /// What an account may do now: nothing while a second factor is missing that it must have.
    fn held_by(&self, user: &users::User) -> (Grants, bool) {
        let enrol_only = self.must_enrol(user);
        let grants = if enrol_only { Grants::default() } else { self.roles.snapshot().grants(&user.roles) };
        (grants, enrol_only)
    }

    /// What a key with these scopes may do now, in its owner's name.
    fn held_by_key(&self, owner: &users::User, scopes: Vec<Permission>) -> (Grants, bool) {
        let (held, enrol_only) = self.held_by(owner);
        // A rule on a field that the owner may not see any more would tell what it holds.
        let seen = |scope: &Permission| !matches!(scope.extent, Extent::Where(_)) || self.roles.may_grant(&held, scope);
        let scopes: Vec<_> = scopes.into_iter().filter(seen).collect();
        (Grants::within(held, &scopes), enrol_only)
    }

    /// An account, deleted or not, as the principal that it would be now; inactive ones hold nothing.
    pub fn principal_of(&self, id: Id) -> Result<Option<(users::User, Principal)>> {
        let Some(user) = self.db().read(|reader| users::find(reader, id))? else { return Ok(None) };
        let enrol_only = self.must_enrol(&user);
        let roles: &[String] = if user.is_active() { &user.roles } else { &[] };
        let grants = self.roles.snapshot().grants(roles);
        let principal = principal(users::User { roles: roles.to_vec(), ..user.clone() }, grants, enrol_only);
        Ok(Some((user, principal)))
    }

    /// Somebody who acts through what they were handed earlier, by a key of theirs where it was one, as they may now;
    /// nobody once the account is not active, or the key has ended.
    pub fn acting(&self, user: Id, key: Option<Id>) -> Result<Option<Principal>> {
        let Some((user, principal)) = self.principal_of(user)?.filter(|(user, _)| user.is_active()) else {
            return Ok(None);
        };
        let Some(key) = key else { return Ok(Some(principal)) };
        let found = self.db().read(|reader| api_keys::find(reader, key))?;
        let now = self.clock().now();
        let good = found.filter(|key| key.owner_id == user.id && key.expires_at.is_none_or(|end| now < end));
        Ok(good.map(|key| {
            let shown = KeyRef {
                id: key.id,
                name: key.name.into(),
                expires_at: key.expires_at,
                per_minute: key.rate_limit.map(|limit| limit.per_minute),
            };
            let grants = Arc::new(Grants::within((*principal.grants).clone(), &key.scopes));
            Principal { key: Some(shown), grants, ..principal }
        }))
    }
}

/// Those that work now.
impl KeyCatalogue for Identity {
    fn keys(&self) -> Result<Vec<KeyHolder>> {
        let now = self.clock().now();
        let live = self.db().read(api_keys::all)?.into_iter().filter(|key| key.expires_at.is_none_or(|end| end > now));
        let mut holders = Vec::new();
        for key in live {
            let owner = self.db().read(|reader| users::find(reader, key.owner_id))?;
            let Some(owner) = owner.filter(users::User::is_active) else { continue };
            let (grants, _) = self.held_by_key(&owner, key.scopes);
            holders.push(KeyHolder { id: key.id, name: key.name, owner_email: key.owner_email, grants });
        }
        Ok(holders)
    }
}

/// An account, of which nothing says yet how it calls.
fn principal(user: users::User, grants: Grants, enrol_only: bool) -> Principal {
    Principal {
        user_id: user.id,
        email: user.email.into(),
        name: user.name.map(Into::into),
        roles: user.roles.into_iter().map(Into::into).collect(),
        grants: Arc::new(grants),
        data: Arc::new(serde_json::Value::Object(user.data)),
        session: None,
        key: None,
        elevated: None,
        enrol_only,
    }
}

fn bad_key(why: &'static str) -> Error {
    Error::new(Code::Unauthenticated, "This API key is not valid, or not any more.").because(Check::Authentication, why)
}

fn unknown_key() -> Error {
    bad_key("There is no such API key: it was never made here, or it was revoked.")
}

fn inactive_owner() -> Error {
    bad_key("The account that the API key acts for is not active.")
}

fn ended(why: &'static str) -> Error {
    Error::new(Code::Unauthenticated, "This session has ended. Sign in again.").because(Check::Authentication, why)
}

fn no_session() -> Error {
    ended("There is no such session: it was revoked or has been cleared away, or the cookie is not of this server.")
}

fn not_admitted() -> Error {
    ended("The account of the session may not sign in: it is disabled, waits for approval, or is deleted.")
}

fn expired(kind: Kind) -> Error {
    match kind {
        Kind::Key => bad_key("The API key has expired, or this secret of it was replaced and its overlap is over."),
        Kind::Session(SessionKind::Token) => {
            Error::new(Code::TokenExpired, "The access token has expired. Refresh it or sign in again.")
                .because(Check::Authentication, "The access token, or its session, has expired.")
        }
        Kind::Session(SessionKind::Cookie) => Error::new(
            Code::Unauthenticated,
            "This session has expired. Sign in again.",
        )
        .because(Check::Authentication, "The session was left unused for too long, or has reached its longest time."),
    }
}
