//! A job as it is shown.

use super::words;
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    jobs::Priority,
    params,
    storage::{Reader, Row},
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Until it is due, or there is room.
    Waiting,
    Running,
    Done,
    /// Given up after its last attempt.
    Failed,
    Cancelled,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn read(text: &str) -> Result<Self> {
        Self::value_variants()
            .iter()
            .copied()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::internal("a job is in a state that is not known"))
    }
}

/// How far the running, or the last, attempt came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
pub struct Progress {
    pub done: i64,
    pub total: i64,
    /// At what it is, in words.
    pub message: String,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Job {
    pub id: Id,
    /// Which handler runs it, such as `mail.send`.
    pub kind: String,
    /// What it does, in words.
    pub title: String,
    /// What it is about; never what it was given.
    pub about: Option<String>,
    pub state: State,
    /// `high`, `normal` or `low`.
    pub priority: &'static str,
    /// Whether it comes again by itself.
    pub recurring: bool,
    /// Attempts started so far.
    pub attempts: i64,
    /// Somebody wants the running attempt to end.
    pub cancelling: bool,
    pub progress: Option<Progress>,
    /// What the last attempt said.
    pub error: Option<String>,
    /// Not before; the next attempt of one that waits.
    pub due_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// How one attempt ended.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Attempt {
    pub number: i64,
    pub started_at: Time,
    pub finished_at: Time,
    /// `done`, `failed`, `cancelled`, or `lost` when the process ended.
    pub outcome: String,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct JobDetails {
    #[serde(flatten)]
    pub job: Job,
    /// Attempts that ended, the first first.
    pub history: Vec<Attempt>,
}

pub(super) const COLUMNS: &str = "id, kind, about, state, priority, recurring, attempts, cancelling, progress_done, \
     progress_total, progress_note, error, due_at, claimed_at, finished_at, created_at, updated_at";
pub(super) const COLUMN_COUNT: usize = 17;

pub(super) fn read(row: &Row<'_>) -> Result<Job> {
    let kind: String = row.get(1)?;
    let progress = match (row.get(8)?, row.get(9)?, row.get::<Option<String>>(10)?) {
        (Some(done), Some(total), note) => Some(Progress { done, total, message: note.unwrap_or_default() }),
        _ => None,
    };
    Ok(Job {
        id: row.get(0)?,
        title: words::title(&kind),
        kind,
        about: row.get(2)?,
        state: State::read(row.text(3)?)?,
        priority: match Priority::of(row.get(4)?) {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        },
        recurring: row.get::<i64>(5)? == 1,
        attempts: row.get(6)?,
        cancelling: row.get::<i64>(7)? == 1,
        progress,
        error: row.get(11)?,
        due_at: row.get(12)?,
        started_at: row.get(13)?,
        finished_at: row.get(14)?,
        created_at: row.get(15)?,
        updated_at: row.get(16)?,
    })
}

pub(super) fn find(reader: &Reader<'_>, id: Id) -> Result<Option<Job>> {
    reader.query_one(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"), params![id], read)
}

pub(super) fn details(reader: &Reader<'_>, id: Id) -> Result<Option<JobDetails>> {
    let Some(job) = find(reader, id)? else { return Ok(None) };
    let sql = "SELECT number, started_at, finished_at, outcome, error FROM job_attempts WHERE job_id = ?1
               ORDER BY number DESC LIMIT 50";
    let mut history = reader.query_all(sql, params![id], |row| {
        Ok(Attempt {
            number: row.get(0)?,
            started_at: row.get(1)?,
            finished_at: row.get(2)?,
            outcome: row.get(3)?,
            error: row.get(4)?,
        })
    })?;
    history.reverse();
    Ok(Some(JobDetails { job, history }))
}

impl Job {
    /// Tells answers apart that differ.
    pub(super) fn mask(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.state, self.attempts, self.cancelling, &self.progress, self.due_at).hash(&mut hasher);
        hasher.finish() | 1
    }

    /// For the audit log.
    pub(super) fn audited(&self) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct Audited {
            name: String,
            about: Option<String>,
            state: State,
            attempts: i64,
        }
        Audited { name: self.title.clone(), about: self.about.clone(), state: self.state, attempts: self.attempts }
    }
}
