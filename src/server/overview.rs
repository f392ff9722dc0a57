//! The state of the instance at a glance, for the console's first page.

use crate::{
    alerts::{Alerts, Incident, Rule},
    audit::Ledger,
    backup::{Backups, Freshness},
    cache::CacheStats,
    clock::{Clock, Time},
    config::{Config, Live},
    data::entities::Entities,
    error::Result,
    identity::{Authenticator, Identity, Waiting},
    inspection::{Count, Inspection, Mode},
    kill_switch::{KillSwitch, State},
    observability::{Point, Traffic},
    permit::{Allowed, Route, rights::ReadOverview},
    storage::{Reader, json_number},
};
use actix_web::web::{Data, Json};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/overview", "The state of this instance", overview),
        Route::get("/overview/series", "Requests of the last hour, by minute", series),
    ]
}

/// When this process started serving.
#[derive(Clone, Copy)]
pub struct StartedAt(pub Time);

#[derive(Serialize)]
struct Overview {
    version: &'static str,
    commit: &'static str,
    environment: String,
    status: &'static str,
    started_at: Time,
    uptime_s: u64,
    #[serde(flatten)]
    counts: Counts,
    database: Sizes,
    backups: Freshness,
    kill_switch: State,
    inspection: Inspected,
    caches: [Cached; 2],
    warnings: Vec<Warning>,
}

/// What request inspection does, and what it found since the start.
#[derive(Serialize)]
struct Inspected {
    mode: Mode,
    findings: Vec<Count>,
}

/// How often a cache had what was asked for, since the start.
#[derive(Serialize)]
struct Cached {
    name: &'static str,
    #[serde(flatten)]
    stats: CacheStats,
}

/// Something about how this instance is set up that its owner should know.
#[derive(Serialize)]
struct Warning {
    code: Cow<'static, str>,
    title: &'static str,
    detail: Cow<'static, str>,
}

impl Warning {
    fn new(code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self { code: code.into(), title, detail: detail.into() }
    }

    /// An alert that goes on.
    fn alert(incident: Incident) -> Option<Self> {
        let rule = Rule::named(&incident.rule)?;
        Some(Self {
            code: format!("alert_{}", incident.rule).into(),
            title: rule.title(),
            detail: incident.detail.into(),
        })
    }
}

fn warnings(config: &Config) -> Vec<Warning> {
    let exposed = !config.server.listen.ip().is_loopback();
    let plain = config.server.public_url.as_ref().is_none_or(|url| url.starts_with("http://"));
    let any_origin = config.cors.origins.iter().any(|origin| &**origin == "*");
    let all = [
        (
            !config.limits.enabled,
            Warning::new(
                "limits_off",
                "Rate limits are off",
                "Anybody may call as often as they like. Set limits.enabled to true.",
            ),
        ),
        (
            exposed && plain,
            Warning::new(
                "plain_http",
                "Reachable without encryption",
                "It listens beyond this machine. Put a proxy with TLS in front, and set server.public_url.",
            ),
        ),
        (
            any_origin,
            Warning::new(
                "any_origin",
                "Pages of any site may call the API",
                "Name the origins that need it in cors.origins.",
            ),
        ),
    ];
    all.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect()
}

#[derive(Serialize)]
struct Sizes {
    size_bytes: u64,
    wal_bytes: u64,
}

#[derive(Serialize)]
struct Counts {
    users: UserCounts,
    entity_types: Vec<TypeCount>,
    audit: AuditCounts,
    jobs: JobCounts,
    elevations: Waiting,
}

#[derive(Serialize)]
struct UserCounts {
    total: i64,
    active: i64,
    disabled: i64,
    locked: i64,
}

#[derive(Serialize)]
struct TypeCount {
    r#type: String,
    count: i64,
}

#[derive(Serialize)]
struct AuditCounts {
    head_seq: i64,
    events: i64,
    denied_24h: i64,
    failed_logins_24h: i64,
}

#[derive(Serialize)]
struct JobCounts {
    waiting: i64,
    running: i64,
    failed: i64,
}

