//! From credentials to a principal: one cache look-up on the hot path, and never older than the last change of
//! the user, their sessions or any role.

use super::{
    Identity,
    sessions::{self, By, Loaded},
    users,
};
use crate::{
    cache::{Cache, CacheStats, Stamp},
    clock::Time,
    error::{Code, Error, Result},
    ids::Id,
    permit::{Authenticate, Credential, Grants, Principal, SessionKind, SessionRef},
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

/// A credential that was verified.
struct Known {
    principal: Arc<Principal>,
    session: Id,
    kind: SessionKind,
    until: Time,
    last_used: AtomicI64,
    last_written: AtomicI64,
}

#[allow(clippy::borrowed_box)]
fn weigh(token: &Box<str>, _: &Arc<Known>) -> usize {
    token.len() + ENTRY_BYTES
}

impl Authenticate for Authenticator {
    fn authenticate(&self, credential: Credential<'_>) -> Result<Arc<Principal>> {
        let (secret, kind) = match credential {
            Credential::Bearer(token) => (token, SessionKind::Token),
            Credential::Cookie(secret) => (secret, SessionKind::Cookie),
            Credential::Key(_) => return Err(crate::permit::unauthenticated()),
        };
        let now = self.identity.clock().now();
        let known = match self.known.get(secret).filter(|known| known.kind == kind) {
            Some(known) => known,
            None => self.verify(secret, kind, now)?,
        };
        self.admit(&known, now)?;
        Ok(known.principal.clone())
    }

    fn anonymous(&self) -> Arc<Grants> {
        self.identity.roles.snapshot().anonymous()
    }
}

impl Authenticator {
    /// Keeps verified credentials for `ttl` and in `capacity_bytes` at most.
    pub fn new(identity: Identity, capacity_bytes: u64, ttl: Duration) -> Self {
        let principals = identity.roles.principals().clone();
        let known = Cache::sharing(principals, "principals", capacity_bytes, ttl, weigh);
        Self { identity, known }
    }

    pub fn stats(&self) -> CacheStats {
        self.known.stats()
    }

    /// Checks what time alone changes, and notes the use.
    fn admit(&self, known: &Known, now: Time) -> Result<()> {
        if now >= known.until {
            return Err(expired(known.kind));
        }
        let idle = now.since(Time(known.last_used.load(Relaxed)));
        if known.kind == SessionKind::Cookie && idle >= self.identity.settings.session_idle {
            return Err(expired(known.kind));
        }
        known.last_used.fetch_max(now.millis(), Relaxed);
        let written = known.last_written.load(Relaxed);
        if now.since(Time(written)) >= USE_WRITTEN_EVERY
            && known.last_written.compare_exchange(written, now.millis(), Relaxed, Relaxed).is_ok()
        {
            self.write_use(known.session, now);
        }
        Ok(())
    }

    fn write_use(&self, session: Id, at: Time) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let ledger = self.identity.ledger.clone();
        runtime.spawn(async move {
            let written =
                ledger.unrecorded("when a session was last used", move |tx| sessions::used(tx, session, at)).await;
            if let Err(error) = written {
                tracing::warn!(?error, "the use of a session could not be written");
            }
        });
    }

    fn verify(&self, secret: &str, kind: SessionKind, now: Time) -> Result<Arc<Known>> {
        let principals = self.known.generations();
        // The stamp comes before every read, so that a change in between outdates what is kept.
        let (stamp, loaded, until, csrf): (Stamp, Loaded, Time, String) = match kind {
            SessionKind::Token => {
                let claims = self.identity.tokens.verify(secret)?;
                let stamp = principals.stamp(&claims.sub);
                let session = self.load(By::Id(claims.sid))?.filter(|session| session.user_id == claims.sub);
                let session = session.ok_or_else(ended)?;
                let until = session.expires_at.min(claims.ends_at());
                (stamp, session, until, String::new())
            }
            SessionKind::Cookie => {
                let fingerprint = self.identity.fingerprint("session", secret);
                let owner = self.load(By::Secret(&fingerprint))?.ok_or_else(ended)?.user_id;
                let stamp = principals.stamp(&owner);
                let session = self.load(By::Secret(&fingerprint))?.ok_or_else(ended)?;
                (stamp, session.clone(), session.expires_at, self.identity.csrf_token(secret))
            }
        };
        if loaded.kind != kind || loaded.ended_at.is_some() {
            return Err(ended());
        }
        let user = self.identity.db().read(|reader| users::find(reader, loaded.user_id))?;
        let user = user.filter(users::User::is_active).ok_or_else(ended)?;
        let session = SessionRef { id: loaded.id, kind, csrf_token: csrf.into(), expires_at: until };
        let known = Arc::new(Known {
            principal: Arc::new(self.principal(user, session)),
            session: loaded.id,
            kind,
            until,
            last_used: AtomicI64::new(loaded.last_used_at.millis()),
            last_written: AtomicI64::new(loaded.last_used_at.millis()),
        });
        self.admit(&known, now)?;
        self.known.insert(secret.into(), known.clone(), stamp);
        Ok(known)
    }

    fn load(&self, by: By<'_>) -> Result<Option<Loaded>> {
        self.identity.db().read(|reader| sessions::load(reader, by))
    }

    fn principal(&self, user: users::User, session: SessionRef) -> Principal {
        let enrol_only = self.identity.must_enrol(&user);
        let grants = if enrol_only { Grants::default() } else { self.identity.roles.snapshot().grants(&user.roles) };
        Principal {
            user_id: user.id,
            email: user.email.into(),
            name: user.name.map(Into::into),
            roles: user.roles.into_iter().map(Into::into).collect(),
            grants: Arc::new(grants),
            data: Arc::new(serde_json::Value::Object(user.data)),
            session: Some(session),
            key: None,
            enrol_only,
        }
    }
}

fn ended() -> Error {
    Error::new(Code::Unauthenticated, "This session has ended. Sign in again.")
}

fn expired(kind: SessionKind) -> Error {
    match kind {
        SessionKind::Token => {
            Error::new(Code::TokenExpired, "The access token has expired. Refresh it or sign in again.")
        }
        SessionKind::Cookie => Error::new(Code::Unauthenticated, "This session has expired. Sign in again."),
    }
}
