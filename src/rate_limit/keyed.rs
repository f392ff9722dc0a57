//! One limit for many keys. When a flood of keys has filled the memory set aside, new ones share cells,
//! and no key that is being counted is forgotten.

use super::verdict::Verdict;
use crate::clock::Clock;
use governor::{
    Quota, RateLimiter, clock::Clock as Ticks, middleware::StateInformationMiddleware, nanos::Nanos, state::StateStore,
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const SHARDS: usize = 64;
/// Keys in a shard: as many as a table of 16,384 buckets takes, so that all its tables stay below 18 MB.
const KEYS: usize = 14_336;
/// Cells in a shard for keys beyond that.
const SHARED: usize = 256;
const SWEEP_EVERY: u64 = 60_000_000_000;
const SWEEP_FULL_EVERY: u64 = 1_000_000_000;

type Counter = RateLimiter<u64, Store, Steady, StateInformationMiddleware>;

/// What a minute is divided into where limits differ from key to key.
const MINUTE: u32 = 1_000_000_000;

/// Counts requests of many keys against whichever limit is asked for: a request takes its share of the minute, so
/// that a limit may differ from key to key and change at any time. Keys are hashes already.
pub(super) struct Keyed(Counter);

impl Keyed {
    /// For a million keys in 18 MB.
    pub fn large(clock: Clock) -> Self {
        Self::with_room(KEYS, clock)
    }

    /// For half as many.
    pub fn small(clock: Clock) -> Self {
        Self::with_room(KEYS / 2, clock)
    }

    fn with_room(keys: usize, clock: Clock) -> Self {
        let clock = Steady(clock);
        let quota = Quota::per_minute(NonZeroU32::new(MINUTE).unwrap_or(NonZeroU32::MIN));
        Self(RateLimiter::new(quota, Store::new(keys, clock.clone()), clock))
    }

    pub fn check(&self, policy: &'static str, limit: u32, key: u64) -> Verdict {
        let share = NonZeroU32::new(MINUTE / limit.max(1)).unwrap_or(NonZeroU32::MIN);
        let wait = match self.0.check_key_n(&key, share) {
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity();
                let reset = state.quota().replenish_interval() * (MINUTE - left.min(MINUTE));
                return Verdict { policy, limit, remaining: left / share, reset, wait: None };
            }
            Ok(Err(until)) => until.wait_time_from(self.0.clock().now()),
            Err(_) => Duration::from_secs(60),
        };
        Verdict { policy, limit, remaining: 0, reset: wait, wait: Some(wait) }
    }
}

/// The clock as the algorithm wants it.
#[derive(Clone)]
struct Steady(Clock);

impl Ticks for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.0.steady().millis().try_into().unwrap_or(0)).into()
    }
}

struct Store {
    clock: Steady,
    /// Keys in a shard, at most.
    room: usize,
    start: u64,
    shards: Box<[Mutex<Shard>]>,
}

/// For each key the time when its allowance is whole again (the theoretical arrival time), since the start.
struct Shard {
    keys: HashMap<u64, u64, BuildHasherDefault<AsIs>>,
    shared: Box<[Option<u64>]>,
    swept: u64,
}

impl Store {
    fn new(room: usize, clock: Steady) -> Self {
        let shard = || Mutex::new(Shard { keys: HashMap::default(), shared: Box::new([]), swept: 0 });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { start: clock.now().as_u64(), clock, room, shards }
    }

    /// What the tables hold, at most one byte of control for each bucket beside.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let shard = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap();
            (shard.keys.capacity() * 8 / 7).next_power_of_two() * 17 + shard.shared.len() * 16
        };
        self.shards.iter().map(shard).sum()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().keys.len()).sum()
    }
}

impl StateStore for Store {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let shard = &self.shards[(key >> 58) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(time) = shard.keys.get_mut(key) {
            let (outcome, next) = measure(Some(Nanos::new(*time)))?;
            *time = next.as_u64();
            return Ok(outcome);
        }
        shard.sweep_if_due(self.room, self.clock.now().as_u64().saturating_sub(self.start));
        if shard.keys.len() < self.room {
            let (outcome, next) = measure(None)?;
            shard.keys.insert(*key, next.as_u64());
            return Ok(outcome);
        }
        if shard.shared.is_empty() {
            shard.shared = vec![None; SHARED].into();
        }
        let cell = &mut shard.shared[*key as usize % SHARED];
        let (outcome, next) = measure(cell.map(Nanos::new))?;
        *cell = Some(next.as_u64());
        Ok(outcome)
    }
}

