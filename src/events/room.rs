//! Who listens, within bounds, and the latest events that all of them share.

use super::told::Told;
use crate::{
    error::{Code, Error, Result},
    ids::Id,
    refusal::Check,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Streams in all.
const MOST: usize = 500;
/// Streams of one user, their keys' included.
const MOST_EACH: usize = 20;
/// Events held in memory; older ones are read from the audit log.
const KEPT: usize = 1024;
/// How far behind a listener may be. Whoever is further starts anew.
const MOST_BEHIND: i64 = 10_000;
/// When to try again after being refused.
const TRY_AGAIN: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Room {
    all: usize,
    by_user: HashMap<Id, usize>,
    /// The number of the last event that was taken in; none while nobody listens.
    pub end: Option<i64>,
    /// Without gaps up to `end`.
    recent: VecDeque<Arc<Told>>,
}

/// What lies behind a position.
pub(super) enum Behind {
    Nothing,
    Here(Vec<Arc<Told>>),
    /// Still in the audit log, at most.
    Older,
    TooFar,
}

impl Room {
    /// Takes a place for `user`.
    pub fn enter(&mut self, user: Id) -> Result<()> {
        if self.all >= MOST {
            let error = Error::unavailable("Too many streams are open. Try again in a few seconds.");
            return Err(error
                .retry_after(TRY_AGAIN)
                .because(Check::Capacity, format!("All {MOST} streams are taken.")));
        }
        let own = self.by_user.entry(user).or_default();
        if *own >= MOST_EACH {
            let error = Error::new(Code::RateLimited, "You have too many streams open. Close some and try again.");
            let detail = format!("The caller has {MOST_EACH} streams, the most there may be.");
            return Err(error.retry_after(TRY_AGAIN).because(Check::LimitByCaller, detail));
        }
        *own += 1;
        self.all += 1;
        Ok(())
    }

    /// Gives it back; whether nobody is left.
    pub fn leave(&mut self, user: Id) -> bool {
        self.all -= 1;
        if let Some(own) = self.by_user.get_mut(&user) {
            *own -= 1;
            if *own == 0 {
                self.by_user.remove(&user);
            }
        }
        if self.all == 0 {
            self.end = None;
            self.recent = VecDeque::new();
        }
        self.all == 0
    }

    /// Adds what follows the last one.
    pub fn take_in(&mut self, told: Vec<Told>) {
        for told in told.into_iter().filter(|told| self.end.is_some_and(|end| told.seq > end)).collect::<Vec<_>>() {
            if self.end.is_some_and(|end| told.seq != end + 1) {
                self.recent.clear();
            }
            self.end = Some(told.seq);
            if self.recent.len() == KEPT {
                self.recent.pop_front();
            }
            self.recent.push_back(Arc::new(told));
        }
    }

    /// Up to `limit` events behind `position`.
    pub fn behind(&self, position: i64, limit: usize) -> Behind {
        let end = self.end.unwrap_or(position);
        if position == end {
            return Behind::Nothing;
        }
        if position > end || end - position > MOST_BEHIND {
            return Behind::TooFar;
        }
        let first = self.recent.front().map_or(i64::MAX, |told| told.seq);
        if position + 1 < first {
            return Behind::Older;
        }
        let skipped = usize::try_from(position + 1 - first).unwrap_or(usize::MAX);
        Behind::Here(self.recent.iter().skip(skipped).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::told::Subject, *};
    use bytes::Bytes;

    fn told(seq: i64) -> Told {
        Told { seq, subject: Subject::Other, frame: Bytes::new(), audit_frame: Bytes::new() }
    }

    #[test]
    fn places_are_bounded_for_each_and_for_all() {
        let mut room = Room::default();
        let user = Id::new();
        for _ in 0..MOST_EACH {
            room.enter(user).unwrap();
        }
        assert_eq!(room.enter(user).unwrap_err().code(), Code::RateLimited);
        for _ in MOST_EACH..MOST {
            room.enter(Id::new()).unwrap();
        }
        assert_eq!(room.enter(Id::new()).unwrap_err().code(), Code::Unavailable);
        assert!(!room.leave(user));
        room.enter(user).unwrap();
    }

    #[test]
    fn what_is_kept_is_bounded_and_whoever_is_too_far_behind_is_told() {
        let mut room = Room { end: Some(0), ..Room::default() };
        room.take_in((1..=20_000).map(told).collect());
        assert_eq!(room.recent.len(), KEPT);
        assert!(matches!(room.behind(20_000, 100), Behind::Nothing));
        let Behind::Here(some) = room.behind(19_990, 5) else { panic!() };
        assert_eq!(some.iter().map(|told| told.seq).collect::<Vec<_>>(), [19_991, 19_992, 19_993, 19_994, 19_995]);
        assert!(matches!(room.behind(20_000 - KEPT as i64, 100), Behind::Here(_)));
        assert!(matches!(room.behind(20_000 - KEPT as i64 - 1, 100), Behind::Older));
        assert!(matches!(room.behind(20_000 - MOST_BEHIND, 100), Behind::Older));
        assert!(matches!(room.behind(20_000 - MOST_BEHIND - 1, 100), Behind::TooFar));
        assert!(matches!(room.behind(20_001, 100), Behind::TooFar), "nobody has heard of what is to come");
    }

    #[test]
    fn the_last_to_leave_takes_the_memory_with_them() {
        let mut room = Room { end: Some(0), ..Room::default() };
        let user = Id::new();
        room.enter(user).unwrap();
        room.take_in(vec![told(1)]);
        assert!(room.leave(user));
        assert!(room.recent.is_empty() && room.by_user.is_empty() && room.end.is_none());
    }
}
