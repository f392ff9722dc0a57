//! A database that cannot be written to, as callers hear of it: busy, or without room.

use crate::support::Site;
use portcullis::storage::Tx;
use rusqlite::Connection;
use serde_json::json;

fn pragma(site: &Site, sql: &'static str) {
    let run = move |tx: &Tx<'_>| tx.query_all(sql, &[], |_| Ok(())).map(drop);
    // The database may refuse what follows already.
    let _ = site.app.ledger.unrecorded_blocking("test", run);
}

#[test]
fn a_database_that_somebody_else_holds_answers_503_and_loses_nothing() {
    let site = Site::new();
    let admin = site.admin();
    let other = Connection::open(site.folder.path().join("data/portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let role = json!({"name": "team", "permissions": []});
    let problem = admin.post("/roles", &role).problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("busy"), "{problem}");
    admin.get("/roles").expect(200);
    other.execute_batch("ROLLBACK").unwrap();
    admin.post("/roles", &role).expect(201);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn a_disk_without_room_answers_507_and_goes_on_when_there_is_some() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    pragma(&site, "PRAGMA max_page_count = 1");
    let words = "word ".repeat(1500);
    let write = || admin.post("/entities/notes", &json!({"data": {"text": words}}));
    let refused = (0..2000).map(|_| write()).find(|answer| answer.status != 201).expect("there is an end to it");
    let problem = refused.problem(507, "storage_full");
    assert!(problem["detail"].as_str().unwrap().contains("Free some room"), "{problem}");
    let kept = admin.get("/entities/notes?count=true&limit=1").expect(200).json();
    pragma(&site, "PRAGMA max_page_count = 1073741823");
    write().expect(201);
    let after = admin.get("/entities/notes?count=true&limit=1").expect(200).json();
    assert_eq!(after["total"].as_i64(), kept["total"].as_i64().map(|total| total + 1), "nothing of what was refused");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}
