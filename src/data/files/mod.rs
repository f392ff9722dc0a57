//! Files: taken in by streams, told by their content, kept in a store apart from the database, handed out so that no
//! browser runs them.

mod action;
mod download;
mod forget;
mod housekeeping;
mod kinds;
mod list;
mod model;
mod presign;
mod presigned;
mod process;
mod receive;
mod routes;
mod sight;
mod store;
mod upload;

pub(in crate::data) use forget::{Of, count_of_owner, forget_of, hand_over, taken_out};
pub use model::{File, FileChange, Presign, State};
pub use routes::routes;

use super::entities::Entities;
use crate::{
    audit::Ledger,
    config::Live,
    error::{Error, Result},
    identity::Identity,
    ids::Id,
    objects::{Bucket, Folder, Objects},
    outbound::Outbound,
    permit::{Action, Permit},
    secrets::Keyring,
};
use sight::Sight;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicU16},
};
use tokio::sync::Semaphore;

/// Uploads under way at the same time, at most: each has a file of its own that grows.
const AT_ONCE: usize = 64;

/// The handle for everything about files. Clones share it.
#[derive(Clone)]
pub struct Files {
    ledger: Ledger,
    entities: Entities,
    identity: Identity,
    keyring: Keyring,
    config: Live,
    objects: Arc<dyn Objects>,
    /// Where contents lie until they are known to be good.
    incoming: PathBuf,
    turns: Arc<Semaphore>,
    /// Addresses that somebody uploads to right now.
    under_way: Arc<Mutex<HashSet<Id>>>,
    /// The shard at which the next sweep begins.
    swept: Arc<AtomicU16>,
}

impl Files {
    /// `folder`: the data folder, which this process holds.
    pub fn open(
        folder: &Path,
        entities: &Entities,
        identity: &Identity,
        keyring: &Keyring,
        config: &Live,
        outbound: &Outbound,
    ) -> Result<Self> {
        let settings = config.load();
        let local = Folder::open(folder.join("files"))?;
        let objects: Arc<dyn Objects> = match settings.files.store.bucket() {
            Some(bucket) => Arc::new(Bucket::open(bucket, &settings.s3, outbound)?),
            None => Arc::new(local),
        };
        let incoming = folder.join("files").join("incoming");
        clear(&incoming).map_err(Error::internal)?;
        Ok(Self {
            ledger: entities.ledger.clone(),
            entities: entities.clone(),
            identity: identity.clone(),
            keyring: keyring.clone(),
            config: config.clone(),
            objects,
            incoming,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: Arc::default(),
            swept: Arc::default(),
        })
    }

    fn sight(&self, permit: &Permit) -> Sight {
        Sight::new(&self.entities, permit)
    }

    /// The largest file in bytes.
    fn most(&self) -> u64 {
        u64::from(self.config.load().files.max_mb) << 20
    }

    /// Asks the store for one byte of a content.
    pub async fn ask_store(&self, content: Id) -> Result<()> {
        self.objects.read(&content.to_string(), 0..1).await.map(drop)
    }

    /// Whether the permit's caller may read a file, deleted or not.
    pub fn is_readable(&self, permit: &Permit, id: Id) -> Result<bool> {
        let sight = self.sight(permit);
        self.ledger.db().read(|reader| store::is_seen(reader, &sight, id, Action::Read))
    }
}

/// What an earlier run left behind there came to nothing.
fn clear(folder: &Path) -> std::io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)
}
