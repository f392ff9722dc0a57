//! The job that notes the score of the day.

use super::{Doctor, check::Severity, store};
use crate::{error::Result, jobs::Engine};
use std::time::Duration;

const KIND: &str = "doctor.score";
/// More often than once a day, so that no day is missed by a server that is started and stopped.
const EVERY: Duration = Duration::from_secs(3600);
/// A server that has just started has other things to do, and little to tell.
const SETTLED: Duration = Duration::from_secs(600);

impl Doctor {
    /// Registers the job with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        let clock = self.patient.ledger.clock().clone();
        let (doctor, started) = (self.clone(), clock.steady());
        engine.register(KIND, move |(), _| {
            let (doctor, runs_for) = (doctor.clone(), clock.steady().since(started));
            async move { if runs_for < SETTLED { Ok(()) } else { doctor.note_score().await } }
        });
        engine.schedule(KIND, EVERY);
    }

    async fn note_score(&self) -> Result<()> {
        let report = self.examine().await?;
        let (at, score) = (report.checked_at, report.score);
        for finding in report.findings.iter().filter(|finding| finding.severity == Severity::High) {
            tracing::warn!(target: "portcullis::security", finding = finding.id, evidence = finding.evidence, "the doctor found something grave");
        }
        self.patient.ledger.unrecorded("the doctor's score of the day", move |tx| store::note(tx, at, score)).await
    }
}
