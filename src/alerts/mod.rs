//! Rules that watch the instance: each that is broken is one incident, told once when it begins and once when it is over.

mod housekeeping;
mod rules;
mod store;
mod tell;

pub use rules::{Rule, Seen};
pub use store::Incident;

use crate::{
    audit::Ledger,
    config::Live,
    error::Result,
    identity::Identity,
    mail::Mailer,
    observability::Traffic,
    outbound::Outbound,
    rotation::Secrets,
    storage::{DataFolder, Reader},
};
use std::sync::Arc;

/// The handle for everything about alerts. Clones share it.
#[derive(Clone)]
pub struct Alerts(Arc<Parts>);

struct Parts {
    ledger: Ledger,
    config: Live,
    traffic: Arc<Traffic>,
    folder: DataFolder,
    secrets: Secrets,
    identity: Identity,
    mailer: Mailer,
    outbound: Outbound,
}

/// What rules look at and whom they tell.
pub struct Sources {
    pub ledger: Ledger,
    pub config: Live,
    pub traffic: Arc<Traffic>,
    pub folder: DataFolder,
    pub secrets: Secrets,
    pub identity: Identity,
    pub mailer: Mailer,
    pub outbound: Outbound,
}

impl Alerts {
    pub fn new(sources: Sources) -> Self {
        let Sources { ledger, config, traffic, folder, secrets, identity, mailer, outbound } = sources;
        let outbound = outbound.within(tell::LONGEST_CALL);
        Self(Arc::new(Parts { ledger, config, traffic, folder, secrets, identity, mailer, outbound }))
    }

    /// Incidents that go on, the latest first.
    pub fn open(&self, reader: &Reader<'_>) -> Result<Vec<Incident>> {
        store::open(reader)
    }
}
