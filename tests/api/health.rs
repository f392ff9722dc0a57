//! Whether it is ready, and what of its surroundings is missing: the server goes on without any of it.

use crate::support::{Answer, PASSWORD, Site};
use portcullis::{ids::Id, params};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

fn ready(site: &Site) -> Answer {
    let nobody = site.nobody();
    nobody.send(nobody.at(Method::GET, "/health/ready"))
}

fn state<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["dependencies"].as_array().expect("dependencies");
    let found = all.iter().find(|dependency| dependency["name"] == name).unwrap_or_else(|| panic!("{name}: {answer}"));
    assert!(found["latency_ms"].is_f64(), "{found}");
    &found["state"]
}

/// What is told once everything was looked at.
fn looked(site: &Site) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ready(site).expect(200).json();
        if state(&answer, "files") != "unknown" {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn with_nothing_configured_all_there_is_is_up() {
    let site = Site::with(&[]);
    let answer = looked(&site);
    assert_eq!(answer["status"], "ready");
    let states = ["database", "writer", "mail", "files", "webhooks", "sentry"].map(|name| state(&answer, name).clone());
    assert_eq!(states, ["up", "up", "off", "up", "off", "off"]);
}

#[test]
fn with_every_optional_part_missing_it_serves_and_says_what_is_degraded() {
    let site = Site::with(&[
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
        ("PORTCULLIS_SENTRY__DSN", "http://abc@127.0.0.1:9/1"),
        ("PORTCULLIS_FILES__STORE", "s3://team-files/uploads"),
        ("PORTCULLIS_S3__ENDPOINT", "http://127.0.0.1:9"),
        ("PORTCULLIS_S3__ACCESS_KEY", "key"),
        ("PORTCULLIS_S3__SECRET_KEY", "secret"),
    ]);
    let admin = site.admin();
    let hook = json!({"name": "Chat", "url": "http://127.0.0.1:9/hook", "events": ["*"]});
    let hook: Id = admin.post("/webhooks", &hook).expect(201).id().parse().unwrap();
    // As after a delivery that was given up.
    let sql = "UPDATE webhooks SET failures = 1 WHERE id = ?1";
    site.app.ledger.unrecorded_blocking("a test", move |tx| tx.execute(sql, params![hook])).unwrap();
    let answer = looked(&site);
    assert_eq!(answer["status"], "degraded", "{answer}");
    for name in ["mail", "files", "webhooks", "sentry"] {
        assert_eq!(state(&answer, name), "down", "{name}");
    }
    for name in ["database", "writer"] {
        assert_eq!(state(&answer, name), "up", "{name}");
    }
    assert!(!answer.to_string().contains("127.0.0.1") && !answer.to_string().contains("abc"));
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    admin.post("/entities/orders", &json!({"name": "one"})).expect(201);
    site.user(&admin, "vera", &["viewer"]).get("/entities/orders").expect(200);
    site.nobody().post("/auth/password/forgot", &json!({"email": "vera@example.org"})).expect(202);
    admin.upload("a.txt", b"words").problem(503, "unavailable");
    admin.put("/kill-switch", &json!({"active": true, "reason": "a drill", "password": PASSWORD})).expect(200);
    ready(&site).expect(200);
}

#[test]
fn without_its_writer_it_is_not_ready() {
    let site = Site::with(&[]);
    site.app.ledger.writer().close();
    let answer = ready(&site).expect(503).json();
    assert_eq!((&answer["status"], state(&answer, "writer")), (&json!("not_ready"), &json!("down")));
    assert_eq!(state(&answer, "database"), "up");
}
