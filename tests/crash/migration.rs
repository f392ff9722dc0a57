//! Killed while the schema of the database is brought up to date: the old schema or the new, never one between them.

use crate::{
    older::{OLDER, make_older},
    recovery::{ORDERS, command, fill, killed_after, orders, rounds, run},
    support,
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const DATABASE: &str = "portcullis.db";

/// The copy of what was there before.
fn kept(folder: &Path) -> PathBuf {
    folder.join(format!("portcullis-schema-{OLDER}.db"))
}

/// The folder as the older version left it.
fn put_back(folder: &Path, older: &Path) {
    let copy = kept(folder);
    for left in
        [folder.join("portcullis.db-wal"), folder.join("portcullis.db-shm"), copy.with_extension("db.new"), copy]
    {
        let _ = fs::remove_file(left);
    }
    fs::copy(older, folder.join(DATABASE)).unwrap();
}

/// The schema that is there and the one that this program brings.
fn status(folder: &Path) -> (i64, i64) {
    let output = command(folder, &["migrate", "status", "--json"]).output().expect("the binary runs");
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let (applied, latest) = (status["applied"].as_i64().unwrap(), status["latest"].as_i64().unwrap());
    assert_eq!(output.status.code(), Some(i32::from(applied != latest)));
    (applied, latest)
}

fn is_whole(database: &Path, schema: i32) -> bool {
    let kept = Connection::open(database).unwrap();
    let verdict: String = kept.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let sql = "SELECT max(version) FROM refinery_schema_history";
    let version: i32 = kept.query_row(sql, [], |row| row.get(0)).unwrap();
    verdict == "ok" && version == schema
}

#[test]
fn a_migration_of_the_schema_that_is_killed_leaves_the_old_one_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let aside = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let token = server.set_up();
    fill(&server, &token, ORDERS);
    assert!(server.stop().success());
    make_older(folder.path());
    let older = aside.path().join(DATABASE);
    fs::copy(folder.path().join(DATABASE), &older).unwrap();
    let began = Instant::now();
    run(folder.path(), &["migrate", "run"]);
    let took = began.elapsed();
    let copy = kept(folder.path());
    let rounds = rounds(8);
    let (mut old, mut new, mut copied) = (0, 0, 0);
    for round in 0..rounds {
        put_back(folder.path(), &older);
        // The last one has all the time it needs.
        let time = if round + 1 == rounds { took * 3 } else { took * (round + 1) / rounds };
        killed_after(command(folder.path(), &["migrate", "run"]).spawn().unwrap(), time);
        let (applied, latest) = status(folder.path());
        assert!([i64::from(OLDER), latest].contains(&applied), "round {round}: schema {applied} of {latest}");
        if copy.exists() {
            copied += 1;
            assert!(is_whole(&copy, OLDER), "round {round}: the copy is whole where there is one");
        }
        if applied == latest {
            new += 1;
            assert!(copy.exists(), "round {round}: nothing is migrated without a copy");
        } else {
            old += 1;
        }
        let server = support::start(folder.path());
        let token = server.log_in();
        assert_eq!(orders(&server, &token), ORDERS as u64, "round {round}: every row is there");
        assert_eq!(server.get(&token, "/audit/verify")["valid"], true, "round {round}");
        assert!(server.stop().success());
        assert_eq!(status(folder.path()), (latest, latest));
        assert!(is_whole(&copy, OLDER), "round {round}");
    }
    println!(
        "{rounds} migrations killed: {old} left the old schema ({copied} copies were there), {new} the new; one takes {took:?}"
    );
    assert!(old > 0 && new > 0 && took > Duration::ZERO, "{old} old, {new} new");
}
