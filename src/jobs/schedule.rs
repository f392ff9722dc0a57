//! When work that comes by itself comes next.

use crate::{clock::Time, cron::Cron};
use std::time::Duration;

/// How often a kind of job comes.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    /// At once when there is none yet, then so long after the last one ended.
    Every(Duration),
    /// When the cron expression says so.
    At(Cron),
}

impl Schedule {
    /// When the next is due after one that ended `now`; also the latest that one may wait for.
    pub fn next(&self, now: Time) -> Time {
        match self {
            Self::Every(every) => now.plus(*every),
            Self::At(cron) => cron.after(now).unwrap_or(Time(i64::MAX)),
        }
    }

    /// When the first is due.
    pub fn first(&self, now: Time) -> Time {
        match self {
            Self::Every(_) => now,
            Self::At(_) => self.next(now),
        }
    }
}
