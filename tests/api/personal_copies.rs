//! Copies of personal data that one forgets: what an opened backup and a talkative log hold, byte by byte.

use crate::{
    backups,
    personal::{PEOPLE, collect, holds, listed, make, people, upload},
    support::{Actor, Site},
};
use portcullis::{backup, observability::start_log};
use reqwest::Method;
use serde_json::json;
use std::fs;

const SECRETS: [&str; 4] = ["PLAIN", "plain", "1969-07-20", "171.25"];

/// Personal values by every way in: alone, in a batch, by import, as a change, in a question, and refused.
fn written(admin: &Actor) -> String {
    people(admin);
    let data = json!({"iban": "PLAIN-iban-1", "no": "PLAIN-no-1", "born": "1969-07-20", "height": 171.25,
        "city": "visible-city", "bank": {"name": "PLAIN-bank", "pin": "PLAIN-pin"},
        "contacts": [{"phone": "PLAIN-phone", "kind": "kind-visible"}]});
    let keyed = admin.request(Method::POST, PEOPLE).header("idempotency-key", "k1").json(&json!({ "data": data }));
    let path = format!("{PEOPLE}/{}", admin.send(keyed).expect(201).id());
    admin.patch(&path, &json!({"data": {"iban": "PLAIN-iban-2"}})).expect(200);
    let batch = json!({"operations": [{"op": "create", "type": "people", "data": {"iban": "PLAIN-batch", "nick": "PLAIN-nick"}}]});
    admin.post("/batch", &batch).expect(200);
    upload(admin, "", "text/csv", "iban,no\nPLAIN-csv-1,PLAIN-csv-2\n").expect(200);
    upload(admin, "mode=skip_errors", "application/x-ndjson", "{\"data\":{\"iban\":\"PLAIN-line\"}}\n").expect(200);
    upload(admin, "", "text/csv", "iban,no\nx,PLAIN-refused\n").problem(422, "validation_failed");
    make(admin, &json!({"iban": "x", "nick": "PLAIN-refused"})).problem(422, "validation_failed");
    make(admin, &json!({"no": "PLAIN-no-1"})).problem(409, "conflict");
    listed(admin, "data.iban = \"PLAIN-iban-2\"").expect(200);
    listed(admin, "data.iban ~ \"PLAIN\"").problem(422, "validation_failed");
    admin
        .post(&format!("{PEOPLE}?upsert_on=/no"), &json!({"data": {"no": "PLAIN-no-1", "nick": "PLAIN-up"}}))
        .expect(200);
    assert!(admin.get(&format!("{path}/history")).expect(200).text.contains("PLAIN-iban-1"));
    let events = admin.get("/audit?target_type=entity").expect(200);
    assert!(events.text.contains("PLAIN-iban-1"));
    admin.get(&format!("{path}/export")).expect(200);
    admin.get(&format!("{PEOPLE}/export?format=csv")).expect(200);
    path
}

#[test]
fn an_opened_backup_holds_no_value_in_plain() {
    let site = Site::new();
    let admin = site.admin();
    let path = written(&admin);
    let (made, key) = backups::make(&admin);
    let key = key.expect("the first answer carries it").parse().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = portcullis::config::Config::clone(&site.app.config.load());
    config.data_dir = elsewhere.path().join("data");
    let file = backups::file(&site, &made);
    backup::restore(&config, file.to_str().unwrap(), Some(&key), &site.clock).unwrap();
    let mut opened = Vec::new();
    collect(&config.data_dir, &mut opened);
    let database = opened.iter().find(|(name, _)| name.ends_with("/portcullis.db")).expect("it was opened");
    assert!(holds(&database.1, "visible-city") && holds(&database.1, path.rsplit('/').next().unwrap()));
    assert!(holds(&database.1, "$sealed"));
    for (name, bytes) in &opened {
        for secret in SECRETS {
            assert!(!holds(bytes, secret), "{secret} is in {name}");
        }
    }
}

#[test]
fn a_log_with_bodies_holds_no_value_in_plain() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("portcullis.log");
    let file = log.to_str().unwrap().to_owned();
    let settings = [
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_LOG__FILE", &*file),
        ("PORTCULLIS_LOG__BODIES", "true"),
        ("PORTCULLIS_LOG__LEVEL", "trace"),
    ];
    let site = Site::on(folder, &settings);
    start_log(&site.app.config.load());
    let admin = site.admin();
    let path = written(&admin);
    admin.post(&format!("{path}/anonymise"), &json!({})).expect(200);
    let text = fs::read(&log).unwrap();
    for word in ["request body", "answer body", "(text)", "iban"] {
        assert!(holds(&text, word), "bodies are logged: {word}");
    }
    for secret in SECRETS {
        let line = String::from_utf8_lossy(&text).lines().find(|line| line.contains(secret)).map(str::to_owned);
        assert_eq!(line, None, "{secret} is in the log");
    }
}
