//! Waiting and locks after failed log-ins, for an account and the network the attempts come from, so that
//! nobody can lock somebody else out. Accounts are known by fingerprint alone: unknown ones count alike.
//!
//! An attempt is reserved on disk before its password is looked at, and counts as failed until it succeeds.
//! So a thousand parallel guesses evaluate no more than the limit, and ending the process resets nothing.

use super::{
    handle::minutes,
    sprays::{self, Spray},
};
use crate::{
    actor::network,
    audit::Ledger,
    clock::Time,
    config::Live,
    error::{Code, Error, Result},
    params,
    refusal::Check,
    storage::{Reader, Tx},
};
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Failures are forgotten when no attempt follows for so long.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone)]
pub struct Lockout {
    ledger: Ledger,
    config: Live,
}

/// What an attempt shows beside the password.
#[derive(Clone, Debug)]
pub enum Work {
    /// Whoever is signed in already: waiting and locks are enough.
    NotAsked,
    Missing,
    /// A challenge was answered rightly; each is good once, and until then.
    Done {
        salt: String,
        until: Time,
    },
}

/// An attempt that was reserved: it must fail, succeed or be released.
#[derive(Clone, Debug)]
pub struct Attempt {
    account: String,
    network: String,
}

struct Row {
    failures: u32,
    blocked_until: Option<Time>,
    last_at: Time,
}

impl Lockout {
    /// Locks as the configuration says.
    pub fn new(ledger: Ledger, config: Live) -> Self {
        // Steady time begins here, before anybody can move the system's clock.
        ledger.clock().steady();
        Self { ledger, config }
    }

    /// Failures after which an account is locked for a network.
    fn most(&self) -> u32 {
        self.config.load().auth.lockout_failures
    }

    /// How long it stays locked.
    fn lock(&self) -> Duration {
        minutes(self.config.load().auth.lockout_minutes)
    }

    /// Failures, of an account or from a network, after which strangers show work; none: never.
    fn work_after(&self) -> u32 {
        self.config.load().auth.challenge_after
    }

    /// Takes one attempt on the account, or says how long to wait, or that work is to be shown first.
    pub async fn reserve(&self, account: String, ip: Option<IpAddr>, work: Work) -> Result<Attempt> {
        let attempt = Attempt { account, network: place(ip) };
        // A flood of refused attempts must not become a flood of writes.
        self.ledger.db().read(|reader| {
            self.admit(find(reader, &attempt)?.as_ref())?;
            self.ask(reader, &attempt, &work)
        })?;
        let (lockout, reserved) = (self.clone(), attempt.clone());
        self.ledger
            .unrecorded("a log-in attempt is reserved", move |tx| {
                let row = find(tx, &reserved)?;
                let failures = lockout.admit(row.as_ref())? + 1;
                lockout.ask(tx, &reserved, &work)?;
                spend(tx, &work)?;
                let now = lockout.now();
                let blocked_until = (failures >= lockout.most()).then(|| now.plus(lockout.lock()));
                tx.execute(
                    "INSERT INTO login_attempts (account, network, failures, blocked_until, last_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (account, network) DO UPDATE
                     SET failures = excluded.failures,
                         failed = CASE WHEN excluded.failures = 1 THEN 0 ELSE login_attempts.failed END,
                         blocked_until = excluded.blocked_until, last_at = excluded.last_at",
                    params![&reserved.account, &reserved.network, failures, blocked_until, now],
                )?;
                Ok(())
            })
            .await?;
        Ok(attempt)
    }

    /// The password was wrong: the next attempt waits, twice as long as the one before. Tells of a spray that this
    /// was part of.
    pub(super) async fn failed(&self, attempt: Attempt) -> Result<Option<Spray>> {
        let lockout = self.clone();
        self.ledger
            .unrecorded("a log-in failed", move |tx| {
                let Some(row) = find(tx, &attempt)? else { return Ok(None) };
                let until = lockout.now().plus(lockout.wait_after(row.failures));
                tx.execute(
                    "UPDATE login_attempts
                     SET failed = failed + 1,
                         blocked_until = CASE WHEN blocked_until > ?3 THEN blocked_until ELSE ?3 END
                     WHERE account = ?1 AND network = ?2",
                    params![&attempt.account, &attempt.network, until],
                )?;
                let now = lockout.now();
                Ok(if sprays::comes_from(tx, &attempt.network, now)? {
                    Some(Spray::Network)
                } else {
                    sprays::is_under_way(tx, now)?.then_some(Spray::Overall)
                })
            })
            .await
    }

