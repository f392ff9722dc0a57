//! Keys of the instance while it runs: what is known of each, and how one takes the place of another. A key is in
//! force on disk before it is anywhere else; the audit log hears of it next, at the next start at the latest.

mod action;
mod housekeeping;
mod model;
mod routes;
mod sealed;
mod store;

pub use model::{Kind, Rotate, Rotation, SecretKey, State};
pub use routes::routes;

use crate::{audit::Ledger, config::Live, error::Result, identity::Identity, secrets::Keyring};
use std::sync::{Arc, Mutex};

/// The handle for everything about the keys of the instance. Clones share it.
#[derive(Clone)]
pub struct Secrets {
    ledger: Ledger,
    keyring: Keyring,
    identity: Identity,
    config: Live,
    /// Held from a change of the keyring to its event, so that each is told by whoever made it.
    telling: Arc<Mutex<()>>,
}

impl Secrets {
    /// Tells of what changed in the keyring while nobody could write it down.
    pub fn open(ledger: Ledger, keyring: Keyring, identity: Identity, config: Live) -> Result<Self> {
        let secrets = Self { ledger, keyring, identity, config, telling: Arc::default() };
        secrets.catch_up()?;
        for (id, at) in secrets.ledger.db().read(store::uses)? {
            secrets.keyring.remember_use(&id, at);
        }
        Ok(secrets)
    }
}
