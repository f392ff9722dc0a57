//! What many entities cost: the same requests to a server with few and to one with many, in turns.
//!
//! `cargo bench --bench growth`. `PORTCULLIS_GROWTH_FEW` (10000), `PORTCULLIS_GROWTH_MANY` (1000000) and
//! `PORTCULLIS_GROWTH_ROUNDS` (200) set its size. Medians in milliseconds, one request at a time; the ratio is
//! what counts: where pages, filters on an indexed field, searches and views take more than 1.5 times as long, it ends
//! with status 1. Before that it prints what an import and an export of all rows hold of memory, and how long a write
//! waits at most while indexes are made.

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::Read,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use support::{Memory, Portcullis, added};
use tempfile::TempDir;

/// How much longer than with few it may take with many.
const WITHIN: f64 = 1.5;
/// Bytes that an import or an export may add to the server's own memory, at most.
const MEMORY: u64 = 128 << 20;
const LONG: Duration = Duration::from_secs(1200);

struct Filled {
    server: Portcullis,
    token: String,
    rows: usize,
    ids: Vec<String>,
    deep: String,
    /// What the import and the export added to the server's memory at most.
    memory: [Memory; 2],
    took: [Duration; 2],
    _folder: TempDir,
}

/// The query of a request: for a filled site, in a round.
type Ask = fn(&Filled, usize) -> String;

fn main() -> ExitCode {
    let (few, many) = (number("PORTCULLIS_GROWTH_FEW", 10_000), number("PORTCULLIS_GROWTH_MANY", 1_000_000));
    let rounds = number("PORTCULLIS_GROWTH_ROUNDS", 200);
    println!("{:<44} {:>10} {:>10}", "entities", few, many);
    let mut sites = [few, many].map(fill);
    for (index, what) in ["import", "export"].iter().enumerate() {
        print(&format!("{what} of all rows"), "", sites.each_ref().map(|site| site.took[index]));
        let memory = sites.each_ref().map(|site| site.memory[index]);
        for (which, bytes) in [("its own", memory.map(|of| of.own)), ("with mapped files", memory.map(|of| of.mapped))]
        {
            let [few, many] = bytes.map(|bytes| bytes >> 20);
            println!("{:<44} {few:>8}MB {many:>8}MB", format!("memory added at most, {which}"));
        }
    }
    let mut good = sites.iter().flat_map(|site| site.memory).all(|memory| memory.own <= MEMORY);
    for (index, what) in ["/no", "/city"].iter().enumerate() {
        let waited = sites.each_ref().map(|site| {
            let all: Vec<_> = ["/no", "/city"][..=index].to_vec();
            indexed(site, &json!({"indexes": all}))
        });
        print("longest write while an index is made", &format!("({what})"), waited.map(|(longest, _)| longest));
        print("made after", "", waited.map(|(_, took)| took));
    }
    let waited = sites.each_ref().map(|site| indexed(site, &json!({"search": ["/text"]})));
    print("longest write while a search index is made", "", waited.map(|(longest, _)| longest));
    print("made after", "", waited.map(|(_, took)| took));
    for site in &mut sites {
        site.token = site.server.log_in();
        site.prepare();
    }
    // Whether it is held to the limit: what finds a share of all entities finds a hundred times as many.
    let asks: [(&str, bool, Ask); 9] = [
        ("first page", true, |_, _| String::new()),
        ("a page in the middle, by a cursor", true, |site, _| format!("?cursor={}", site.deep)),
        ("sorted by an indexed field", true, |_, _| "?sort=data.no".into()),
        ("filter on an indexed field, one hit", true, |site, n| {
            format!("?filter=data.no%20%3D%20{}", n * 7919 % site.rows)
        }),
        ("filter on an indexed field, many hits", true, |_, n| {
            format!("?filter=data.city%20%3D%20%22city{}%22", n % 20)
        }),
        ("search, one hit", true, |site, n| format!("?q=unique{}x", n * 7919 % site.rows)),
        ("search, one in a thousand", false, |_, n| format!("?q=word{:03}", n % 1000)),
        ("search, two words of all", false, |_, _| "?q=common%20text".into()),
        ("view", true, |site, n| format!("/{}", site.ids[n % site.ids.len()])),
    ];
    println!("{:<44} {:>10} {:>10} {:>7}", "median of one request, ms", few, many, "ratio");
    for (what, held, ask) in asks {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for (site, times) in sites.iter().zip(&mut times) {
                let path = format!("/entities/rows{}", ask(site, round));
                let began = Instant::now();
                let answer = site.server.client.get(site.server.path(&path)).bearer_auth(&site.token).send();
                let answer = answer.and_then(reqwest::blocking::Response::error_for_status).expect("an answer");
                answer.bytes().expect("a body");
                times.push(began.elapsed());
            }
        }
        let [few, many] = times.map(median);
        let within = !held || many <= few * WITHIN;
        good &= within;
        println!("{what:<44} {few:>10.3} {many:>10.3} {:>7.2}{}", many / few, if within { "" } else { "  too slow" });
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn print(what: &str, more: &str, [few, many]: [Duration; 2]) {
    let what = format!("{what} {more}");
    println!("{what:<44} {:>8.0}ms {:>8.0}ms", few.as_secs_f64() * 1000.0, many.as_secs_f64() * 1000.0);
}

fn fill(rows: usize) -> Filled {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = support::start(folder.path());
    let token = server.set_up();
    let schema = json!({"type": "object", "properties": {
        "no": {"type": "integer"}, "city": {"type": "string"}, "text": {"type": "string"}}});
    assert_eq!(server.post(&token, "/entity-types", &json!({"name": "rows", "schema": schema})).status(), 201);
    let began = Instant::now();
    let import = server.post_builder(&token, "/entities/rows/import?mode=skip_errors").timeout(LONG);
    let body = reqwest::blocking::Body::new(Rows { next: 0, end: rows, line: Vec::new() });
    let import = import.header("content-type", "application/x-ndjson").body(body);
    let (for_import, answer) = added(&server, || import.send().expect("an answer"));
    assert!(answer.status().is_success(), "{}", answer.text().unwrap_or_default());
    let report: Value = answer.json().expect("JSON");
    assert_eq!(report["created"], rows, "{report}");
    let imported = began.elapsed();
    let token = server.log_in();
    let began = Instant::now();
    let export = server.client.get(server.path("/entities/rows/export?format=jsonl")).bearer_auth(&token).timeout(LONG);
    let (for_export, lines) = added(&server, || {
        let (mut export, mut lines, mut piece) = (export.send().expect("an answer"), 0, vec![0; 64 << 10]);
        loop {
            match export.read(&mut piece).expect("all of the export") {
                0 => return lines,
                read => lines += piece[..read].iter().map(|byte| usize::from(*byte == b'\n')).sum::<usize>(),
            }
        }
    });
    assert_eq!(lines, rows, "each row goes out");
    let (took, memory) = ([imported, began.elapsed()], [for_import, for_export]);
    Filled { server, token, rows, ids: Vec::new(), deep: String::new(), memory, took, _folder: folder }
}

/// Lines of an import, made as they are sent.
struct Rows {
    next: usize,
    end: usize,
    line: Vec<u8>,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.line.is_empty() && self.next < self.end {
            let mut lines = String::new();
            let after = (self.next + 100).min(self.end);
            for no in self.next..after {
                let text = format!("common text word{:03} unique{no}x of a note that is somewhat longer", no % 1000);
                let data = json!({"no": no, "city": format!("city{}", no % 20), "text": text});
                let _ = writeln!(lines, "{}", json!({"name": format!("Row {no}"), "data": data}));
            }
            self.next = after;
            self.line = lines.into_bytes();
        }
        let size = self.line.len().min(buffer.len());
        buffer[..size].copy_from_slice(&self.line[..size]);
        self.line.drain(..size);
        Ok(size)
    }
}

