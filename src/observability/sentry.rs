//! Errors and panics as reports to Sentry or what is compatible with it. A report says where in the program it was and
//! what kind of error, never what somebody sent, who they are, or what the database holds.

use super::log::Said;
use crate::{
    config::{Dsn, Live},
    error::{Code, Error, Result},
    ids::Id,
    outbound::{Outbound, Target},
};
use bytes::Bytes;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use std::{
    panic::PanicHookInfo,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

/// Reports that wait; more are dropped, since a flood says no more than its beginning.
const WAITING: usize = 64;
/// Between two reports.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_CALL: Duration = Duration::from_secs(10);
/// The fields that say what kind of error it was. Everything else stays here.
const TOLD: [&str; 5] = ["code", "kind", "request_id", "status", "attempt"];

static QUEUE: Mutex<Option<Sender<Report>>> = Mutex::new(None);

/// An error, without whatever may be personal.
#[derive(Debug)]
struct Report {
    message: String,
    place: String,
    level: &'static str,
    tags: Map<String, Value>,
}

fn hand_over(report: Report) {
    let queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(queue) = &*queue {
        let _ = queue.try_send(report);
    }
}

/// Reports the errors that are logged.
pub(super) struct ErrorLayer;

impl<S: Subscriber> Layer<S> for ErrorLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let tags = said.fields.into_iter().filter(|(name, _)| TOLD.contains(&name.as_str())).collect();
        let place = format!("{}:{}", metadata.file().unwrap_or(metadata.target()), metadata.line().unwrap_or(0));
        hand_over(Report { message: said.message, place, level: "error", tags });
    }
}

/// Reports a panic: where it was, not what it said.
pub(super) fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    hand_over(Report { message: "a panic".into(), place, level: "fatal", tags: Map::new() });
}

/// Sends reports while the server runs, where there is somewhere to send them to.
pub fn start(config: &Live, outbound: &Outbound) -> Result<Option<JoinHandle<()>>> {
    let current = config.load();
    let Some(dsn) = current.sentry.dsn.clone() else { return Ok(None) };
    let target = Target::parse(&dsn.endpoint)
        .map_err(|refused| Error::new(Code::Unavailable, format!("sentry.dsn: {refused}")))?;
    let (sender, receiver) = channel(WAITING);
    *QUEUE.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    let environment = current.environment.as_str();
    let outbound = outbound.within(LONGEST_CALL);
    Ok(Some(tokio::spawn(send_all(receiver, dsn, target, outbound, environment))))
}

async fn send_all(
    mut reports: Receiver<Report>,
    dsn: Dsn,
    target: Target,
    outbound: Outbound,
    environment: &'static str,
) {
    let auth = format!(
        "Sentry sentry_version=7, sentry_client=portcullis/{}, sentry_key={}",
        env!("CARGO_PKG_VERSION"),
        dsn.key.expose_secret()
    );
    while let Some(report) = reports.recv().await {
        let headers = [("content-type", "application/x-sentry-envelope".to_owned()), ("x-sentry-auth", auth.clone())];
        match outbound.post(&target, &headers, Bytes::from(envelope(&report, environment))).await {
            Ok(answer) if answer.status < 300 => {}
            Ok(answer) => tracing::warn!(status = answer.status, "an error report was refused"),
            Err(failure) => tracing::warn!(?failure, "an error report could not be sent"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The envelope of one event: three lines of JSON.
fn envelope(report: &Report, environment: &str) -> String {
    let id = Id::new().to_string().replace('-', "");
    let now = crate::clock::Clock::system().now();
    let event = json!({
        "event_id": id,
        "timestamp": now,
        "platform": "native",
        "level": report.level,
        "logger": "portcullis",
        "release": concat!("portcullis@", env!("CARGO_PKG_VERSION")),
        "environment": environment,
        "message": {"formatted": report.message},
        "culprit": report.place,
        "tags": report.tags,
        "fingerprint": [report.place],
    });
    let head = json!({"event_id": id, "sent_at": now});
    format!("{head}\n{}\n{event}\n", json!({"type": "event"}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_three_lines_of_json() {
        let report =
            Report { message: "two\nlines".into(), place: "src/x.rs:1".into(), level: "error", tags: Map::new() };
        let text = envelope(&report, "production");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["event_id"], &lines[1]["type"]), (&lines[2]["event_id"], &json!("event")));
        assert_eq!((&lines[2]["environment"], &lines[2]["culprit"]), (&json!("production"), &json!("src/x.rs:1")));
    }
}
