//! `portcullis doctor`: what the instance finds wrong with itself, for people and as a gate.

use super::{Exit, LiveCommand, json_text, wait};
use crate::{
    doctor::Report,
    error::Result,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

#[derive(Args, Serialize, Deserialize)]
pub struct Doctor {
    #[arg(long)]
    json: bool,
    /// Fail when the score is below this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    min_score: Option<u32>,
}

impl LiveCommand for Doctor {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let report = wait(app.doctor.examine())?;
        terminal.out(&if self.json { json_text(&report)? } else { words(&report)? })?;
        let Some(least) = self.min_score.filter(|least| report.score < *least) else { return Ok(Exit::Done) };
        terminal.talk(&format!("the score of {} is below {least}", report.score))?;
        Ok(Exit::Refused)
    }
}

fn words(report: &Report) -> Result<String> {
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().replace('_', " ");
    let mut text = format!("{} of 100\n", report.score);
    for category in &report.categories {
        let name = word(serde_json::to_value(category.name).map_err(crate::error::Error::internal)?);
        let _ = writeln!(text, "  {:>3} {name}", category.score);
    }
    for finding in &report.findings {
        let severity = word(serde_json::to_value(finding.severity).map_err(crate::error::Error::internal)?);
        let _ = writeln!(text, "\n[{severity}] {}\n  {}\n  {}", finding.title, finding.evidence, finding.remedy);
    }
    Ok(text)
}
