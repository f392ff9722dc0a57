//! The rules: what is measured, and when it is too much. A threshold of 0 switches a rule off.

use crate::{audit::Ledger, clock::Time, config, error::Result, observability::Point, params, storage::json_number};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    ErrorRate,
    Slowness,
    FailedLogIns,
    Disk,
    KeyAge,
    KeyExpiry,
    BackupAge,
}

impl Rule {
    pub const ALL: [Self; 7] = [
        Self::ErrorRate,
        Self::Slowness,
        Self::FailedLogIns,
        Self::Disk,
        Self::KeyAge,
        Self::KeyExpiry,
        Self::BackupAge,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::Slowness => "slowness",
            Self::FailedLogIns => "failed_log_ins",
            Self::Disk => "disk",
            Self::KeyAge => "key_age",
            Self::KeyExpiry => "key_expiry",
            Self::BackupAge => "backup_age",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// As a subject of a letter or a title says it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ErrorRate => "Many requests fail",
            Self::Slowness => "Answers are slow",
            Self::FailedLogIns => "Many log-ins fail",
            Self::Disk => "The disk is nearly full",
            Self::KeyAge => "A key of this instance is old",
            Self::KeyExpiry => "API keys are about to expire",
            Self::BackupAge => "The last good backup is old",
        }
    }
}

/// Minutes that rates are taken over.
const MINUTES: usize = 5;
/// Fewer requests than this say nothing about a rate.
const LEAST_REQUESTS: u32 = 20;
const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// What the rules look at.
#[derive(Debug)]
pub struct Seen {
    pub requests: u32,
    pub failed: u32,
    /// The least of the last minutes in which there were requests, of the latency that 95 % stayed under: one slow
    /// minute is not slowness.
    pub p95_ms: f64,
    pub failed_log_ins: i64,
    /// Free and in all, in bytes.
    pub disk: (u64, u64),
    pub oldest_key_days: u64,
    /// Names of API keys that expire soon.
    pub expiring: Vec<String>,
    pub backup: BackupSeen,
}

/// How long there has been no newer backup that was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupSeen {
    /// The newest is so many hours old.
    Hours(u64),
    /// There is none, and the instance is so many hours old.
    Never(u64),
}

const HOUR: u64 = 3600;

impl Seen {
    /// Looks at the last minutes of traffic.
    pub fn traffic(points: &[Point]) -> (u32, u32, f64) {
        let last = &points[points.len().saturating_sub(MINUTES)..];
        let busy = last.iter().filter(|point| point.requests > 0).map(|point| point.p95_ms);
        let slowest = busy.reduce(f64::min).unwrap_or(0.0);
        (last.iter().map(|point| point.requests).sum(), last.iter().map(|point| point.server_errors).sum(), slowest)
    }

    /// Log-ins that failed in the last ten minutes.
    pub fn failed_log_ins(ledger: &Ledger, now: Time) -> Result<i64> {
        // Floods are written as one event that says how many it stands for.
        let each = json_number("event", "$.changes.after.count");
        let sql = format!(
            "SELECT coalesce(sum(coalesce({each}, 1)), 0) FROM audit_events
             WHERE action IN ('login.failed', 'login.code_failed') AND at >= ?1"
        );
        let count =
            ledger.db().read(|reader| reader.query_one(&sql, params![now.minus(TEN_MINUTES)], |row| row.get(0)))?;
        Ok(count.unwrap_or(0))
    }

    /// API keys that end within so many days.
    pub fn expiring(ledger: &Ledger, now: Time, days: u32) -> Result<Vec<String>> {
        let sql = "SELECT name FROM api_keys WHERE expires_at > ?1 AND expires_at <= ?2 ORDER BY expires_at LIMIT 20";
        let until = now.plus(DAY * days);
        ledger.db().read(|reader| reader.query_all(sql, params![now, until], |row| row.get(0)))
    }

    /// The newest backup that was found good; without one, how long there could have been one.
    pub fn backup(ledger: &Ledger, now: Time) -> Result<BackupSeen> {
        let first = "SELECT at FROM audit_events ORDER BY seq LIMIT 1";
        let (good, first) = ledger.db().read(|reader| {
            Ok((crate::backup::newest_good(reader)?, reader.query_one(first, &[], |row| row.get::<Time>(0))?))
        })?;
        let hours = |since: Time| now.since(since).as_secs() / HOUR;
        Ok(good.map_or_else(|| BackupSeen::Never(first.map_or(0, hours)), |at| BackupSeen::Hours(hours(at))))
    }

