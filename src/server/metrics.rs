//! `/metrics` for Prometheus: for whoever has the token, and for callers on this machine that no proxy stands before.

use super::{App, overview::StartedAt};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
    observability::metrics::{Exposition, Kind},
    rotation::Kind as Key,
    storage::Reader,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, ServiceConfig, resource},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What a proxy adds: whoever sends one of these is not on this machine.
const FORWARDED: [&str; 7] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-forwarded-server"];
const JOB_STATES: [&str; 3] = ["waiting", "running", "failed"];

pub fn mount(config: &mut ServiceConfig) {
    let refuse = || async { super::routes::method_not_allowed("GET, HEAD") };
    let page = resource("/metrics").get(metrics).head(metrics).default_service(actix_web::web::to(refuse));
    config.service(page);
}

async fn metrics(request: HttpRequest, app: Data<App>, started: Data<StartedAt>) -> Result<HttpResponse> {
    admit(&request, &app)?;
    let app = App::clone(&app);
    let figures = app.ledger.db().read_off(count).await?;
    let started = started.0.millis();
    Ok(HttpResponse::Ok().content_type(Exposition::CONTENT_TYPE).body(page(&app, &figures, started)))
}

fn admit(request: &HttpRequest, app: &App) -> Result<()> {
    let config = app.config.load();
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let known = match (given, &config.metrics.token) {
        (Some((_, given)), Some(token)) => {
            verify_slices_are_equal(given.trim().as_bytes(), token.expose().as_bytes()).is_ok()
        }
        _ => false,
    };
    if known || (given.is_none() && is_near(request)) {
        return Ok(());
    }
    let detail = "Send the token of metrics.token as `Authorization: Bearer …`, or ask from this machine.";
    Err(Error::new(Code::Unauthenticated, detail))
}

/// Whether the caller is on this machine and means it: no proxy in between, and no name of somebody's page that
/// resolves to here.
fn is_near(request: &HttpRequest) -> bool {
    let loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    loopback && !forwarded && host.or(request.uri().host()).is_some_and(is_loopback_name)
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    let address = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    name.eq_ignore_ascii_case("localhost") || address
}

/// What only the database knows.
struct Counted {
    jobs: [i64; JOB_STATES.len()],
    audit_head: i64,
    /// When the newest backup was taken that was found good.
    good_backup: Option<Time>,
}

fn count(reader: &Reader<'_>) -> Result<Counted> {
    let one = |sql: &str, params: &[crate::storage::Param<'_>]| -> Result<i64> {
        Ok(reader.query_one(sql, params, |row| row.get(0))?.unwrap_or(0))
    };
    let mut jobs = [0; JOB_STATES.len()];
    for (count, state) in jobs.iter_mut().zip(JOB_STATES) {
        *count = one("SELECT count(*) FROM jobs WHERE state = ?1", crate::params![state])?;
    }
    let audit_head = one("SELECT coalesce(max(seq), 0) FROM audit_events", &[])?;
    Ok(Counted { jobs, audit_head, good_backup: crate::backup::newest_good(reader)? })
}

fn page(app: &App, figures: &Counted, started: i64) -> String {
    let mut page = Exposition::default();
    page.family("portcullis_build_info", Kind::Gauge, "The version that runs; always 1.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION")), ("commit", env!("PORTCULLIS_BUILT_FROM"))], 1);
    page.gauge("process_start_time_seconds", "When it began to serve, in seconds since 1970.", started as f64 / 1000.0);
    page.gauge("process_resident_memory_bytes", "Memory that it takes.", resident_bytes());
    app.metrics.expose(&mut page);
    storage(app, figures, &mut page);
    caches(app, &mut page);
    page.family("portcullis_jobs", Kind::Gauge, "Background jobs by state.");
    for (state, count) in JOB_STATES.iter().zip(figures.jobs) {
        page.sample(&[("state", state)], count);
    }
    page.family("portcullis_inspection_findings_total", Kind::Counter, "What inspection found, by class.");
    for found in app.inspection.counts() {
        page.sample(&[("class", found.class), ("outcome", "observed")], found.observed);
        page.sample(&[("class", found.class), ("outcome", "blocked")], found.blocked);
    }
    let closed = u8::from(app.kill_switch.state().active);
    page.gauge("portcullis_kill_switch_active", "Whether the kill switch is on, in any scope.", closed);
    let now = app.clock.now();
    if let Some(at) = figures.good_backup {
        let help = "Age of the newest backup that was found good; absent where there is none.";
        page.gauge("portcullis_backup_age_seconds", help, now.since(at).as_secs() as f64);
    }
    page.family("portcullis_secret_age_seconds", Kind::Gauge, "Age of the current key of a kind.");
    for kind in Key::ALL {
        let age = now.since(app.keyring.created_at(kind.purpose())).as_secs();
        page.sample(&[("kind", kind.as_str())], age);
    }
    page.finish()
}

fn storage(app: &App, figures: &Counted, page: &mut Exposition) {
    let db = app.ledger.db();
    let pool = db.pool();
    page.family("portcullis_read_pool_connections", Kind::Gauge, "Connections for reading, by state.");
    page.sample(&[("state", "open")], pool.open);
    page.sample(&[("state", "idle")], pool.idle);
    page.gauge("portcullis_read_pool_max", "Connections for reading, at most.", pool.most);
    let writer = app.ledger.writer().load();
    page.gauge("portcullis_writer_queue", "Changes that wait for their commit.", writer.waiting);
    page.family("portcullis_writer_batch_size", Kind::Histogram, "Changes in one commit.");
    page.buckets(&[], &writer.batches, writer.changes as f64);
    let (size, wal) = db.sizes();
    page.gauge("portcullis_database_size_bytes", "Size of the database.", size);
    page.gauge("portcullis_database_wal_size_bytes", "Size of its write-ahead log.", wal);
    let (free, whole) = app.folder.space();
    page.gauge("portcullis_disk_free_bytes", "Room left where the data folder lies.", free);
    page.gauge("portcullis_disk_size_bytes", "Size of the disk where the data folder lies.", whole);
    page.gauge("portcullis_audit_head", "Number of the newest event of the audit log.", figures.audit_head);
}

fn caches(app: &App, page: &mut Exposition) {
    let caches = [("principals", "hot", app.authenticator.stats()), ("entities", "warm", app.entities.cache.stats())];
    let mut family = |name, kind, help, read: fn(&crate::cache::CacheStats) -> u64| {
        page.family(name, kind, help);
        for (cache, tier, stats) in &caches {
            page.sample(&[("cache", cache), ("tier", tier)], read(stats));
        }
    };
    family("portcullis_cache_hits_total", Kind::Counter, "Look-ups that a cache answered.", |stats| stats.hits);
    family("portcullis_cache_misses_total", Kind::Counter, "Look-ups that it could not.", |stats| stats.misses);
    family("portcullis_cache_entries", Kind::Gauge, "Entries that it holds.", |stats| stats.entries);
    family("portcullis_cache_bytes", Kind::Gauge, "Bytes that it holds, about.", |stats| stats.bytes);
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::is_loopback_name;

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        for near in
            ["localhost", "LOCALHOST:9000", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(is_loopback_name(near), "{near}");
        }
        for far in ["", "example.org", "localhost.example.org", "127.0.0.1.nip.io", "10.0.0.1", "[::2]", "0.0.0.0"] {
            assert!(!is_loopback_name(far), "{far}");
        }
    }
}
