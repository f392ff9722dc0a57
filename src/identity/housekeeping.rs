//! The job that removes what has expired: sessions, links, failed log-ins.

use super::{Identity, links, lockout, sessions};
use crate::{error::Result, jobs::Engine};
use std::time::Duration;

const KIND: &str = "identity.clean";
const EVERY: Duration = Duration::from_secs(3600);
/// Ended sessions stay so long, so that a refresh token that comes again is still known.
const SESSIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Identity {
    /// Registers the clean-up with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        let identity = self.clone();
        engine.register_blocking(KIND, move |_: serde_json::Value, _| identity.clean());
        engine.schedule(KIND, EVERY);
    }

    fn clean(&self) -> Result<()> {
        let identity = self.clone();
        self.ledger.unrecorded_blocking("expired sessions, links and attempts are removed", move |tx| {
            let clock = identity.clock();
            sessions::clean(tx, clock.now().minus(SESSIONS_KEPT))?;
            links::clean(tx, clock.now())?;
            lockout::clean(tx, clock.steady())?;
            Ok(())
        })
    }
}
