//! Entities as ready bytes, never older than an acknowledged write.

use crate::{
    audit::Fields,
    cache::{Cache, CacheStats, Generations, Stamp},
    ids::Id,
    storage::Tx,
};
use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// One entity as one mask shows it.
#[derive(Debug)]
pub(super) struct View {
    pub entity_type: Arc<str>,
    pub owner_id: Option<Id>,
    pub etag: HeaderValue,
    /// The sensitive fields in the body.
    pub sensitive: Fields,
    pub body: Bytes,
}

/// By entity and mask. Clones share it.
#[derive(Clone)]
pub struct EntityCache(Cache<(Id, u64), Arc<View>>);

impl EntityCache {
    pub fn new(capacity_bytes: u64, ttl: Duration) -> Self {
        let weight = |_: &(Id, u64), view: &Arc<View>| view.body.len() + 256;
        Self(Cache::sharing(Generations::default(), "entities", capacity_bytes, ttl, weight))
    }

    pub(super) fn get(&self, id: Id, mask: u64) -> Option<Arc<View>> {
        self.0.get(&(id, mask))
    }

    /// Take it before reading what is to be kept.
    pub(super) fn stamp(&self, id: Id) -> Stamp {
        self.0.generations().stamp(&id)
    }

    pub(super) fn insert(&self, id: Id, mask: u64, view: Arc<View>, stamp: Stamp) {
        self.0.insert((id, mask), view, stamp);
    }

    /// Outdates every view of these once the change under way is committed.
    pub(super) fn outdate(&self, tx: &Tx<'_>, ids: Vec<Id>) {
        let generations = self.0.generations().clone();
        tx.after_commit(move || ids.iter().for_each(|id| generations.bump(id)));
    }

    pub fn stats(&self) -> CacheStats {
        self.0.stats()
    }
}
