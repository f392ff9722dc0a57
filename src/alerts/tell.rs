//! Whom an incident is told to: mail addresses and an address of one's own, with the change that records it.

use super::{Alerts, rules::Rule, store::Incident};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    jobs,
    mail::{Letter, Template},
    outbound::Target,
    storage::Tx,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const CALL: &str = "alerts.call";
/// Over well before the job's time is.
pub(super) const LONGEST_CALL: Duration = Duration::from_secs(20);

/// What is posted to `alerts.url`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Called {
    /// The same at its begin and its end.
    id: Id,
    rule: Rule,
    /// `raised` or `cleared`.
    state: String,
    title: String,
    detail: String,
    instance: String,
    started_at: Time,
    ended_at: Option<Time>,
}

impl Alerts {
    /// Has the incident told once the change under way is committed.
    pub(super) fn tell(&self, tx: &Tx<'_>, rule: Rule, incident: &Incident, ended_at: Option<Time>) -> Result<()> {
        let config = self.0.config.load();
        let now = self.0.ledger.clock().now();
        let template = if ended_at.is_some() { Template::AlertOver } else { Template::Alert };
        let at = |time: Time| time.to_string().replace('T', " ").replace('Z', " UTC");
        for to in &config.alerts.to {
            let letter = Letter::new(template, to.as_str())
                .with("title", rule.title())
                .with("detail", &incident.detail)
                .with("site", self.0.identity.address())
                .with("since", at(incident.started_at))
                .with("at", at(now));
            self.0.mailer.enqueue(tx, &letter, now)?;
        }
        if config.alerts.url.is_some() {
            let called = Called {
                id: incident.id,
                rule,
                state: if ended_at.is_some() { "cleared" } else { "raised" }.to_owned(),
                title: rule.title().to_owned(),
                detail: incident.detail.clone(),
                instance: self.0.identity.address(),
                started_at: incident.started_at,
                ended_at,
            };
            jobs::enqueue(tx, CALL, &called, now)?;
        }
        Ok(())
    }

    pub(super) async fn call(&self, called: Called) -> Result<()> {
        let Some(url) = self.0.config.load().alerts.url.clone() else { return Ok(()) };
        let target = Target::parse(&url).map_err(|refused| Error::unavailable(format!("alerts.url: {refused}")))?;
        let body = serde_json::to_vec(&called).map_err(Error::internal)?;
        let headers = [("content-type", "application/json".to_owned())];
        let answer = self.0.outbound.post(&target, &headers, Bytes::from(body)).await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(Error::unavailable(format!("The receiver of alerts answered {}.", answer.status)))
    }
}
