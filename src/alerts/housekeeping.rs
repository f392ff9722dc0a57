//! The job that looks at every rule each minute.

use super::{
    Alerts,
    rules::{Rule, Seen},
    store::{self, Incident},
    tell,
};
use crate::{actor::Actor, audit::Event, error::Result, ids::Id, jobs::Engine, storage::Tx};
use std::time::Duration;

const CHECK: &str = "alerts.check";
const EVERY: Duration = Duration::from_secs(60);
/// How long incidents that are over are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

impl Alerts {
    /// Registers with `engine` the looking and the telling.
    pub fn keep_house(&self, engine: &mut Engine) {
        let alerts = self.clone();
        engine.register_blocking(CHECK, move |_: serde_json::Value, _| alerts.check());
        engine.schedule(CHECK, EVERY);
        let alerts = self.clone();
        engine.register(tell::CALL, move |called: tell::Called, _| {
            let alerts = alerts.clone();
            async move { alerts.call(called).await }
        });
    }

    fn look(&self) -> Result<Seen> {
        let parts = &self.0;
        let (now, limits) = (parts.ledger.clock().now(), parts.config.load());
        let (requests, failed, p95_ms) = Seen::traffic(&parts.traffic.points());
        Ok(Seen {
            requests,
            failed,
            p95_ms,
            failed_log_ins: Seen::failed_log_ins(&parts.ledger, now)?,
            disk: parts.folder.space(),
            oldest_key_days: parts.secrets.oldest_days(),
            expiring: Seen::expiring(&parts.ledger, now, limits.alerts.key_expiry_days)?,
            backup: Seen::backup(&parts.ledger, now)?,
        })
    }

    fn check(&self) -> Result<()> {
        let seen = self.look()?;
        let limits = self.0.config.load().alerts.clone();
        let open = self.0.ledger.db().read(store::open)?;
        for rule in Rule::ALL {
            let running = open.iter().find(|incident| incident.rule == rule.as_str());
            match (seen.broken(rule, &limits), running) {
                (Some(detail), None) => self.raise(rule, detail)?,
                (None, Some(incident)) => self.clear(rule, incident.clone())?,
                _ => {}
            }
        }
        let before = self.0.ledger.clock().now().minus(KEPT);
        self.0.ledger.unrecorded_blocking("old incidents are forgotten", move |tx| store::clean(tx, before))
    }

    fn raise(&self, rule: Rule, detail: String) -> Result<()> {
        let started_at = self.0.ledger.clock().now();
        let incident = Incident { id: Id::new(), rule: rule.as_str().to_owned(), detail, started_at };
        tracing::warn!(target: "portcullis::alerts", rule = incident.rule, detail = incident.detail, "alert");
        self.record(rule, incident, true)
    }

    fn clear(&self, rule: Rule, incident: Incident) -> Result<()> {
        tracing::info!(target: "portcullis::alerts", rule = incident.rule, "alert over");
        self.record(rule, incident, false)
    }

    fn record(&self, rule: Rule, incident: Incident, begins: bool) -> Result<()> {
        let alerts = self.clone();
        let action = if begins { "alert.raised" } else { "alert.cleared" };
        self.0.ledger.change_blocking(&Actor::system("alert rules are looked at"), move |tx: &Tx<'_>| {
            let now = alerts.0.ledger.clock().now();
            if begins {
                store::begin(tx, &incident)?;
            } else {
                store::end(tx, incident.id, now)?;
            }
            alerts.tell(tx, rule, &incident, (!begins).then_some(now))?;
            Ok(((), Event::new(action, "alert", rule.as_str()).after(&incident)))
        })
    }
}
