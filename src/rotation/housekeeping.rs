//! What happens to keys by itself: rotation on schedule, sealing anew, and the end of those that retire.

use super::{Secrets, action::RESEAL, model::Kind, sealed};
use crate::{
    actor::Actor,
    clock::Time,
    error::Result,
    jobs::{Context, Engine, enqueue},
    secrets::{KeyFacts, UNTIL_UNUSED},
};
use std::time::Duration;

const KEEP: &str = "secrets.keep";
const EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
/// No change that sealed something with the key before is under way any more: none may take longer.
const SETTLED: Duration = Duration::from_secs(660);

impl Secrets {
    /// Registers with `engine` what happens by itself.
    pub fn keep_house(&self, engine: &mut Engine) {
        let secrets = self.clone();
        engine.register_blocking(KEEP, move |_: serde_json::Value, context| secrets.keep(&context));
        engine.schedule(KEEP, EVERY);
        let secrets = self.clone();
        engine.register_blocking(RESEAL, move |_: serde_json::Value, context| secrets.reseal(&context));
    }

    fn keep(&self, context: &Context) -> Result<()> {
        self.catch_up()?;
        self.note_uses()?;
        self.rotate_due()?;
        self.reseal(context)?;
        self.end_retiring()
    }

    fn rotate_due(&self) -> Result<()> {
        let days = self.config.load().secrets.rotate_days;
        let due = |kind: &Kind| {
            let age = self.ledger.clock().now().since(self.keyring.created_at(kind.purpose()));
            days > 0 && age >= DAY * days
        };
        for kind in Kind::ALL.into_iter().filter(due) {
            let actor = Actor::system("keys are rotated on schedule");
            self.rotate_blocking(&actor, kind, false, &format!("It was {days} days old (secrets.rotate_days)."))?;
        }
        Ok(())
    }

    fn sealing(&self) -> Vec<KeyFacts> {
        let all = self.keyring.facts().into_iter();
        all.filter(|key| key.retiring_until == Some(UNTIL_UNUSED)).collect()
    }

    /// Seals anew, page by page, whatever a retiring key seals; goes on in another job when the time is up.
    fn reseal(&self, context: &Context) -> Result<()> {
        for key in self.sealing() {
            let mut place = Some(sealed::Place::default());
            while let Some(from) = place {
                if context.is_cancelled() {
                    let later = move |tx: &crate::storage::Tx<'_>| enqueue(tx, RESEAL, &(), Time::default()).map(drop);
                    return self.ledger.unrecorded_blocking("sealing anew goes on", later);
                }
                let (keyring, key, now) = (self.keyring.clone(), key.clone(), self.ledger.clock().now());
                let reason = "what a retiring key seals is sealed anew";
                place = self.ledger.unrecorded_blocking(reason, move |tx| {
                    sealed::reseal(tx, &keyring, key.purpose, &key.id, &from, now)
                })?;
            }
        }
        Ok(())
    }

    /// Removes the keys whose time is over: those that sign at their end, those that seal when nothing is left.
    fn end_retiring(&self) -> Result<()> {
        let now = self.ledger.clock().now();
        let mut over = Vec::new();
        for key in self.keyring.facts() {
            let ends = match key.retiring_until {
                None => false,
                Some(UNTIL_UNUSED) => {
                    now.since(self.keyring.created_at(key.purpose)) >= SETTLED
                        && self.ledger.db().read_long(|reader| sealed::count(reader, key.purpose, &key.id))? == 0
                }
                Some(end) => end <= now,
            };
            if ends {
                over.push(key);
            }
        }
        self.remove(&over)
    }
}