impl Filled {
    /// Ids to view, and a cursor that is not at the beginning.
    fn prepare(&mut self) {
        let mut cursor = String::new();
        for _ in 0..10 {
            let page = self.server.get(&self.token, &format!("/entities/rows?limit=200{cursor}"));
            self.ids.extend(page["items"].as_array().expect("items").iter().map(|item| text(&item["id"])));
            self.deep = text(&page["next_cursor"]);
            cursor = format!("&cursor={}", self.deep);
        }
        // Cursors know nothing of the size of a page.
        self.ids.truncate(2000);
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Changes the type and writes until its indexes are whole: the longest that a write took, and how long all took.
fn indexed(site: &Filled, change: &Value) -> (Duration, Duration) {
    let (server, token, done) = (&site.server, &site.token, AtomicBool::new(false));
    let (client, address) = (server.client.clone(), server.path("/entities/rows"));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                let body = json!({"name": "Other", "data": {"no": -1, "text": "another"}});
                let make = client.post(&address).bearer_auth(token).timeout(LONG).json(&body).send();
                // 409 says that the type was changed just now.
                let status = make.expect("an answer").status();
                assert!(status == 201 || status == 409, "{status}");
                longest = longest.max(began.elapsed());
            }
            longest
        });
        let began = Instant::now();
        let path = server.path("/entity-types/rows");
        let answer = server.client.patch(path).bearer_auth(token).timeout(LONG).json(change).send();
        assert!(answer.expect("an answer").status().is_success());
        while server.get(token, "/entity-types/rows")["indexing"].is_number() {
            thread::sleep(Duration::from_millis(5));
        }
        let took = began.elapsed();
        done.store(true, Ordering::Relaxed);
        (writer.join().expect("the writer"), took)
    })
}