    /// What a rule has to say, where it is broken.
    pub fn broken(&self, rule: Rule, limits: &config::Alerts) -> Option<String> {
        match rule {
            Rule::ErrorRate => {
                let percent = f64::from(self.failed) * 100.0 / f64::from(self.requests.max(1));
                let much = limits.error_rate_percent > 0
                    && self.requests >= LEAST_REQUESTS
                    && percent >= f64::from(limits.error_rate_percent);
                much.then(|| format!("{percent:.0} % of {} requests failed in the last five minutes.", self.requests))
            }
            Rule::Slowness => {
                let slow = limits.slow_p95_ms > 0
                    && self.requests >= LEAST_REQUESTS
                    && self.p95_ms >= f64::from(limits.slow_p95_ms);
                slow.then(|| {
                    format!("Five in a hundred answers took {:.0} ms or more in each of the last minutes.", self.p95_ms)
                })
            }
            Rule::FailedLogIns => {
                let many = limits.failed_log_ins > 0 && self.failed_log_ins >= i64::from(limits.failed_log_ins);
                many.then(|| format!("{} log-ins failed in the last ten minutes.", self.failed_log_ins))
            }
            Rule::Disk => {
                let (free, whole) = self.disk;
                let percent = free.saturating_mul(100).checked_div(whole)?;
                let full = limits.disk_free_percent > 0 && percent < u64::from(limits.disk_free_percent);
                full.then(|| format!("{percent} % of the disk is left: {} MB.", free >> 20))
            }
            Rule::KeyAge => {
                let old = limits.key_age_days > 0 && self.oldest_key_days >= u64::from(limits.key_age_days);
                old.then(|| format!("The oldest is {} days old. Rotate it.", self.oldest_key_days))
            }
            Rule::KeyExpiry => {
                let soon = limits.key_expiry_days > 0 && !self.expiring.is_empty();
                soon.then(|| format!("Within {} days: {}.", limits.key_expiry_days, self.expiring.join(", ")))
            }
            Rule::BackupAge => {
                let (hours, told) = match self.backup {
                    BackupSeen::Hours(hours) => {
                        (hours, format!("The newest backup that was found good is {hours} hours old."))
                    }
                    BackupSeen::Never(hours) => {
                        (hours, format!("No backup was made and found good in the {hours} hours of this instance."))
                    }
                };
                let old = limits.backup_age_hours > 0 && hours >= u64::from(limits.backup_age_hours);
                old.then_some(told)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Seen {
        Seen {
            requests: 100,
            failed: 0,
            p95_ms: 3.0,
            failed_log_ins: 0,
            disk: (50 << 30, 100 << 30),
            oldest_key_days: 1,
            expiring: Vec::new(),
            backup: BackupSeen::Hours(20),
        }
    }

    fn broken(seen: &Seen, limits: &config::Alerts) -> Vec<Rule> {
        Rule::ALL.into_iter().filter(|rule| seen.broken(*rule, limits).is_some()).collect()
    }

    #[test]
    fn each_rule_is_broken_by_its_own_figure_and_can_be_switched_off() {
        let limits = config::Alerts::default();
        assert_eq!(broken(&quiet(), &limits), []);
        let all = Seen {
            failed: 5,
            p95_ms: 2000.0,
            failed_log_ins: 50,
            disk: (9 << 30, 100 << 30),
            oldest_key_days: 365,
            expiring: vec!["nightly".into()],
            backup: BackupSeen::Never(48),
            ..quiet()
        };
        assert_eq!(broken(&all, &limits), Rule::ALL);
        assert_eq!(broken(&Seen { requests: 19, failed: 19, ..quiet() }, &limits), [], "too few to say anything");
        let off = config::Alerts {
            error_rate_percent: 0,
            slow_p95_ms: 0,
            failed_log_ins: 0,
            disk_free_percent: 0,
            key_age_days: 0,
            key_expiry_days: 0,
            backup_age_hours: 0,
            ..limits
        };
        assert_eq!(broken(&all, &off), []);
        assert_eq!(broken(&Seen { disk: (0, 0), ..quiet() }, &config::Alerts::default()), [], "nothing was measured");
    }
}