    /// The password was never looked at: the attempt counts for nothing.
    pub async fn release(&self, attempt: Attempt) -> Result<()> {
        let limit = self.most();
        self.ledger
            .unrecorded("a log-in attempt is given back", move |tx| {
                tx.execute(
                    "UPDATE login_attempts SET failures = failures - 1,
                                               blocked_until = CASE WHEN failures >= ?3 THEN NULL ELSE blocked_until END
                     WHERE account = ?1 AND network = ?2 AND failures > 0 AND failures <= ?3",
                    params![&attempt.account, &attempt.network, limit],
                )?;
                Ok(())
            })
            .await
    }

    /// Whether a network sprays, so that its challenges are harder.
    pub fn is_spraying(&self, ip: Option<IpAddr>) -> Result<bool> {
        self.ledger.db().read(|reader| sprays::comes_from(reader, &place(ip), self.now()))
    }

    /// The accounts that are locked for some network, and until when.
    pub fn locked(&self, reader: &Reader<'_>) -> Result<HashMap<String, Time>> {
        let now = self.now();
        let rows = reader.query_all(
            "SELECT account, max(blocked_until) FROM login_attempts
             WHERE failures >= ?1 AND blocked_until > ?2 GROUP BY account LIMIT 10000",
            params![self.most(), now],
            |row| Ok((row.get::<String>(0)?, row.get::<Time>(1)?.min(now.plus(self.lock())))),
        )?;
        Ok(rows.into_iter().collect())
    }

    fn now(&self) -> Time {
        self.ledger.clock().steady()
    }

    /// How many failures there were, when an attempt may be made now.
    fn admit(&self, row: Option<&Row>) -> Result<u32> {
        let Some(row) = row else { return Ok(0) };
        let now = self.now();
        // A clock that went back must not lock for longer than a lock lasts.
        let left = row.blocked_until.map_or(Duration::ZERO, |until| until.since(now)).min(self.lock());
        if !left.is_zero() {
            let wait = Duration::from_secs(left.as_millis().div_ceil(1000) as u64);
            return Err(Error::new(
                Code::LoginDelayed,
                "Too many failed sign-ins from your network. Wait, then try again.",
            )
            .because(
                Check::LoginDelay,
                format!(
                    "{} of {} failed attempts on this account from this network: {} for {} s.",
                    row.failures,
                    self.most(),
                    if row.failures >= self.most() { "locked" } else { "waiting" },
                    wait.as_secs()
                ),
            )
            .retry_after(wait));
        }
        let over = row.failures >= self.most() || now.since(row.last_at) > FORGOTTEN_AFTER;
        Ok(if over { 0 } else { row.failures })
    }

    /// Refuses an attempt without work where failures ask for some: of this account from wherever they came, or
    /// from this network on whichever accounts.
    fn ask(&self, reader: &Reader<'_>, attempt: &Attempt, work: &Work) -> Result<()> {
        let work_after = self.work_after();
        if work_after == 0 || !matches!(work, Work::Missing) {
            return Ok(());
        }
        if sprays::is_under_way(reader, self.now())? || sprays::comes_from(reader, &attempt.network, self.now())? {
            return Err(needs_work());
        }
        let since = self.now().minus(FORGOTTEN_AFTER);
        for (column, key) in [("account", &attempt.account), ("network", &attempt.network)] {
            let sql = format!(
                "SELECT coalesce(sum(failed), 0) FROM
                 (SELECT failed FROM login_attempts WHERE {column} = ?1 AND failed > 0 AND last_at > ?2 LIMIT ?3) AS some"
            );
            let failed: Option<i64> = reader.query_one(&sql, params![key, since, work_after], |row| row.get(0))?;
            if failed.unwrap_or(0) >= i64::from(work_after) {
                let whom = if column == "account" { "on this account" } else { "from this network" };
                let why = format!("At least {work_after} attempts {whom} failed, and no answered challenge came.");
                return Err(needs_work().because(Check::Challenge, why));
            }
        }
        Ok(())
    }

    fn wait_after(&self, failures: u32) -> Duration {
        if failures >= self.most() {
            return self.lock();
        }
        Duration::from_secs(1_u64 << failures.saturating_sub(1).min(20)).min(self.lock())
    }
}

impl Attempt {
    /// The network it came from.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The password was right: this network's count for the account starts anew.
    pub fn succeed(&self, tx: &Tx<'_>) -> Result<()> {
        tx.execute(
            "DELETE FROM login_attempts WHERE account = ?1 AND network = ?2",
            params![&self.account, &self.network],
        )?;
        Ok(())
    }
}

