//! Typed caches, bounded by weight and time, that never serve what is older than an acknowledged write.
//!
//! Why that holds: a reader takes a [`Stamp`] *before* its read begins, and its entry is served only while
//! the stamp is current. A writer moves the generation on after its commit and *before* it answers. So once
//! the writer has answered, every stamp taken before the commit is outdated, whenever the slow reader stores
//! its entry, and every stamp that is still current belongs to a read that began after the commit.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::Duration,
};

/// Keys share this many counters. Two keys on one counter only cost a needless read now and then.
const STRIPES: usize = 1 << 16;

/// How often something was changed, by key. Clones share the counters, so that one change can outdate the
/// entries of several caches, and entries stored under another key than the one that changes.
#[derive(Clone)]
pub struct Generations(Arc<Counters>);

struct Counters {
    all: AtomicU64,
    stripes: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The generation of a key at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    all: u64,
    stripe: u32,
    generation: u64,
}

impl Default for Generations {
    fn default() -> Self {
        let stripes = std::iter::repeat_with(AtomicU64::default).take(STRIPES).collect();
        Self(Arc::new(Counters { all: AtomicU64::default(), stripes, hasher: RandomState::new() }))
    }
}

impl Generations {
    /// The stamp for `key`. Take it before reading what is to be kept.
    pub fn stamp<Q: Hash + ?Sized>(&self, key: &Q) -> Stamp {
        let stripe = self.stripe(key);
        Stamp { all: self.0.all.load(SeqCst), stripe: stripe as u32, generation: self.0.stripes[stripe].load(SeqCst) }
    }

    pub fn is_current(&self, stamp: Stamp) -> bool {
        self.0.stripes[stamp.stripe as usize].load(SeqCst) == stamp.generation && self.0.all.load(SeqCst) == stamp.all
    }

    /// Outdates every stamp of `key`. Call it after the commit and before answering: `tx.after_commit`.
    pub fn bump<Q: Hash + ?Sized>(&self, key: &Q) {
        self.0.stripes[self.stripe(key)].fetch_add(1, SeqCst);
    }

    /// Outdates every stamp there is.
    pub fn bump_all(&self) {
        self.0.all.fetch_add(1, SeqCst);
    }

    fn stripe<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        (self.0.hasher.hash_one(key) % STRIPES as u64) as usize
    }
}

/// Counts since the start, and what is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
}

/// A cache of `V` by `K`. Clones share it.
pub struct Cache<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    name: &'static str,
    entries: moka::sync::Cache<K, (Stamp, V)>,
    generations: Generations,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// Holds entries for `ttl` at most, and `capacity_bytes` of them as `weigher` counts their bytes.
    pub fn new(
        name: &'static str,
        capacity_bytes: u64,
        ttl: Duration,
        weigher: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
    ) -> Self {
        Self::sharing(Generations::default(), name, capacity_bytes, ttl, weigher)
    }

    /// [`Cache::new`] with generations that others move on too.
    pub fn sharing(
        generations: Generations,
        name: &'static str,
        capacity_bytes: u64,
        ttl: Duration,
        weigher: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let entries = moka::sync::Cache::builder()
            .name(name)
            .max_capacity(capacity_bytes)
            .time_to_live(ttl)
            .weigher(move |key, (_, value): &(Stamp, V)| u32::try_from(weigher(key, value)).unwrap_or(u32::MAX))
            .build();
        Self(Arc::new(Shared { name, entries, generations, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }))
    }

    pub fn name(&self) -> &'static str {
        self.0.name
    }

    pub fn generations(&self) -> &Generations {
        &self.0.generations
    }

    /// The stamp for an entry under `key`. Take it before reading the value.
    pub fn stamp<Q: Hash + ?Sized>(&self, key: &Q) -> Stamp
    where
        K: Borrow<Q>,
    {
        self.0.generations.stamp(key)
    }

    /// The value under `key`, unless it changed since it was read.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let found = self.0.entries.get(key).filter(|(stamp, _)| self.0.generations.is_current(*stamp));
        if found.is_some() { &self.0.hits } else { &self.0.misses }.fetch_add(1, Relaxed);
        found.map(|(_, value)| value)
    }

    /// Keeps `value`, read after `stamp` was taken. The stamp may belong to another key than the entry's:
    /// the entry then ends when that key changes.
    pub fn insert(&self, key: K, value: V, stamp: Stamp) {
        if self.0.generations.is_current(stamp) {
            self.0.entries.insert(key, (stamp, value));
        }
    }

    /// Ends what is held under `key`, and what readers under way are about to store.
    pub fn invalidate<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.generations.bump(key);
        self.0.entries.invalidate(key);
    }

    pub fn invalidate_all(&self) {
        self.0.generations.bump_all();
        self.0.entries.invalidate_all();
    }

    pub fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.0.hits.load(Relaxed),
            misses: self.0.misses.load(Relaxed),
            entries: self.0.entries.entry_count(),
            bytes: self.0.entries.weighted_size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn cache() -> Cache<u32, u64> {
        Cache::new("test", 1 << 20, Duration::from_secs(60), |_, _| 16)
    }

    #[test]
    fn a_value_read_before_a_change_is_not_served_after_it() {
        let cache = cache();
        let early = cache.stamp(&1);
        cache.invalidate(&1);
        cache.insert(1, 10, early);
        assert_eq!(cache.get(&1), None);
        cache.insert(1, 11, cache.stamp(&1));
        assert_eq!(cache.get(&1), Some(11));
        cache.invalidate_all();
        assert_eq!(cache.get(&1), None);
        assert_eq!((cache.stats().hits, cache.stats().misses), (1, 2));
    }

    #[test]
    fn an_entry_can_depend_on_another_key() {
        let cache = cache();
        let user = cache.generations().stamp("user 7");
        cache.insert(1, 10, user);
        assert_eq!(cache.get(&1), Some(10));
        cache.generations().bump("user 7");
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn weight_is_bounded() {
        let cache: Cache<u32, Vec<u8>> = Cache::new("test", 10_000, Duration::from_secs(60), |_, v: &Vec<u8>| v.len());
        for key in 0..1_000 {
            cache.insert(key, vec![0; 1_000], cache.stamp(&key));
        }
        cache.0.entries.run_pending_tasks();
        assert!(cache.stats().bytes <= 10_000);
    }

    /// A writer raises a number and acknowledges each raise; readers that begin afterwards never see less.
    #[test]
    fn no_read_is_older_than_an_acknowledged_change() {
        const ROUNDS: u64 = 20_000;
        let (cache, stored, acknowledged, done) =
            (cache(), AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        let least = acknowledged.load(SeqCst);
                        let seen = cache.get(&1).unwrap_or_else(|| {
                            let stamp = cache.stamp(&1);
                            let value = stored.load(SeqCst);
                            std::thread::yield_now();
                            cache.insert(1, value, stamp);
                            value
                        });
                        assert!(seen >= least, "{seen} is older than {least}");
                    }
                });
            }
            for value in 1..=ROUNDS {
                stored.store(value, SeqCst);
                cache.invalidate(&1);
                acknowledged.store(value, SeqCst);
            }
            done.store(true, SeqCst);
        });
    }
}
