//! `portcullis jobs`: what the server does in the background.

use super::{Exit, LiveCommand, json_text, table::table, wait};
use crate::{
    actor::Actor,
    background::{Job, Query, State},
    error::Result,
    ids::Id,
    server::{App, Terminal},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Jobs {
    /// List jobs, those that changed last first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<State>,
        /// Only those of this kind, such as mail.send.
        #[arg(long)]
        kind: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Show one job with its attempts and errors.
    Show { id: Id },
    /// Run a job again that was given up or cancelled, or one that waits now.
    Retry { id: Id },
    /// Call off a job that waits, or end the attempt that runs.
    Cancel { id: Id },
}

impl LiveCommand for Jobs {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::List { state, kind, limit, json } => {
                let query = Query { limit: Some(*limit), state: *state, kind: kind.clone(), ..Query::default() };
                let page = app.background.list(&query, &app.cursor_key())?;
                terminal.out(&if *json { json_text(&page.items)? } else { shown(page.items) })?;
            }
            Self::Show { id } => terminal.out(&json_text(&app.background.details(*id)?)?)?,
            Self::Retry { id } => {
                let job = wait(app.background.retry(&Actor::cli(), *id))?;
                terminal.talk(&format!("{} is due now.", named(&job)))?;
            }
            Self::Cancel { id } => {
                let job = wait(app.background.cancel(&Actor::cli(), *id))?;
                let how = if job.state == State::Running { "is being ended" } else { "is cancelled" };
                terminal.talk(&format!("{} {how}.", named(&job)))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn named(job: &Job) -> String {
    job.about.as_ref().map_or_else(|| job.title.clone(), |about| format!("{}: {about}", job.title))
}

fn shown(jobs: Vec<Job>) -> String {
    let rows = jobs.into_iter().map(|job| {
        let what = named(&job);
        let at = job.finished_at.or(job.started_at.filter(|_| job.state == State::Running)).unwrap_or(job.due_at);
        let state = if job.cancelling { "cancelling".to_owned() } else { job.state.as_str().to_owned() };
        let progress = job.progress.map(|progress| format!("{}/{}", progress.done, progress.total));
        let error = job.error.unwrap_or_default();
        [
            job.id.to_string(),
            what,
            state,
            progress.unwrap_or_default(),
            job.attempts.to_string(),
            at.to_string(),
            error.chars().take(80).collect(),
        ]
    });
    table(["ID", "WHAT", "STATE", "PROGRESS", "ATTEMPTS", "AT", "ERROR"], rows)
}
