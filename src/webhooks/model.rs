//! A webhook and its deliveries as they are kept, shown, made and changed.

use super::{filter::Filter, pattern::Pattern};
use crate::{clock::Time, error::Faults, ids::Id, web::Body};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

const NAME_CHARS: usize = 100;
const MOST_PATTERNS: usize = 50;
const LONGEST_OVERLAP_MINUTES: u32 = 7 * 24 * 60;
const USUAL_OVERLAP_MINUTES: u32 = 24 * 60;

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Webhook {
    pub id: Id,
    pub name: String,
    pub url: String,
    pub events: Vec<Pattern>,
    /// Which of them it is told of.
    pub filter: Filter,
    pub active: bool,
    /// Deliveries that wait.
    pub pending: i64,
    /// Events that were not queued, since too many deliveries waited.
    pub skipped: i64,
    /// Deliveries given up since the last that got through.
    pub failures: i64,
    pub failing_since: Option<Time>,
    /// Why it was switched off by itself.
    pub disabled_reason: Option<String>,
    /// Until when deliveries are signed with the secret before the last rotation too.
    pub overlap_ends_at: Option<Time>,
    pub last_delivered_at: Option<Time>,
    pub created_at: Time,
    pub created_by: Option<Id>,
    pub updated_at: Time,
    #[serde(skip)]
    pub version: i64,
}

impl Webhook {
    /// Tells answers apart that differ in what happened to deliveries, while the settings are the same.
    pub(super) fn mask(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.pending, self.skipped, self.failures, self.last_delivered_at).hash(&mut hasher);
        hasher.finish() | 1
    }

    /// For the audit log: settings alone, and no query, where receivers like to have their tokens.
    pub(super) fn audited(&self) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct Audited {
            name: String,
            url: String,
            events: Vec<Pattern>,
            filter: Filter,
            active: bool,
            overlap_ends_at: Option<Time>,
            version: i64,
        }
        let url = self.url.split_once('?').map_or_else(|| self.url.clone(), |(plain, _)| format!("{plain}?…"));
        Audited {
            name: self.name.clone(),
            url,
            events: self.events.clone(),
            filter: self.filter.clone(),
            active: self.active,
            overlap_ends_at: self.overlap_ends_at,
            version: self.version,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Delivered,
    Failed,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    pub(super) fn read(text: &str) -> Self {
        match text {
            "waiting" => Self::Waiting,
            "delivered" => Self::Delivered,
            _ => Self::Failed,
        }
    }
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Delivery {
    pub id: Id,
    pub webhook_id: Id,
    /// The header `webhook-id`: the same when it is sent again.
    pub message_id: Id,
    /// The delivery that this one repeats.
    pub replay_of: Option<Id>,
    pub action: String,
    /// What is signed and sent.
    #[schemars(with = "serde_json::Value")]
    pub body: Box<RawValue>,
    pub state: State,
    pub attempts: i64,
    /// Of the last answer.
    pub status: Option<u32>,
    pub duration_ms: Option<i64>,
    /// How the last answer begins.
    pub answer: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    pub finished_at: Option<Time>,
}

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct NewWebhook {
    pub name: String,
    pub url: String,
    pub events: Vec<String>,
    pub filter: Option<Filter>,
    pub active: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct WebhookChange {
    pub name: Option<String>,
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub filter: Option<Filter>,
    pub active: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct Rotation {
    /// How long deliveries are signed with the old secret too: a day unless said.
    pub overlap_minutes: Option<u32>,
}

impl Rotation {
    pub(super) fn overlap(&self) -> Duration {
        Duration::from_secs(u64::from(self.overlap_minutes.unwrap_or(USUAL_OVERLAP_MINUTES)) * 60)
    }
}

impl Body for NewWebhook {
    fn check(&self, faults: &mut Faults) {
        check_name(&self.name, faults);
        check_events(&self.events, faults);
        check_filter(self.filter.as_ref(), faults);
    }
}

impl Body for WebhookChange {
    fn check(&self, faults: &mut Faults) {
        if let Some(name) = &self.name {
            check_name(name, faults);
        }
        if let Some(events) = &self.events {
            check_events(events, faults);
        }
        check_filter(self.filter.as_ref(), faults);
    }
}

impl Body for Rotation {
    fn check(&self, faults: &mut Faults) {
        if self.overlap_minutes.is_some_and(|minutes| minutes > LONGEST_OVERLAP_MINUTES) {
            let message = format!("The overlap is at most {LONGEST_OVERLAP_MINUTES} minutes, which is a week.");
            faults.push("/overlap_minutes", "out_of_range", message);
        }
    }
}

fn check_name(name: &str, faults: &mut Faults) {
    if name.trim().is_empty() {
        faults.push("/name", "required", "Give the webhook a name that says who hears of it.");
    } else if name.chars().count() > NAME_CHARS {
        faults.push("/name", "too_long", format!("A name has at most {NAME_CHARS} characters."));
    }
}

fn check_events(events: &[String], faults: &mut Faults) {
    if events.is_empty() {
        faults.push("/events", "required", "Say what it is to hear of, such as user.* or * for everything.");
    } else if events.len() > MOST_PATTERNS {
        faults.push("/events", "too_many", format!("A webhook has at most {MOST_PATTERNS} patterns."));
    } else {
        for (index, text) in events.iter().enumerate() {
            if let Err(why) = text.parse::<Pattern>() {
                faults.push(format!("/events/{index}"), "invalid", format!("`{text}` is {why}."));
            }
        }
    }
}

fn check_filter(filter: Option<&Filter>, faults: &mut Faults) {
    if let Some((pointer, message)) = filter.and_then(Filter::fault) {
        faults.push(pointer, "invalid", message);
    }
}

/// Each pattern once. They were checked.
pub(super) fn patterns(texts: &[String]) -> Vec<Pattern> {
    let mut patterns: Vec<Pattern> = Vec::with_capacity(texts.len());
    for pattern in texts.iter().filter_map(|text| text.parse().ok()) {
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}
