//! Moments that come again and again, as cron expressions name them.

use crate::clock::Time;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use std::{fmt, str::FromStr};

/// A cron expression of five fields, read in UTC, such as `0 3 * * *`; or a name such as `@daily`.
#[derive(Clone, PartialEq)]
pub struct Cron {
    text: String,
    parsed: Box<croner::Cron>,
}

/// The text was not a cron expression that is ever due.
#[derive(Debug, thiserror::Error)]
#[error("not a cron expression such as 0 3 * * * (minute, hour, day, month, weekday, in UTC): {0}")]
pub struct NotCron(String);

impl FromStr for Cron {
    type Err = NotCron;

    fn from_str(text: &str) -> Result<Self, NotCron> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let parsed = parser.parse(text).map_err(|cause| NotCron(cause.to_string()))?;
        let cron = Self { text: text.trim().to_owned(), parsed: Box::new(parsed) };
        match cron.after(Time(1_767_225_600_000)) {
            Some(_) => Ok(cron),
            None => Err(NotCron("it is never due".to_owned())),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({})", self.text)
    }
}

impl Cron {
    /// The first moment it names after `time`.
    pub fn after(&self, time: Time) -> Option<Time> {
        let zoned = Timestamp::from_millisecond(time.millis()).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        let next = self.parsed.find_next_occurrence(&zoned, false).ok()?;
        Some(Time(next.timestamp().as_millisecond()))
    }

    /// What it says in words, such as "At 03:00, in UTC".
    pub fn in_words(&self) -> String {
        format!("{}, in UTC", self.parsed.describe().trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_are_read_in_utc_and_told_in_words() {
        let nightly: Cron = "0 3 * * *".parse().unwrap();
        let noon: Time = "2026-03-28T12:00:00Z".parse().unwrap();
        assert_eq!(nightly.after(noon).unwrap().to_string(), "2026-03-29T03:00:00.000Z");
        let three: Time = "2026-03-29T03:00:00Z".parse().unwrap();
        assert_eq!(nightly.after(three).unwrap().to_string(), "2026-03-30T03:00:00.000Z");
        assert_eq!(nightly.in_words(), "At 03:00, in UTC");
        let leap: Cron = "0 0 29 2 *".parse().unwrap();
        assert_eq!(leap.after(noon).unwrap().to_string(), "2028-02-29T00:00:00.000Z");
        assert_eq!("@hourly".parse::<Cron>().unwrap().after(noon).unwrap().to_string(), "2026-03-28T13:00:00.000Z");
    }

    #[test]
    fn what_is_never_due_is_no_schedule() {
        for bad in ["", "daily", "0 3 * *", "61 3 * * *", "0 0 30 2 *", "* * * * * *"] {
            assert!(bad.parse::<Cron>().is_err(), "{bad}");
        }
    }
}
