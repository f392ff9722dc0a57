//! The jobs that make and check backups.

use super::{Backups, make::How, model::Named};
use crate::{
    actor::Actor,
    audit::Event,
    error::{Code, Error, Result},
    ids::Id,
    jobs::{Context, Engine, NewJob, Priority},
};
use serde_json::json;
use std::time::Duration;

pub(super) const CREATE: &str = "backups.create";
pub(super) const VERIFY: &str = "backups.verify";
/// A large database on a slow disk takes its time.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

impl Backups {
    pub fn keep_house(&self, engine: &mut Engine) {
        let backups = self.clone();
        engine.register_blocking(CREATE, move |by_hand: Option<bool>, context| {
            let how = if by_hand == Some(true) { How::ByJob } else { How::Scheduled };
            let actor = Actor::system("a backup was asked for, or due");
            backups.make(&actor, how, &mut |done, total, note| told(&context, done, total, note)).map(drop)
        });
        let backups = self.clone();
        engine.register_blocking(VERIFY, move |Named { name }: Named, context| {
            let mut watch = |done: u64, total: u64, note: &str| told(&context, done, total, note);
            match backups.verify(&Actor::system("each backup is checked"), &name, None, &mut watch) {
                // It was noted, and a second look finds the same.
                Err(error) if matches!(error.code(), Code::Conflict | Code::NotFound) => Ok(()),
                outcome => outcome.map(drop),
            }
        });
        for kind in [CREATE, VERIFY] {
            engine.set_apart(kind, 1);
            engine.allow_time(kind, LONGEST);
        }
        if let Some(cron) = self.config.load().backup.schedule.clone() {
            engine.schedule_at(CREATE, cron);
        }
    }

    /// Has a job make one.
    pub(super) async fn request(&self, actor: &Actor) -> Result<Id> {
        let clock = self.ledger.clock().clone();
        self.ledger
            .change(actor, move |tx| {
                let now = clock.now();
                let id = NewJob::new(CREATE).priority(Priority::High).enqueue(tx, &true, now, now)?;
                Ok((id, Event::new("backup.requested", "job", id)))
            })
            .await
    }

    /// Has a job check one.
    pub(super) async fn request_check(&self, actor: &Actor, name: String) -> Result<Id> {
        let clock = self.ledger.clock().clone();
        self.ledger
            .change(actor, move |tx| {
                let now = clock.now();
                let new = NewJob::new(VERIFY).about(&name).priority(Priority::High);
                let id = new.enqueue(tx, &Named { name: name.clone() }, now, now)?;
                let after = json!({ "name": name, "job": id });
                Ok((id, Event::new("backup.check_requested", "backup", &name).after(&after)))
            })
            .await
    }
}

fn told(context: &Context, done: u64, total: u64, note: &str) -> Result<()> {
    if context.is_cancelled() {
        return Err(Error::unavailable("The job was ended."));
    }
    context.report(done, total, note);
    Ok(())
}

impl Backups {
    /// Who took one out.
    pub(super) async fn note_download(&self, actor: &Actor, name: String) -> Result<()> {
        let event = move || Event::new("backup.downloaded", "backup", &name).after(&json!({ "name": name }));
        self.ledger.change(actor, move |_| Ok(((), event()))).await
    }
}
