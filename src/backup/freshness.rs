//! How old the newest backup is that was found good.

use super::{Backups, catalogue, recovery::RecoveryPublic};
use crate::{clock::Time, error::Result, storage::Reader};
use serde::Serialize;

/// What the first page says of backups.
#[derive(Clone, Debug, Serialize)]
pub struct Freshness {
    /// When the newest backup was taken that was put into a scratch place and found good.
    pub newest_good: Option<Time>,
    pub age_s: Option<u64>,
    /// Whether more are made by themselves.
    pub scheduled: bool,
    /// Whether they lie in the data folder, and so are lost with it.
    pub beside_data: bool,
    pub recovery_key: bool,
}

/// When the newest backup was taken that was found good.
pub fn newest_good(reader: &Reader<'_>) -> Result<Option<Time>> {
    catalogue::newest_good(reader).map(|found| found.map(|(_, at)| at))
}

impl Backups {
    /// From what is noted; the place itself is not asked.
    pub fn freshness(&self, reader: &Reader<'_>) -> Result<Freshness> {
        let newest_good = newest_good(reader)?;
        let now = self.ledger.clock().now();
        Ok(Freshness {
            newest_good,
            age_s: newest_good.map(|at| now.since(at).as_secs()),
            scheduled: self.config.load().backup.schedule.is_some(),
            beside_data: self.beside_data(),
            recovery_key: self.has_recovery_key(),
        })
    }

    pub fn beside_data(&self) -> bool {
        self.place.is_within(self.folder.path())
    }

    pub fn has_recovery_key(&self) -> bool {
        matches!(RecoveryPublic::read(self.folder.path()), Ok(Some(_)))
    }

    /// Whether uploaded files lie in a bucket, which no backup holds.
    pub fn files_elsewhere(&self) -> bool {
        self.config.load().files.store.bucket().is_some()
    }

    /// The newest backup that was found good and lies where it should still, asked of its place: not for an event loop.
    pub fn newest_there(&self) -> Result<Option<(String, Time)>> {
        let there = self.place.list()?;
        let good = self.ledger.db().read(catalogue::good)?;
        Ok(good.into_iter().find(|(name, _)| there.iter().any(|found| found.name == *name)))
    }
}