impl Shard {
    /// Forgets the keys whose allowance is whole again: they are like new ones.
    fn sweep_if_due(&mut self, room: usize, now: u64) {
        let every = if self.keys.len() < room { SWEEP_EVERY } else { SWEEP_FULL_EVERY };
        if now.saturating_sub(self.swept) < every {
            return;
        }
        self.swept = now;
        self.keys.retain(|_, time| *time > now);
        if self.keys.len() < self.keys.capacity() / 8 {
            self.keys.shrink_to_fit();
        }
    }
}

/// Keys are hashes with a secret seed already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, RandomState};

    #[test]
    fn a_key_has_its_allowance_and_gets_it_back_over_time() {
        let clock = Clock::movable();
        let limit = Keyed::large(clock.clone());
        for used in 1..=20 {
            let verdict = limit.check("test", 20, 7);
            assert_eq!((verdict.wait, verdict.remaining), (None, 20 - used));
        }
        let refused = limit.check("test", 20, 7);
        let wait = refused.wait.unwrap();
        assert!(wait > Duration::from_secs(2) && wait <= Duration::from_secs(3), "{wait:?}");
        assert!(limit.check("test", 20, 8).wait.is_none());
        clock.advance(3_000);
        assert!(limit.check("test", 20, 7).wait.is_none() && limit.check("test", 20, 7).wait.is_some());
        clock.advance(60_000);
        assert_eq!(limit.check("test", 20, 7).remaining, 19);
    }

    #[test]
    fn keys_with_limits_of_their_own_are_counted_in_one_place() {
        let clock = Clock::movable();
        let shares = Keyed::small(clock.clone());
        for limit in [1, 3, 7, 40, 999] {
            for used in 1..=limit {
                let verdict = shares.check("test", limit, u64::from(limit));
                assert_eq!((verdict.wait, verdict.remaining), (None, limit - used), "{limit}");
            }
            let wait = shares.check("test", limit, u64::from(limit)).wait.expect("used up");
            assert!(wait <= Duration::from_secs(60) / limit, "{limit}: {wait:?}");
        }
        clock.advance(60_000);
        assert_eq!(shares.check("test", 7, 7).remaining, 6);
        assert!(shares.check("test", u32::MAX, 8).wait.is_none() && shares.check("test", 0, 9).wait.is_none());
    }

    #[test]
    fn a_million_keys_stay_in_bounds_and_free_no_blocked_one() {
        let clock = Clock::movable();
        let limit = Keyed::large(clock.clone());
        let hasher = RandomState::new();
        let blocked = hasher.hash_one("blocked");
        assert!(limit.check("test", 1, blocked).wait.is_none() && limit.check("test", 1, blocked).wait.is_some());
        for number in 0..1_200_000_u32 {
            limit.check("test", 1, hasher.hash_one(number));
        }
        assert!(limit.check("test", 1, blocked).wait.is_some());
        let store = limit.0.into_state_store();
        assert!(store.len() <= SHARDS * KEYS && store.bytes() <= 19 << 20, "{}", store.bytes());
    }

    #[test]
    fn all_tables_of_a_server_stay_below_64_mb() {
        let clock = Clock::movable();
        let hasher = RandomState::new();
        let flooded = |limit: Keyed, keys: u32| {
            for number in 0..keys {
                limit.check("test", 20, hasher.hash_one(number));
            }
            limit.0.into_state_store().bytes()
        };
        let (large, small) = (flooded(Keyed::large(clock.clone()), 1_000_000), flooded(Keyed::small(clock), 600_000));
        assert!(large + 3 * small < 60 << 20, "{large} + 3 * {small}");
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let clock = Clock::movable();
        let limit = Keyed::large(clock.clone());
        let hasher = RandomState::new();
        for number in 0..100_000_u32 {
            limit.check("test", 20, hasher.hash_one(number));
        }
        clock.advance(120_000);
        for number in 0..10_000_u32 {
            limit.check("test", 20, hasher.hash_one(("new", number)));
        }
        let left = limit.0.into_state_store().len();
        assert!(left <= 10_000, "{left}");
    }
}
