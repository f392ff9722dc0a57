//! What the instance leans on beside its own database: mail, the store of files, webhooks, error reports. It serves
//! without any of them. Strangers ask whether they are there, so asking calls nobody: what is told was seen in the
//! background, at most half a minute ago.

use super::App;
use crate::{
    error::{Code, Error, Result},
    ids::Id,
    outbound::Target,
    storage::Reader,
};
use serde::Serialize;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// What was seen holds for so long.
const HOLDS: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Up,
    Down,
    /// Not configured.
    Off,
    /// Not looked at yet.
    Unknown,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Dependency {
    pub name: &'static str,
    pub state: State,
    pub latency_ms: f64,
}

impl Dependency {
    /// Up when `check` goes well in time.
    pub async fn probe(name: &'static str, patience: Duration, check: impl Future<Output = Result<()>>) -> Self {
        let started = Instant::now();
        let outcome = timeout(patience, check).await;
        let state = if matches!(outcome, Ok(Ok(()))) { State::Up } else { State::Down };
        Self { name, state, latency_ms: started.elapsed().as_micros() as f64 / 1000.0 }
    }

    fn of(name: &'static str, state: State) -> Self {
        Self { name, state, latency_ms: 0.0 }
    }
}

const MAIL: &str = "mail";
const FILES: &str = "files";
const WEBHOOKS: &str = "webhooks";
const SENTRY: &str = "sentry";

/// The dependencies that it serves without, as they were last seen.
#[derive(Default)]
pub(super) struct Dependencies {
    seen: Mutex<Option<(Instant, Vec<Dependency>)>>,
    is_looking: AtomicBool,
}

impl Dependencies {
    /// What was seen last. What is too old is looked at anew, for whoever asks next.
    pub fn seen(self: std::sync::Arc<Self>, app: &App) -> Vec<Dependency> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_old = seen.as_ref().is_none_or(|(at, _)| at.elapsed() > HOLDS);
        if is_old && !self.is_looking.swap(true, Ordering::SeqCst) {
            let app = app.clone();
            tokio::spawn(async move {
                let found = look(&app).await;
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found));
                self.is_looking.store(false, Ordering::SeqCst);
            });
        }
        let unknown = || [MAIL, FILES, WEBHOOKS, SENTRY].map(|name| Dependency::of(name, State::Unknown)).into();
        seen.map_or_else(unknown, |(_, found)| found)
    }
}

async fn look(app: &App) -> Vec<Dependency> {
    let (mail, files, webhooks, sentry) = tokio::join!(mail(app), files(app), webhooks(app), sentry(app));
    vec![mail, files, webhooks, sentry]
}

async fn mail(app: &App) -> Dependency {
    match &app.config.load().mail.smtp_url {
        Some(server) => Dependency::probe(MAIL, PATIENCE, app.outbound.reaches(&server.host, server.port)).await,
        None => Dependency::of(MAIL, State::Off),
    }
}

/// Asks for a content that is not there: a store that says so is well.
async fn files(app: &App) -> Dependency {
    Dependency::probe(FILES, PATIENCE, async {
        match app.files.ask_store(Id::new()).await {
            Err(error) if error.code() == Code::NotFound => Ok(()),
            outcome => outcome,
        }
    })
    .await
}

/// Down while one of them gets nothing through.
async fn webhooks(app: &App) -> Dependency {
    let count = |reader: &Reader<'_>| {
        let sql = "SELECT count(*), coalesce(sum(failures > 0), 0) FROM webhooks WHERE active = 1";
        reader.query_one(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))
    };
    match app.ledger.db().read_off(count).await {
        Ok(Some((0, _)) | None) => Dependency::of(WEBHOOKS, State::Off),
        Ok(Some((_, 0))) => Dependency::of(WEBHOOKS, State::Up),
        _ => Dependency::of(WEBHOOKS, State::Down),
    }
}

async fn sentry(app: &App) -> Dependency {
    let Some(dsn) = &app.config.load().sentry.dsn else { return Dependency::of(SENTRY, State::Off) };
    Dependency::probe(SENTRY, PATIENCE, async {
        let target = Target::parse(&dsn.endpoint).map_err(Error::internal)?;
        app.outbound.reaches_target(&target).await
    })
    .await
}
