//! The latest lines in memory, for the console: bounded, and gone with the process.

use crate::clock::{Clock, Time};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Lines that are kept.
const MOST: usize = 2_000;
/// Characters of each text that are kept.
const LONGEST: usize = 2_000;

static TAIL: Mutex<Tail> = Mutex::new(Tail { lines: VecDeque::new(), next: 1 });

struct Tail {
    lines: VecDeque<Line>,
    next: u64,
}

/// One event of the log.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub id: u64,
    pub at: Time,
    pub level: &'static str,
    /// What part of the program it is from, such as `portcullis::security`.
    pub target: &'static str,
    pub message: String,
    pub fields: Map<String, Value>,
}

/// What lines are asked for.
pub(super) struct Wanted<'w> {
    pub least: Level,
    pub word: Option<&'w str>,
    /// Older than the line of this number.
    pub before: Option<u64>,
    pub most: usize,
}

/// The lines that are wanted, the latest first, and whether there are more.
pub(super) fn read(wanted: &Wanted<'_>) -> (Vec<Line>, bool) {
    let tail = held();
    let serious = |line: &&Line| level_of(line.level) <= wanted.least;
    let older = |line: &&Line| wanted.before.is_none_or(|before| line.id < before);
    let holds = |line: &&Line| wanted.word.is_none_or(|word| line.holds(&word.to_lowercase()));
    let mut found: Vec<Line> =
        tail.lines.iter().rev().filter(older).filter(serious).filter(holds).take(wanted.most + 1).cloned().collect();
    let more = found.len() > wanted.most;
    found.truncate(wanted.most);
    (found, more)
}

fn level_of(name: &str) -> Level {
    name.parse().unwrap_or(Level::INFO)
}

fn held() -> MutexGuard<'static, Tail> {
    TAIL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    fn holds(&self, word: &str) -> bool {
        let in_field = |value: &Value| match value {
            Value::String(text) => text.to_lowercase().contains(word),
            other => other.to_string().contains(word),
        };
        self.message.to_lowercase().contains(word) || self.target.contains(word) || self.fields.values().any(in_field)
    }
}

/// Keeps what passes the filter.
pub(super) struct TailLayer;

impl<S: Subscriber> Layer<S> for TailLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let mut tail = held();
        let id = tail.next;
        tail.next += 1;
        if tail.lines.len() == MOST {
            tail.lines.pop_front();
        }
        tail.lines.push_back(Line {
            id,
            at: Clock::system().now(),
            level: lower(*metadata.level()),
            target: metadata.target(),
            message: said.message,
            fields: said.fields,
        });
    }
}

fn lower(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// An event's message and fields.
#[derive(Default)]
pub(in crate::observability) struct Said {
    pub message: String,
    pub fields: Map<String, Value>,
}

impl Said {
    fn keep(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, Value::String(value.chars().take(LONGEST).collect()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }
}
