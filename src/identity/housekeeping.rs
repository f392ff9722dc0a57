//! The job that removes what has expired: sessions, links, failed log-ins, secrets of keys that were replaced.

use super::{Identity, api_keys, links, lockout, recovery, sessions};
use crate::{error::Result, jobs::Engine};
use std::time::Duration;

const KIND: &str = "identity.clean";
/// Elevations are over at their time in any case; this writes it down.
const ELEVATIONS: &str = "elevations.settle";
const ELEVATIONS_EVERY: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(3600);
/// Ended sessions stay so long, so that a refresh token that comes again is still known.
const SESSIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Identity {
    /// Registers the clean-up with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        let identity = self.clone();
        engine.register_blocking(KIND, move |_: serde_json::Value, _| identity.clean());
        engine.schedule(KIND, EVERY);
        let identity = self.clone();
        engine.register_blocking(ELEVATIONS, move |_: serde_json::Value, _| identity.settle_elevations());
        engine.schedule(ELEVATIONS, ELEVATIONS_EVERY);
    }

    fn clean(&self) -> Result<()> {
        let (now, steady) = (self.clock().now(), self.clock().steady());
        let kept_since = now.minus(self.refresh_lifetime().max(SESSIONS_KEPT));
        let reason = "expired sessions, links, attempts and replaced keys are removed";
        while self.ledger.unrecorded_blocking(reason, move |tx| sessions::clean(tx, kept_since))? {}
        self.ledger.unrecorded_blocking(reason, move |tx| {
            sessions::clean_tokens(tx, kept_since)?;
            links::clean(tx, now)?;
            recovery::clean(tx, now)?;
            lockout::clean_spent(tx, now)?;
            api_keys::clean(tx, now)?;
            lockout::clean(tx, steady).map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::Roles,
        audit::Ledger,
        cache::Generations,
        clock::Clock,
        config::{Config, Live},
        mail::Mailer,
        outbound::Outbound,
        params,
        personal::DataKeys,
        secrets::Keyring,
        storage,
    };

    #[test]
    fn what_has_expired_is_removed_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::movable();
        let keyring = Keyring::open_or_create(folder.path(), &clock).unwrap();
        let (db, writer) = storage::open(folder.path(), &storage::Options::default()).unwrap();
        let ledger = Ledger::new(db.clone(), writer, clock.clone());
        let roles = Roles::load(&db, Generations::default()).unwrap();
        let config = Live::from(Config::default());
        let mailer = Mailer::new(&config.load().mail, Outbound::new(&config), keyring.clone(), clock.clone());
        let keys = DataKeys::new(keyring, clock.clone(), folder.path());
        let identity = Identity::new(ledger.clone(), roles, keys, mailer, config).unwrap();
        let (now, old) = (clock.now(), clock.now().minus(SESSIONS_KEPT * 2));
        let fill = move |tx: &storage::Tx<'_>| {
            tx.execute(
                "INSERT INTO users (id, email, email_key, data, kind, status, version, created_at, updated_at)
                 VALUES ('u', 'a', 'a', '{}', 'person', 'active', 1, 0, 0)",
                &[],
            )?;
            for (name, at) in [("old", old), ("new", now)] {
                tx.execute(
                    "INSERT INTO sessions (id, user_id, kind, created_at, last_used_at, expires_at) VALUES (?1, 'u', 'token', ?2, ?2, ?2)",
                    params![crate::ids::Id::new(), at],
                )?;
                tx.execute(
                    "INSERT INTO one_time_links (fingerprint, purpose, created_at, expires_at) VALUES (?1, 'setup', ?2, ?2)",
                    params![name, at.plus(EVERY)],
                )?;
                tx.execute(
                    "INSERT INTO login_attempts (account, network, failures, last_at) VALUES (?1, 'local', 1, ?2)",
                    params![name, at],
                )?;
                tx.execute(
                    "INSERT INTO password_requests (account, requests, since) VALUES (?1, 1, ?2)",
                    params![name, at],
                )?;
                tx.execute(
                    "INSERT INTO spent_challenges (salt, expires_at) VALUES (?1, ?2)",
                    params![name, at.plus(EVERY)],
                )?;
            }
            Ok(())
        };
        ledger.unrecorded_blocking("test", fill).unwrap();
        identity.clean().unwrap();
        for table in ["sessions", "one_time_links", "login_attempts", "password_requests", "spent_challenges"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let left = db.read(|reader| reader.query_one(&sql, &[], |row| row.get::<i64>(0))).unwrap();
            assert_eq!(left, Some(1), "{table}");
        }
    }
}
