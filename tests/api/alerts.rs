//! Rules that watch the instance: each incident is told once, and once when it is over.

use crate::{
    sink::Sink,
    support::{Actor, Receiver, Site},
};
use portcullis::jobs;
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

const QUIET: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
const MINUTE: i64 = 60_000;

/// Lets the rules be looked at again, and waits until that was done.
fn look_again(site: &Site) {
    let done = || {
        let db = site.app.ledger.db();
        let sql = "SELECT coalesce(max(finished_at), 0) FROM jobs WHERE kind = 'alerts.check' AND state = 'done'";
        db.read(|reader| reader.query_one(sql, &[], |row| row.get::<i64>(0))).unwrap().unwrap_or(0)
    };
    let begun = Instant::now();
    while done() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the rules were never looked at");
        thread::sleep(Duration::from_millis(20));
    }
    let before = done();
    site.clock.advance(MINUTE);
    while done() <= before {
        assert!(begun.elapsed() < Duration::from_secs(30), "the rules are not looked at");
        jobs::wake();
        thread::sleep(Duration::from_millis(20));
    }
}

fn warnings(admin: &Actor) -> Vec<Value> {
    let all = admin.get("/overview").expect(200).json()["warnings"].as_array().unwrap().clone();
    all.into_iter().filter(|warning| warning["code"].as_str().unwrap().starts_with("alert_")).collect()
}

#[test]
fn an_incident_is_told_once_and_once_when_it_is_over() {
    let (sink, receiver) = (Sink::new(), Receiver::start());
    let (smtp, url) = (format!("smtp://127.0.0.1:{}", sink.port), receiver.url("/alerts"));
    let allowed = format!("127.0.0.1,{}", receiver.allowed());
    let site = Site::with(&[
        QUIET,
        ("PORTCULLIS_MAIL__SMTP_URL", &smtp),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
        ("PORTCULLIS_OUTBOUND__ALLOW", &allowed),
        ("PORTCULLIS_ALERTS__URL", &url),
        ("PORTCULLIS_ALERTS__DISK_FREE_PERCENT", "0"),
        ("PORTCULLIS_SERVER__PUBLIC_URL", "https://gate.example.org"),
    ]);
    let admin = site.admin();
    let settings = json!({"alerts": {"to": ["ops@example.org"], "failed_log_ins": 3}});
    admin.patch("/settings", &settings).expect(200);
    look_again(&site);
    assert_eq!((receiver.calls().len(), warnings(&admin).len()), (0, 0));
    for number in 0..3 {
        let wrong = json!({"email": format!("nobody{number}@example.org"), "password": "wrong wrong wrong"});
        site.nobody().post("/auth/login", &wrong).expect(401);
    }
    // What was counted together is written by now.
    site.app.ledger.settle_notes();
    site.app.ledger.unrecorded_blocking("test", |_| Ok(())).unwrap();
    look_again(&site);
    let call = receiver.wait_for(1)[0].json();
    assert_eq!(
        (&call["rule"], &call["state"], &call["ended_at"]),
        (&json!("failed_log_ins"), &json!("raised"), &Value::Null)
    );
    assert_eq!(call["detail"], "3 log-ins failed in the last ten minutes.");
    assert_eq!(call["instance"], "https://gate.example.org");
    let mail = sink.next();
    assert_eq!(
        (mail.to.as_slice(), mail.header("Subject").as_str()),
        (&["ops@example.org".to_owned()][..], "An alert was raised")
    );
    assert!(mail.text().contains("Many log-ins fail at https://gate.example.org."), "{}", mail.raw);
    assert_eq!(warnings(&admin)[0]["title"], "Many log-ins fail");
    look_again(&site);
    look_again(&site);
    assert_eq!(receiver.calls().len(), 1, "it goes on and is not told again");
    site.clock.advance(10 * MINUTE);
    look_again(&site);
    let over = receiver.wait_for(2)[1].json();
    assert_eq!((&over["state"], &over["id"]), (&json!("cleared"), &call["id"]));
    assert!(over["ended_at"].is_string(), "{over}");
    assert_eq!(sink.next().header("Subject"), "An alert is over");
    assert_eq!(warnings(&admin), Vec::<Value>::new());
    let events = admin.get("/audit?target_type=alert").expect(200).json();
    let actions: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, [json!("alert.cleared"), json!("alert.raised")]);
    look_again(&site);
    assert_eq!(receiver.calls().len(), 2);
}

#[test]
fn failing_requests_expiring_keys_old_keys_and_a_full_disk_are_seen() {
    let site = Site::new();
    let admin = site.admin();
    admin.patch("/settings", &json!({"alerts": {"disk_free_percent": 99, "key_age_days": 30}})).expect(200);
    let soon = site.clock.now().plus(Duration::from_secs(33 * 86_400));
    let key = json!({"name": "nightly import", "scopes": ["users:read"], "expires_at": soon});
    admin.post("/api-keys", &key).expect(201);
    look_again(&site);
    let codes = |admin: &Actor| -> Vec<String> {
        warnings(admin).iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&admin), ["alert_disk"], "no disk has 99 % left");
    site.clock.advance(31 * 24 * 60 * MINUTE);
    let admin = site.log_in("admin@example.org");
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON roles BEGIN SELECT RAISE(ABORT, 'broken'); END";
    site.app.ledger.unrecorded_blocking("test", move |tx| tx.execute(broken, &[])).unwrap();
    for number in 0..20 {
        admin.post("/roles", &json!({"name": format!("r{number}"), "permissions": []})).expect(500);
    }
    look_again(&site);
    let mut codes = codes(&admin);
    codes.sort();
    assert_eq!(codes, ["alert_backup_age", "alert_disk", "alert_error_rate", "alert_key_age", "alert_key_expiry"]);
    let expiring = warnings(&admin).into_iter().find(|warning| warning["code"] == "alert_key_expiry").unwrap();
    assert_eq!(expiring["detail"], "Within 7 days: nightly import.");
    admin.patch("/settings", &json!({"alerts": {"disk_free_percent": 0}})).expect(200);
    look_again(&site);
    assert!(!warnings(&admin).iter().any(|warning| warning["code"] == "alert_disk"), "a rule that is off is over");
}

#[test]
fn a_route_that_is_slow_is_told_of_until_it_is_quick_again() {
    let site = Site::with(&[QUIET, ("PORTCULLIS_ALERTS__DISK_FREE_PERCENT", "0")]);
    let admin = site.admin();
    look_again(&site);
    assert_eq!(warnings(&admin), Vec::<Value>::new(), "two seconds are allowed");
    admin.patch("/settings", &json!({"alerts": {"slow_p95_ms": 8}})).expect(200);
    site.clock.advance(10 * MINUTE);
    // A password takes its time to be checked, and nothing else happens.
    for _ in 0..25 {
        site.log_in("admin@example.org");
    }
    look_again(&site);
    let slow = warnings(&admin).into_iter().find(|warning| warning["code"] == "alert_slowness");
    let slow = slow.expect("it is noticed");
    assert_eq!(slow["title"], "Answers are slow");
    assert!(slow["detail"].as_str().unwrap().starts_with("Five in a hundred answers took "), "{slow}");
    site.clock.advance(10 * MINUTE);
    for _ in 0..60 {
        admin.get("/auth/me").expect(200);
    }
    look_again(&site);
    assert_eq!(warnings(&admin), Vec::<Value>::new());
}
