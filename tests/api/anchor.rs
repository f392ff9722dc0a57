//! The head of the audit log, told to the log and to whoever keeps it outside.

use crate::support::{Receiver, Site};
use portcullis::{jobs, observability::start_log};
use serde_json::{Value, json};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

const QUIET: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
const ALLOW: &str = "PORTCULLIS_OUTBOUND__ALLOW";
const URL: &str = "PORTCULLIS_AUDIT__ANCHOR_URL";
const TEN_MINUTES: i64 = 601_000;

fn head(site: &Site) -> (i64, String) {
    portcullis::audit::head(site.app.ledger.db()).unwrap()
}

/// Lets it be due, and waits until something was told.
fn told(site: &Site, receiver: &Receiver, time: i64) -> Value {
    let before = receiver.calls().len();
    site.clock.advance(time);
    jobs::wake();
    receiver.wait_for(before + 1).pop().unwrap().json()
}

#[test]
fn the_head_of_the_audit_log_is_anchored_when_it_changed() {
    let receiver = Receiver::start();
    let (allow, url) = (receiver.allowed(), receiver.url("/heads"));
    let site = Site::with(&[QUIET, (ALLOW, &allow), (URL, &url)]);
    site.admin();
    let expected = head(&site);
    // The first look is at the start, perhaps before there was anything.
    let first = told(&site, &receiver, TEN_MINUTES);
    assert_eq!((first["seq"].as_i64(), first["hash"].as_str()), (Some(expected.0), Some(&*expected.1)));
    let before = receiver.calls().len();
    site.clock.advance(TEN_MINUTES);
    jobs::wake();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.calls().len(), before, "nothing changed");
    let admin = site.log_in("admin@example.org");
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    let next = told(&site, &receiver, TEN_MINUTES);
    assert_eq!(next["seq"].as_i64(), Some(head(&site).0));
    assert!(next["seq"].as_i64() > first["seq"].as_i64());
}

#[test]
fn a_head_that_was_refused_is_told_again() {
    let receiver = Receiver::start();
    let (allow, url) = (receiver.allowed(), receiver.url("/heads"));
    let site = Site::with(&[QUIET, (ALLOW, &allow), (URL, &url)]);
    let admin = site.admin();
    told(&site, &receiver, TEN_MINUTES);
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    receiver.answer("500 Oops");
    let refused = told(&site, &receiver, TEN_MINUTES);
    let begun = Instant::now();
    let job = loop {
        let waiting = admin.get("/jobs?kind=audit.anchor&state=waiting").expect(200).json()["items"][0].clone();
        if waiting["attempts"] == 1 {
            break waiting;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "it is not to be tried again: {waiting}");
        thread::sleep(Duration::from_millis(20));
    };
    assert!(job["error"].as_str().unwrap().contains("answered 500"), "{job}");
    let again = told(&site, &receiver, 11_000);
    assert_eq!((&again["seq"], &again["hash"]), (&refused["seq"], &refused["hash"]));
    assert_eq!((again["seq"].as_i64(), again["hash"].as_str()), (Some(head(&site).0), Some(&*head(&site).1)));
}

#[test]
fn the_log_has_the_head_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.log");
    let file = path.to_str().unwrap().to_owned();
    let site = Site::on(folder, &[QUIET, ("PORTCULLIS_LOG__FILE", &file), ("PORTCULLIS_LOG__FORMAT", "json")]);
    start_log(&site.app.config.load());
    site.admin();
    let (seq, hash) = head(&site);
    let begun = Instant::now();
    loop {
        site.clock.advance(TEN_MINUTES);
        jobs::wake();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut heads = lines.filter(|line| line["message"] == "head of the audit log");
        if heads.any(|line| line["seq"] == json!(seq) && line["hash"] == json!(hash)) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{seq}:{hash} is not in {text}");
        thread::sleep(Duration::from_millis(100));
    }
}
