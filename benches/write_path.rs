//! The write path without HTTP: audited changes through the ledger beside bare rusqlite doing the same rows
//! at the same batch size, both with `synchronous=FULL`, in interleaved rounds.

#[allow(dead_code)]
mod bare;

use portcullis::{
    actor::Actor,
    audit::{Event, Ledger},
    clock::Clock,
    ids::Id,
    params,
    storage::{self, Options},
};
use rusqlite::Connection;
use std::{path::Path, time::Instant};

const CHANGES: usize = 20_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    println!("{:<24} {:>12} {:>12} {:>7}", "changes a second", "portcullis", "bare", "ratio");
    for batch in [1, 16, 64, 256] {
        let count = if batch == 1 { CHANGES / 20 } else { CHANGES };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..3 {
            let here = folder.path().join(format!("{batch}-{round}"));
            std::fs::create_dir(&here).expect("a folder");
            ours.push(runtime.block_on(ledger(&here, batch, count)));
            theirs.push(bare(&here, batch, count));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{:<24} {ours:>12.0} {theirs:>12.0} {:>6.0}%", format!("{batch} at a time"), 100.0 * ours / theirs);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn ledger(folder: &Path, clients: usize, count: usize) -> f64 {
    let (db, writer) = storage::open(folder, &Options::default()).expect("opened");
    let ledger = Ledger::new(db, writer, Clock::system());
    ledger
        .unrecorded("benchmark", |tx| tx.execute("CREATE TABLE bench (id TEXT PRIMARY KEY, body TEXT NOT NULL)", &[]))
        .await
        .expect("a table");
    let started = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for _ in 0..count / clients {
                    change(&ledger).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("written");
    }
    (count / clients * clients) as f64 / started.elapsed().as_secs_f64()
}

async fn change(ledger: &Ledger) {
    let id = Id::new();
    let body = serde_json::json!({"name": "Order", "data": {"city": "Paris", "amount": 7}}).to_string();
    ledger
        .change(&Actor::system("benchmark"), move |tx| {
            tx.execute("INSERT INTO bench VALUES (?1, ?2)", params![id, &body])?;
            Ok(((), Event::new("bench.created", "bench", id).after(&body)))
        })
        .await
        .expect("changed");
}

fn bare(folder: &Path, batch: usize, count: usize) -> f64 {
    let connection = Connection::open(folder.join("bare.db")).expect("opened");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE entities (id TEXT PRIMARY KEY, body TEXT NOT NULL);
             CREATE TABLE audit (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, hash TEXT NOT NULL);",
        )
        .expect("the schema");
    let body = serde_json::json!({"name": "Order", "data": {"city": "Paris", "amount": 7}}).to_string();
    let mut hash = "0".repeat(64);
    let started = Instant::now();
    for _ in 0..count / batch {
        connection.execute_batch("BEGIN IMMEDIATE").expect("begun");
        (0..batch).for_each(|_| bare::insert(&connection, &body, &mut hash));
        connection.execute_batch("COMMIT").expect("committed");
    }
    (count / batch * batch) as f64 / started.elapsed().as_secs_f64()
}
