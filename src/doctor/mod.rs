//! The instance looks at itself: what it really answers, who could do harm, what would be lost. Every check asks the
//! thing itself rather than the configuration where it can, and earns its points only when it was made.

mod check;
mod checks;
mod housekeeping;
mod probe;
mod report;
mod routes;
mod store;

pub use report::{Finding, Report};
pub use routes::routes;

use crate::{
    access::Roles,
    audit::{Ledger, Posted},
    backup::Backups,
    config::Live,
    error::{Error, Result},
    kill_switch::KillSwitch,
    mail::Mailer,
    observation::Observations,
    secrets::Keyring,
    storage::Param,
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// Examines the instance. Clones share it.
#[derive(Clone)]
pub struct Doctor {
    patient: Arc<Patient>,
    /// Where the server answers on this machine; none while it does not serve.
    address: Arc<OnceLock<String>>,
    anchored: Arc<OnceLock<Posted>>,
}

/// What the checks look at.
pub struct Patient {
    pub ledger: Ledger,
    pub config: Live,
    pub roles: Roles,
    pub keyring: Keyring,
    pub kill_switch: KillSwitch,
    pub observations: Observations,
    pub mailer: Mailer,
    pub backups: Backups,
    /// The data folder.
    pub folder: PathBuf,
}

impl Doctor {
    pub fn new(patient: Patient) -> Self {
        Self { patient: Arc::new(patient), address: Arc::default(), anchored: Arc::default() }
    }

    /// Tells where the server answers, such as `http://127.0.0.1:8080`.
    pub fn reached_at(&self, address: String) {
        let _ = self.address.set(address);
    }

    /// Tells what becomes of the heads of the audit log that are posted.
    pub fn anchored_by(&self, posted: Posted) {
        let _ = self.anchored.set(posted);
    }

    /// Makes every check.
    pub async fn examine(&self) -> Result<Report> {
        let url = self.patient.config.load().server.public_url.as_deref().map(str::to_owned);
        let mut answers = probe::probe(self.address.get().map(String::as_str), url.as_deref()).await;
        answers.anchored = self.anchored.get().and_then(Posted::last);
        let patient = self.patient.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let results = checks::all().into_iter().map(|check| check.make(&patient, &answers)).collect();
            let trend = patient.ledger.db().read(store::trend)?;
            Ok(Report::new(patient.ledger.clock().now(), results, trend))
        });
        looked.await.map_err(Error::internal)?
    }
}

/// The only number that a query gives.
fn count(patient: &Patient, sql: &str, params: &[Param<'_>]) -> Result<i64> {
    patient.ledger.db().read(|reader| Ok(reader.query_one(sql, params, |row| row.get(0))?.unwrap_or(0)))
}
