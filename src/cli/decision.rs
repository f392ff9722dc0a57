//! `portcullis decision`: why a request was refused, check by check.

use super::{Exit, LiveCommand, json_text, table::printable};
use crate::{
    decisions::{Explained, Outcome, Question},
    error::Result,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// One request has few; whoever sends the same request id again and again has more.
const SHOWN: usize = 20;

#[derive(Args, Serialize, Deserialize)]
pub struct Decision {
    /// The `decision_id` of the answer, or its request id.
    id: String,
    #[arg(long)]
    json: bool,
}

impl LiveCommand for Decision {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let found = self.find(app);
        if found.is_empty() {
            let id = printable(&self.id);
            terminal.talk(&format!(
                "portcullis: no decision {id}; a running server keeps the latest refusals, for a day at most"
            ))?;
            return Ok(Exit::Refused);
        }
        let text = match &*found {
            [one] if self.json => json_text(one)?,
            all if self.json => json_text(&all)?,
            all => all.iter().map(told).collect::<Vec<_>>().join("\n"),
        };
        terminal.out(&text)?;
        Ok(Exit::Done)
    }
}

impl Decision {
    fn find(&self, app: &App) -> Vec<Explained> {
        let decisions = &app.decisions;
        let one = self.id.parse().ok().and_then(|id| decisions.get(id));
        let found = match one {
            Some(decision) => vec![decision],
            None => decisions.find(&Question { request_id: Some(&self.id), ..Question::default() }, SHOWN).0,
        };
        found.iter().map(|decision| decision.explain(&|name| app.entity_types.is_owner_only(name))).collect()
    }
}

fn told(decision: &Explained) -> String {
    let caller = &decision.caller;
    let roles = match &*caller.roles {
        [] => String::new(),
        roles => format!(" ({})", roles.join(", ")),
    };
    let from = decision.ip.map(|ip| format!(" from {ip}")).unwrap_or_default();
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{}", printable(line.trim_end()));
    };
    line(format!("{} {}", decision.method, decision.path));
    line(format!("{}{roles}{from}, {}", caller.label, decision.at));
    line(format!("answered {} {}: {}", decision.status, decision.code, decision.told));
    line(format!("decision {}, request {}", decision.id, decision.request_id));
    for step in &decision.rules {
        let outcome = match step.outcome {
            Outcome::Passed => "passed",
            Outcome::Refused => "REFUSED",
            Outcome::Observed => "observed",
            Outcome::NotReached => "not reached",
        };
        line(format!("  {outcome:<11}  {}: {}", step.rule.as_str().replace('_', " "), step.detail));
    }
    text
}
