//! Time as milliseconds since 1970 UTC, and the clock that everything asks, so that tests can move it.

use crate::validate::is_date_time;
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

crate::described::text_schema!(
    Time,
    "date-time",
    "A moment as RFC 3339 writes it; shown in UTC with milliseconds and `Z`."
);

impl Time {
    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut text = String::with_capacity(24);
        PRINTER.print_timestamp(&stamp, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not a time of RFC 3339.
#[derive(Debug, thiserror::Error)]
#[error("not a date and time such as 2026-01-31T12:00:00Z")]
pub struct NotATime;

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if !is_date_time(text) {
            return Err(NotATime);
        }
        text.parse::<Timestamp>().map_err(|_| NotATime).map(|stamp| Self(stamp.as_millisecond()))
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("not an RFC 3339 time such as 2026-01-31T12:00:00Z"))
    }
}

/// Where the time comes from. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Moved>>);

/// How far a movable clock is from the system's.
#[derive(Debug, Default)]
struct Moved {
    by: AtomicI64,
    /// What somebody set the system's clock wrong by, which steady time does not follow.
    wrong_by: AtomicI64,
}

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }

    /// The system clock, moved by an offset that [`Clock::advance`] changes.
    pub fn movable() -> Self {
        Self(Some(Arc::default()))
    }

    pub fn now(&self) -> Time {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        let moved = |moved: &Moved| moved.by.load(Ordering::Relaxed) + moved.wrong_by.load(Ordering::Relaxed);
        Time(now + self.0.as_deref().map_or(0, moved))
    }

    /// Time that a change of the system's clock does not touch, for waiting and locks: the system's time when
    /// it was first asked for, and what has passed since.
    pub fn steady(&self) -> Time {
        static START: std::sync::LazyLock<(std::time::Instant, Time)> =
            std::sync::LazyLock::new(|| (std::time::Instant::now(), Clock::system().now()));
        let moved = self.0.as_deref().map_or(0, |moved| moved.by.load(Ordering::Relaxed));
        let now = START.1.plus(START.0.elapsed());
        Time(now.0.saturating_add(moved))
    }

    /// Moves a movable clock; negative goes back. A system clock stays as it is.
    pub fn advance(&self, millis: i64) {
        if let Some(moved) = &self.0 {
            moved.by.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// As if somebody had set the system's clock: no time has passed by it.
    pub fn set_wrong(&self, millis: i64) {
        if let Some(moved) = &self.0 {
            moved.wrong_by.store(millis, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        let time: Time = "2026-01-31T12:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T11:00:00.000Z");
        assert_eq!(Time(1).to_string(), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn a_movable_clock_moves() {
        let clock = Clock::movable();
        let before = clock.now();
        clock.advance(86_400_000);
        assert!(clock.now().since(before) >= Duration::from_secs(86_400));
    }
}
