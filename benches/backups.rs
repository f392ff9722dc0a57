//! What backups cost those who write meanwhile.
//!
//! `cargo bench --bench backups`, on a quiet machine. Audited writes come in at `PORTCULLIS_BENCH_WRITES` (1000) a
//! second, quiet for `PORTCULLIS_BENCH_SECONDS` (10), then beside `PORTCULLIS_BENCH_BACKUPS` (20) backups in a row, each
//! made and checked. No write may fail, and their 99th percentile may double.

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::json;
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};
use support::Portcullis;

/// Threads that write, each at its own beat.
const WRITERS: u32 = 32;
/// Rows that are there before.
const ROWS: u32 = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = support::start(folder.path());
    let token = server.set_up();
    let made = server.post(&token, "/entity-types", &json!({"name": "orders"}));
    assert_eq!(made.status(), 201, "{}", made.text().unwrap_or_default());
    let mut lines = String::new();
    for number in 0..ROWS {
        let order = json!({"name": format!("Order {number}"), "data": {"note": "x".repeat(400)}});
        let _ = writeln!(lines, "{order}");
    }
    let import = server.post_builder(&token, "/entities/orders/import").header("content-type", "application/x-ndjson");
    assert!(import.body(lines).send().expect("an answer").status().is_success());

    let seconds = u64::from(number("PORTCULLIS_BENCH_SECONDS", 10));
    let wanted = number("PORTCULLIS_BENCH_BACKUPS", 20);
    // The first ones open connections and fill caches.
    write(&server, &token, || thread::sleep(Duration::from_secs(2)));
    let quiet = Figures::of(write(&server, &token, || thread::sleep(Duration::from_secs(seconds))));
    println!("quiet:           {quiet}");
    let mut spans = Vec::new();
    let written = write(&server, &token, || spans = (0..wanted).map(|_| back_up(&server, &token)).collect());
    for (what, span) in [("made", 0), ("checked", 1)] {
        let within = |due: &Instant| spans.iter().any(|at: &[Instant; 3]| (at[span]..at[span + 1]).contains(due));
        let some = Written { times: written.times.iter().filter(|(due, _)| within(due)).copied().collect(), ..written };
        println!("while it is {what}: {}", Figures::of(some));
    }
    let beside = Figures::of(written);
    println!("beside backups:  {beside}");
    let mut took: Vec<_> = spans.iter().map(|[begun, _, end]| *end - *begun).collect();
    took.sort_unstable();
    if let (Some(half), Some(most)) = (took.get(took.len() / 2), took.last()) {
        println!("{wanted} backups, each made and checked: half within {half:?}, all within {most:?}");
    }
    println!("99th percentile: {:.2} times", beside.late.as_secs_f64() / quiet.late.as_secs_f64());
    assert_eq!(quiet.failed + beside.failed, 0, "a write failed");
}

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Makes one and waits until it was checked; when it was asked for, made and checked.
fn back_up(server: &Portcullis, token: &str) -> [Instant; 3] {
    let begun = Instant::now();
    let newest = || server.get(token, "/backups")["items"][0].clone();
    let before = newest()["name"].clone();
    let asked = server.post(token, "/backups", &json!({}));
    assert_eq!(asked.status(), 202, "{}", asked.text().unwrap_or_default());
    let mut made = None;
    loop {
        let found = newest();
        assert!(found["error"].is_null(), "{found}");
        if found["name"] != before {
            let made = *made.get_or_insert_with(Instant::now);
            if found["verified"] == true {
                return [begun, made, Instant::now()];
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{found}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// When each write was due and how late its answer was.
struct Written {
    times: Vec<(Instant, Duration)>,
    failed: u32,
    took: Duration,
}

struct Figures {
    each_second: f64,
    middle: Duration,
    late: Duration,
    failed: u32,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { each_second, middle, late, failed } = self;
        write!(
            f,
            "{each_second:.0} writes a second, half within {middle:?}, 99 in 100 within {late:?}, {failed} failed"
        )
    }
}

/// Writes at a steady rate while `work` is done. A write is late from the moment that it was due.
fn write(server: &Portcullis, token: &str, work: impl FnOnce()) -> Written {
    let (done, failed) = (AtomicBool::new(false), AtomicU32::new(0));
    let beat = Duration::from_secs_f64(f64::from(WRITERS) / f64::from(number("PORTCULLIS_BENCH_WRITES", 1000).max(1)));
    let begun = Instant::now();
    let times = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (done, failed) = (&done, &failed);
                let body = json!({"name": "n", "data": {"city": "Delft"}});
                let request = server.post_builder(token, "/entities/orders").json(&body);
                scope.spawn(move || {
                    let mut times = Vec::new();
                    let mut due = begun + beat * writer / WRITERS;
                    while !done.load(Relaxed) {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let answer = request.try_clone().expect("cloned").send();
                        let well = answer.is_ok_and(|answer| answer.status() == 201 && answer.bytes().is_ok());
                        failed.fetch_add(u32::from(!well), Relaxed);
                        times.push((due, due.elapsed()));
                        due += beat;
                    }
                    times
                })
            })
            .collect();
        work();
        done.store(true, Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    Written { times, failed: failed.into_inner(), took: begun.elapsed() }
}

impl Figures {
    fn of(written: Written) -> Self {
        let mut times: Vec<_> = written.times.into_iter().map(|(_, late)| late).collect();
        let each_second = times.len() as f64 / written.took.as_secs_f64();
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
        Self { each_second, middle: at(0.5), late: at(0.99), failed: written.failed }
    }
}
