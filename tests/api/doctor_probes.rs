//! What the doctor asks of others: of the server as it runs, of what stands in front of it, of the disk.

use crate::{
    doctor::{examine, finding, passed},
    support::{Receiver, Site, until},
};
use serde_json::json;
use std::fs::OpenOptions;

#[test]
fn headers_that_a_proxy_takes_away_are_missed() {
    let proxy = Receiver::start();
    proxy.answer("200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}");
    let url = proxy.url("");
    let site = Site::with(&[("PORTCULLIS_SERVER__PUBLIC_URL", &url)]);
    let report = examine(&site.admin());
    let evidence = finding(&report, "headers").unwrap()["evidence"].as_str().unwrap();
    assert!(evidence.contains(&format!("content-security-policy at {url}")), "{evidence}");
    assert!(!evidence.contains("at /console/"), "{evidence}");
    proxy.answer("200 OK");
    let report = examine(&site.log_in("admin@example.org"));
    assert!(passed(&report, "headers"), "who says hello there is somebody else");
    assert_eq!(proxy.calls().len(), 2);
}

#[test]
fn a_writer_that_stands_still_and_a_log_that_has_grown_are_found() {
    let site = Site::new();
    let admin = site.admin();
    let data = site.folder.path().join("data");
    let lock = rusqlite::Connection::open(data.join("portcullis.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(finding(&examine(&admin), "ready").unwrap()["severity"], "high");
    lock.execute_batch("ROLLBACK").unwrap();
    assert!(passed(&examine(&admin), "ready"));

    let log = OpenOptions::new().write(true).open(data.join("portcullis.db-wal")).unwrap();
    log.set_len(600_000_000).unwrap();
    assert_eq!(finding(&examine(&admin), "write_ahead_log").unwrap()["severity"], "medium");
    let empty = |tx: &portcullis::storage::Tx<'_>| {
        tx.leave_no_trace();
        Ok(())
    };
    site.app.ledger.unrecorded_blocking("a test empties the log", empty).unwrap();
    until("it is short again", || passed(&examine(&admin), "write_ahead_log").then_some(()));
}

#[test]
fn the_disk_is_held_against_what_the_owner_asked_for() {
    let site = Site::new();
    let admin = site.admin();
    let evidence = || {
        let report = examine(&admin);
        let all = [&report["findings"], &report["passed"]].map(|list| list.as_array().unwrap().clone()).concat();
        all.into_iter().find(|check| check["id"] == "disk").unwrap()["evidence"].as_str().unwrap().to_owned()
    };
    assert!(evidence().ends_with("it should be 2 GB and 10 %."), "{}", evidence());
    admin.patch("/settings", &json!({"alerts": {"disk_free_percent": 99}})).expect(200);
    assert!(evidence().ends_with("it should be 2 GB and 99 %."), "{}", evidence());
}

#[test]
fn an_address_that_nobody_could_call_earns_nothing() {
    let site = Site::with(&[
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_SERVER__PUBLIC_URL", "https://127.0.0.1:9"),
        ("PORTCULLIS_AUDIT__ANCHOR_URL", "https://127.0.0.1:9/heads"),
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
    ]);
    let report = examine(&site.admin());
    for id in ["encryption", "audit_anchor", "mail"] {
        assert_eq!(finding(&report, id).unwrap()["severity"], "not_probed", "{id}: {report}");
    }
    let plain = Site::with(&[("PORTCULLIS_SERVER__PUBLIC_URL", "http://gate.example.org")]);
    assert_eq!(finding(&examine(&plain.admin()), "encryption").unwrap()["severity"], "high");
}
