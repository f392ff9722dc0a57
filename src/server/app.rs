//! What the program is made of: each handle made once, for the server and for commands alike.

use super::{idempotency::Idempotency, routes};
use crate::{
    access::Roles,
    alerts::{self, Alerts},
    audit::Ledger,
    background::Background,
    backup::{self, Backups},
    cache::Generations,
    clock::Clock,
    config::{Config, Live, Loaded},
    data::{
        entities::{ClosedTypes, Entities, EntityCache},
        entity_types::EntityTypes,
        files::Files,
    },
    decisions::Decisions,
    doctor::{Doctor, Patient},
    error::{Error, Result},
    events::Feed,
    filter::CursorKey,
    identity::{Authenticator, Closed, Identity},
    inspection::Inspection,
    kill_switch::KillSwitch,
    mail::Mailer,
    observability::{Metrics, SecurityLog, Traffic},
    observation::Observations,
    outbound::Outbound,
    permit::Authenticate,
    personal::DataKeys,
    rate_limit::RateLimiter,
    rotation::Secrets,
    secrets::Keyring,
    settings::Settings,
    storage::{self, DataFolder, FolderLock},
    webhooks::Webhooks,
};
use std::{path::Path, sync::Arc, time::Duration};

impl Closed for KillSwitch {
    fn refusal(&self) -> Option<Error> {
        self.refuses_log_in()
    }
}

impl ClosedTypes for KillSwitch {
    fn refuses(&self, entity_type: &str) -> Option<Error> {
        self.refuses_type(entity_type)
    }
}

/// Every handle, and the lock on the data folder.
#[derive(Clone)]
pub struct App {
    pub config: Live,
    pub settings: Settings,
    pub clock: Clock,
    pub folder: DataFolder,
    pub keyring: Keyring,
    pub secrets: Secrets,
    pub ledger: Ledger,
    pub observations: Observations,
    pub roles: Roles,
    pub mailer: Mailer,
    pub identity: Identity,
    pub authenticator: Authenticator,
    pub entity_types: EntityTypes,
    pub entities: Entities,
    pub files: Files,
    pub inspection: Inspection,
    pub kill_switch: KillSwitch,
    pub limits: RateLimiter,
    pub decisions: Decisions,
    pub idempotency: Idempotency,
    pub traffic: Arc<Traffic>,
    pub metrics: Metrics,
    pub outbound: Outbound,
    pub webhooks: Webhooks,
    pub background: Background,
    pub alerts: Alerts,
    pub backups: Backups,
    pub feed: Feed,
    pub doctor: Doctor,
    lock: Arc<FolderLock>,
}

/// What seals personal data, with the key of digests, which is made once.
fn data_keys(ledger: &Ledger, keyring: &Keyring, folder: &Path) -> Result<DataKeys> {
    let keys = DataKeys::new(keyring.clone(), ledger.clock().clone(), folder);
    if !ledger.db().read(|reader| keys.load(reader))? {
        let made = keys.clone();
        ledger.unrecorded_blocking("the key of digests is made once", move |tx| made.prepare(tx))?;
    }
    Ok(keys)
}