fn needs_work() -> Error {
    Error::new(
        Code::ChallengeRequired,
        "There were failed sign-ins. Answer the challenge and send it with the next try.",
    )
    .because(Check::Challenge, "The challenge was answered before; each is good once.")
}

fn spend(tx: &Tx<'_>, work: &Work) -> Result<()> {
    let Work::Done { salt, until } = work else { return Ok(()) };
    let sql = "INSERT INTO spent_challenges (salt, expires_at) VALUES (?1, ?2) ON CONFLICT (salt) DO NOTHING";
    if tx.execute(sql, params![salt, *until])? == 0 { Err(needs_work()) } else { Ok(()) }
}

/// Forgets challenges that have expired.
pub(crate) fn clean_spent(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("DELETE FROM spent_challenges WHERE expires_at < ?1", params![now])
}

/// Lifts every lock on the account.
pub(crate) fn unlock(tx: &Tx<'_>, account: &str) -> Result<usize> {
    tx.execute("DELETE FROM login_attempts WHERE account = ?1", params![account])
}

/// Forgets attempts that no longer count.
pub(crate) fn clean(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute(
        "DELETE FROM login_attempts WHERE last_at < ?1 AND (blocked_until IS NULL OR blocked_until < ?2)",
        params![now.minus(FORGOTTEN_AFTER), now],
    )
}

fn find(reader: &Reader<'_>, attempt: &Attempt) -> Result<Option<Row>> {
    reader.query_one(
        "SELECT failures, blocked_until, last_at FROM login_attempts WHERE account = ?1 AND network = ?2",
        params![&attempt.account, &attempt.network],
        |row| Ok(Row { failures: row.get(0)?, blocked_until: row.get(1)?, last_at: row.get(2)? }),
    )
}

fn place(ip: Option<IpAddr>) -> String {
    ip.map_or_else(|| "local".to_owned(), |ip| network(ip).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, config::Config, storage};

    const LOCK: Duration = Duration::from_secs(900);

    fn lockout() -> (Lockout, Clock, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = storage::open(folder.path(), &storage::Options::default()).unwrap();
        let clock = Clock::movable();
        (Lockout::new(Ledger::new(db, writer, clock.clone()), Live::from(Config::default())), clock, folder)
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    async fn fail(lockout: &Lockout, ip: &str) -> Result<()> {
        let attempt = lockout.reserve("victim".into(), from(ip), Work::NotAsked).await?;
        lockout.failed(attempt).await.map(drop)
    }

    #[tokio::test]
    async fn waiting_doubles_and_ends_in_a_lock_for_that_network_alone() {
        let (lockout, clock, _folder) = lockout();
        for failures in 1..=10_u32 {
            fail(&lockout, "203.0.113.1").await.unwrap();
            let refused = fail(&lockout, "203.0.113.1").await.unwrap_err();
            assert_eq!(refused.code(), Code::LoginDelayed);
            let wait = refused.wait().unwrap();
            let expected = if failures == 10 { 900 } else { 1 << (failures - 1) };
            assert!(wait.as_secs().abs_diff(expected) <= 1, "{wait:?} after {failures}");
            if failures < 10 {
                clock.advance(wait.as_millis() as i64);
            }
        }
        fail(&lockout, "203.0.113.2").await.unwrap();
        clock.advance(LOCK.as_millis() as i64);
        fail(&lockout, "203.0.113.1").await.unwrap();
    }

    #[tokio::test]
    async fn parallel_guesses_are_evaluated_ten_times_at_most() {
        let (lockout, _clock, _folder) = lockout();
        let guesses = (0..200).map(|_| lockout.reserve("victim".into(), from("203.0.113.1"), Work::NotAsked));
        let outcomes = futures_util::future::join_all(guesses).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    }

    #[tokio::test]
    async fn success_and_release_count_for_nothing() {
        let (lockout, _clock, _folder) = lockout();
        for _ in 0..20 {
            let attempt = lockout.reserve("somebody".into(), None, Work::NotAsked).await.unwrap();
            lockout.release(attempt).await.unwrap();
        }
        for _ in 0..20 {
            let attempt = lockout.reserve("somebody".into(), None, Work::NotAsked).await.unwrap();
            lockout.ledger.unrecorded("test", move |tx| attempt.succeed(tx)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_clock_that_goes_back_a_day_locks_no_longer_than_a_lock() {
        let (lockout, clock, _folder) = lockout();
        fail(&lockout, "203.0.113.1").await.unwrap();
        clock.advance(-86_400_000);
        let wait = fail(&lockout, "203.0.113.1").await.unwrap_err().wait().unwrap();
        assert!(wait <= LOCK);
    }
}
