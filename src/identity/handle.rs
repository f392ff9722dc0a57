//! The handle for everything about identity.

use super::{Email, Hasher, Lockout, Tokens, elevations::WithRoles, offline::OfflineTries, sessions::Closed, users};
use crate::{
    access::Roles,
    audit::Ledger,
    clock::Clock,
    config::{Live, Signup},
    error::{Error, Result},
    ids::Id,
    mail::Mailer,
    observation::Observations,
    personal::DataKeys,
    secrets::Keyring,
    storage::{Db, Tx},
};
use std::{
    ops::Deref,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

/// Clones share everything.
#[derive(Clone)]
pub struct Identity(Arc<Parts>);

/// What the folder's own files work with.
pub struct Parts {
    pub(super) ledger: Ledger,
    pub(super) roles: Roles,
    pub(super) hasher: Hasher,
    pub(super) tokens: Tokens,
    pub(super) lockout: Lockout,
    pub(super) offline: OfflineTries,
    pub(super) config: Live,
    pub(super) gate: OnceLock<Arc<dyn Closed>>,
    pub(super) observations: OnceLock<Observations>,
    pub(super) keyring: Keyring,
    pub(super) keys: DataKeys,
    pub(super) mailer: Mailer,
    address: OnceLock<String>,
}

impl Deref for Identity {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

pub(super) fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 60)
}

impl Identity {
    pub fn new(ledger: Ledger, roles: Roles, keys: DataKeys, mailer: Mailer, config: Live) -> Result<Self> {
        let keyring = keys.keyring().clone();
        let (known, told) = (roles.clone(), Mutex::new(Vec::new()));
        config.subscribe(move |config| {
            let required = &config.auth.require_mfa_roles;
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if *told != *required {
                for role in required.iter().filter(|role| known.snapshot().get(role).is_none()) {
                    tracing::warn!(role, "auth.require_mfa_roles names a role that does not exist");
                }
                told.clone_from(required);
                // Whoever is signed in may have to set up a second factor now.
                known.principals().bump_all();
            }
        });
        let identity = Self(Arc::new(Parts {
            hasher: Hasher::start(config.load().auth.bcrypt_cost)?,
            tokens: Tokens::new(keyring.clone(), ledger.clock().clone(), config.clone()),
            lockout: Lockout::new(ledger.clone(), config.clone()),
            offline: OfflineTries::default(),
            config,
            gate: OnceLock::new(),
            observations: OnceLock::new(),
            address: OnceLock::new(),
            ledger,
            roles,
            keyring,
            keys,
            mailer,
        }));
        identity.roles.followed_by(Arc::new(WithRoles(Arc::downgrade(&identity.0))));
        Ok(identity)
    }

    pub(super) fn of(parts: &Weak<Parts>) -> Result<Self> {
        parts.upgrade().map(Self).ok_or_else(|| Error::internal("what belongs to identity is gone"))
    }

    /// Has log-ins ask `gate` whether everybody else is kept out.
    pub fn ask(&self, gate: Arc<dyn Closed>) {
        let _ = self.gate.set(gate);
    }

    /// Has what is in observe mode here counted.
    pub fn observe(&self, observations: Observations) {
        let _ = self.observations.set(observations);
    }

    /// Where this instance is reached when the configuration does not say, such as `http://127.0.0.1:8080`.
    pub fn reached_at(&self, address: String) {
        let _ = self.address.set(address);
    }

    /// Where people and programs reach this instance.
    pub fn address(&self) -> String {
        let config = self.config.load();
        let said = config.server.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
        let found = said.or_else(|| self.address.get().cloned());
        found.unwrap_or_else(|| format!("http://{}", config.server.listen))
    }

    /// Whether people can make accounts themselves.
    pub(super) fn signup(&self) -> Signup {
        self.config.load().auth.signup
    }

    /// How long a refresh token lives.
    pub(super) fn refresh_lifetime(&self) -> Duration {
        minutes(self.config.load().auth.refresh_days * 24 * 60)
    }

    /// How long a console session lives without use.
    pub(super) fn session_idle(&self) -> Duration {
        minutes(self.config.load().auth.session_idle_minutes)
    }

    /// How long a console session lives in any case.
    pub(super) fn session_max(&self) -> Duration {
        minutes(self.config.load().auth.session_max_hours * 60)
    }

    pub fn set_password_url(&self, token: &str) -> String {
        format!("{}/console/set-password#token={token}", self.address())
    }

    pub(super) fn sessions_url(&self) -> String {
        format!("{}/console/sessions", self.address())
    }

    pub fn setup_url(&self, token: &str) -> String {
        format!("{}/console/setup#token={token}", self.address())
    }

    /// Whether this instance is known to be reached by HTTPS.
    pub fn is_https(&self) -> bool {
        self.address().starts_with("https://")
    }

    pub(super) fn db(&self) -> &Db {
        self.ledger.db()
    }

    pub(super) fn clock(&self) -> &Clock {
        self.ledger.clock()
    }

    /// What is kept of a secret, or of an address that may belong to nobody.
    pub(super) fn fingerprint(&self, purpose: &str, secret: &str) -> String {
        hex::encode(self.keyring.fingerprint(format!("{purpose}:{secret}").as_bytes()))
    }

    /// By what failed log-ins of an account are counted.
    pub(super) fn account_key(&self, email: &str) -> String {
        self.fingerprint("account", &Email::key_of(email))
    }

    /// What a write by this cookie must say in `X-CSRF-Token`.
    pub(super) fn csrf_token(&self, cookie: &str) -> String {
        self.fingerprint("csrf", cookie)
    }

    /// Ends what is cached of a user, and elevations that what was changed ends, once the change under way is committed.
    pub(super) fn forget_principal(&self, tx: &Tx<'_>, user: Id) -> Result<()> {
        self.settle_elevations_of(tx, user, &self.roles.snapshot())?;
        let principals = self.roles.principals().clone();
        tx.after_commit(move || principals.bump(&user));
        Ok(())
    }

    pub(crate) fn view(&self, user: users::User) -> Result<users::UserView> {
        let locked = self.db().read(|reader| self.lockout.locked(reader))?;
        let until = if locked.is_empty() { None } else { locked.get(&self.account_key(&user.email)).copied() };
        Ok(users::UserView::new(user, until))
    }
}