fn finish_restore(folder: &DataFolder) -> Result<()> {
    if let Some(name) = backup::finish(folder.path())? {
        tracing::warn!(backup = name, "a restore that was cut short was finished");
    }
    Ok(())
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

fn storage_options(config: &Config) -> storage::Options {
    storage::Options {
        read_pool: config.storage.read_pool,
        read_pool_max: config.storage.read_pool_max,
        query_timeout: seconds(config.storage.query_timeout_s),
        ..storage::Options::default()
    }
}

impl App {
    /// Takes the data folder and opens everything in it, made anew where it is not there.
    pub fn open(loaded: Loaded, clock: Clock) -> Result<Self> {
        let live = Live::new(loaded);
        let config = live.load();
        let folder = DataFolder::open(&config.data_dir)?;
        let lock = Arc::new(folder.lock()?);
        finish_restore(&folder)?;
        let keyring = Keyring::open_or_create(folder.path(), &clock)?;
        let (db, writer) = storage::open(folder.path(), &storage_options(&config))?;
        let ledger = Ledger::new(db.clone(), writer, clock.clone());
        let settings = Settings::open(ledger.clone(), live.clone())?;
        let observations = Observations::open(ledger.clone())?;
        let roles = Roles::load(&db, Generations::default())?;
        let outbound = Outbound::new(&live);
        let mailer = Mailer::new(&config.mail, outbound.clone(), keyring.clone(), clock.clone());
        let keys = data_keys(&ledger, &keyring, folder.path())?;
        let identity = Identity::new(ledger.clone(), roles.clone(), keys.clone(), mailer.clone(), live.clone())?;
        let secrets = Secrets::open(ledger.clone(), keyring.clone(), identity.clone(), live.clone())?;
        let authenticator = Authenticator::new(
            identity.clone(),
            u64::from(config.cache.capacity_mb) << 18,
            seconds(config.cache.hot_s),
        );
        let entity_types = EntityTypes::load(&db, keys)?;
        let routes = routes::routes();
        let inspection = Inspection::new(ledger.clone(), live.clone(), &routes, observations.clone());
        let entities = Entities {
            ledger: ledger.clone(),
            types: entity_types.clone(),
            inspection: inspection.clone(),
            observations: observations.clone(),
            cache: EntityCache::new(u64::from(config.cache.capacity_mb) << 20, seconds(config.cache.warm_s)),
            cursors: CursorKey::new(&keyring.fingerprint(b"cursors")),
            scratch: folder.path().into(),
            closed: Arc::default(),
        };
        let files = Files::open(folder.path(), &entities, &identity, &keyring, &live, &outbound)?;
        let kill_switch = KillSwitch::open(ledger.clone(), folder.path(), &live)?;
        let limits = RateLimiter::new(live.clone(), &routes, roles.clone(), clock.clone());
        let decisions = Decisions::new(roles.clone(), clock.clone());
        let idempotency = Idempotency::new(ledger.clone(), keyring.clone(), entity_types.clone());
        let metrics = Metrics::new(routes.iter().map(|route| (route.method.clone(), route.path)), &ledger);
        let traffic = Arc::new(Traffic::new(clock.clone()));
        let webhooks = Webhooks::open(ledger.clone(), keyring.clone(), &outbound)?;
        let backups = Backups::open(ledger.clone(), keyring.clone(), live.clone(), folder.clone())?;
        let feed = Feed::open(&ledger);
        let alerts = Alerts::new(alerts::Sources {
            ledger: ledger.clone(),
            config: live.clone(),
            traffic: traffic.clone(),
            folder: folder.clone(),
            secrets: secrets.clone(),
            identity: identity.clone(),
            mailer: mailer.clone(),
            outbound: outbound.clone(),
        });
        let doctor = Doctor::new(Patient {
            ledger: ledger.clone(),
            config: live.clone(),
            roles: roles.clone(),
            keyring: keyring.clone(),
            kill_switch: kill_switch.clone(),
            observations: observations.clone(),
            mailer: mailer.clone(),
            backups: backups.clone(),
            folder: folder.path().into(),
        });
        let app = Self {
            background: Background::new(ledger.clone()),
            config: live,
            settings,
            clock,
            folder,
            keyring,
            secrets,
            ledger,
            observations,
            roles,
            mailer,
            identity,
            authenticator,
            entity_types,
            entities,
            files,
            inspection,
            kill_switch,
            limits,
            decisions,
            idempotency,
            traffic,
            metrics,
            outbound,
            webhooks,
            alerts,
            backups,
            feed,
            doctor,
            lock,
        };
        app.introduce();
        app.forget_again()?;
        Ok(app)
    }

    /// Tells the parts of each other that could not know when they were made.
    fn introduce(&self) {
        let (observations, feed) = (self.observations.clone(), self.feed.clone());
        self.config.subscribe(move |config| observations.follow(config));
        self.roles.ask(Arc::new(self.entity_types.clone()));
        self.ledger.tell(Arc::new(SecurityLog));
        self.identity.ask(Arc::new(self.kill_switch.clone()));
        self.identity.observe(self.observations.clone());
        let _ = self.entities.closed.set(Arc::new(self.kill_switch.clone()));
        self.kill_switch.tell(Arc::new(move || feed.stir()));
    }

    /// A database that came back from before an erasure erases again.
    fn forget_again(&self) -> Result<()> {
        let again = self.identity.forget_again()? + self.entities.forget_again()?;
        if again > 0 {
            tracing::warn!(again, "this database knew of people who were erased; they are erased again");
        }
        Ok(())
    }

    pub fn authenticator(&self) -> Arc<dyn Authenticate> {
        Arc::new(self.authenticator.clone())
    }

    /// What the link for the first administrator ends with; none once there is one.
    pub fn setup_token(&self) -> Option<String> {
        self.identity.setup_token_blocking().ok().flatten()
    }

    /// Cursors outlive a restart: their key is derived from one that does.
    pub fn cursor_key(&self) -> CursorKey {
        self.entities.cursors.clone()
    }

    /// Finishes what waits to be written and closes the database.
    pub fn close(&self) {
        self.observations.settle();
        let _ = self.secrets.note_uses();
        self.ledger.settle_notes();
        self.ledger.settle_reads();
        self.ledger.writer().close();
        self.lock.release();
    }
}