async fn overview(
    _: Allowed<ReadOverview>,
    ledger: Data<Ledger>,
    identity: Data<Identity>,
    (config, clock): (Data<Live>, Data<Clock>),
    started: Data<StartedAt>,
    (kill_switch, inspection, alerts): (Data<KillSwitch>, Data<Inspection>, Data<Alerts>),
    (authenticator, entities, backups): (Data<Authenticator>, Data<Entities>, Data<Backups>),
) -> Result<Json<Overview>> {
    let now = clock.now();
    let read = move |reader: &Reader<'_>| {
        Ok((count(reader, &identity, now)?, alerts.open(reader)?, backups.freshness(reader)?))
    };
    let (counts, incidents, backups) = ledger.db().read_off(read).await?;
    let config = config.load();
    let (size_bytes, wal_bytes) = ledger.db().sizes();
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("PORTCULLIS_BUILT_FROM"),
        environment: config.environment.as_str().to_owned(),
        status: "ready",
        started_at: started.0,
        uptime_s: now.since(started.0).as_secs(),
        counts,
        database: Sizes { size_bytes, wal_bytes },
        backups,
        kill_switch: kill_switch.state(),
        inspection: Inspected { mode: inspection.mode(), findings: inspection.counts() },
        caches: [
            Cached { name: "principals", stats: authenticator.stats() },
            Cached { name: "entities", stats: entities.cache.stats() },
        ],
        warnings: incidents.into_iter().filter_map(Warning::alert).chain(warnings(&config)).collect(),
    }))
}

async fn series(_: Allowed<ReadOverview>, traffic: Data<Traffic>) -> Json<Series> {
    Json(Series { step_s: 60, points: traffic.points() })
}

#[derive(Serialize)]
struct Series {
    step_s: u32,
    points: Vec<Point>,
}

fn count(reader: &Reader<'_>, identity: &Identity, now: Time) -> Result<Counts> {
    let one = |sql: &str, params: &[crate::storage::Param<'_>]| -> Result<i64> {
        Ok(reader.query_one(sql, params, |row| row.get(0))?.unwrap_or(0))
    };
    let yesterday = now.minus(Duration::from_secs(86_400));
    let head_seq = one("SELECT coalesce(max(seq), 0) FROM audit_events", &[])?;
    // Floods are written as one event that says how many it stands for.
    let each = json_number("event", "$.changes.after.count");
    let lately = |what: &str| format!("SELECT coalesce(sum(coalesce({each}, 1)), 0) FROM audit_events WHERE {what}");
    let denied = lately("outcome = 'denied' AND at >= ?1");
    let failed = lately("action IN ('login.failed', 'login.code_failed') AND at >= ?1");
    let state = "SELECT count(*) FROM jobs WHERE state = ?1";
    let status = "SELECT count(*) FROM users WHERE deleted_at IS NULL AND status = ?1";
    Ok(Counts {
        users: UserCounts {
            total: one("SELECT count(*) FROM users WHERE deleted_at IS NULL", &[])?,
            active: one(status, crate::params!["active"])?,
            disabled: one(status, crate::params!["disabled"])?,
            locked: identity.locked_users(reader)?,
        },
        entity_types: reader.query_all(
            "SELECT name, (SELECT count(*) FROM entities WHERE entities.type = entity_types.name AND deleted_at IS NULL) \
             FROM entity_types ORDER BY name LIMIT 50",
            &[],
            |row| Ok(TypeCount { r#type: row.get(0)?, count: row.get(1)? }),
        )?,
        audit: AuditCounts {
            head_seq,
            events: head_seq,
            denied_24h: one(&denied, crate::params![yesterday])?,
            failed_logins_24h: one(&failed, crate::params![yesterday])?,
        },
        elevations: identity.elevations_waiting(reader)?,
        jobs: JobCounts {
            waiting: one(state, crate::params!["waiting"])?,
            running: one(state, crate::params!["running"])?,
            failed: one(state, crate::params!["failed"])?,
        },
    })
}
