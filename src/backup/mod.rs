//! Backups: the database from one read snapshot, the keyring, uploaded files and the configuration, in one encrypted
//! file. Each is read back, opened in a scratch place and checked. A restore swaps whole folders of files or nothing.

mod archive;
mod catalogue;
mod check;
mod directory;
mod envelope;
mod freshness;
mod housekeeping;
mod make;
mod model;
mod place;
mod quiet;
mod recovery;
mod remote;
mod restore;
mod routes;
mod scratch;
mod swap;

pub use freshness::{Freshness, newest_good};
pub use model::{Backup, Backups as Listing};
pub use recovery::RecoveryKey;
pub use restore::{Restored, restore};
pub use routes::routes;
pub use swap::finish;

use crate::{audit::Ledger, config::Live, error::Result, outbound::Outbound, secrets::Keyring, storage::DataFolder};
use place::Place;

/// The handle for everything about backups. Clones share it.
#[derive(Clone)]
pub struct Backups {
    ledger: Ledger,
    keyring: Keyring,
    config: Live,
    folder: DataFolder,
    place: Place,
}

impl Backups {
    /// Clears away what a crash left half made.
    pub fn open(ledger: Ledger, keyring: Keyring, config: Live, folder: DataFolder) -> Result<Self> {
        scratch::clear(folder.path());
        let place = Place::open(&config.load(), folder.path(), &Outbound::new(&config))?;
        // Its folder may not be there, and then there is nothing to clear away.
        let _ = place.clear();
        Ok(Self { ledger, keyring, config, folder, place })
    }
}

#[cfg(test)]
mod tests;
