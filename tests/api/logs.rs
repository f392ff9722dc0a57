//! What the log says and keeps to itself: on disk, in the console, and to whoever collects errors.

use crate::support::{PASSWORD, Receiver, Site};
use portcullis::observability::start_log;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

const QUIET: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");

/// A site whose log goes to a file.
fn site(further: &[(&str, &str)]) -> (Site, impl Fn() -> String + use<>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.log");
    let file = path.to_str().unwrap().to_owned();
    let settings = [&[QUIET, ("PORTCULLIS_LOG__FILE", &file), ("PORTCULLIS_LOG__FORMAT", "json")], further].concat();
    let site = Site::on(folder, &settings);
    start_log(&site.app.config.load());
    (site, move || fs::read_to_string(&path).unwrap())
}

#[test]
fn the_latest_lines_are_seen_by_level_and_word() {
    let (site, file) = site(&[]);
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    viewer.get("/logs").problem(403, "forbidden");
    let asked = viewer.get("/users").problem(403, "forbidden");
    let request = asked["request_id"].as_str().unwrap();
    // What nobody waits for is written by now.
    site.app.ledger.unrecorded_blocking("test", |_| Ok(())).unwrap();
    let lines =
        |query: &str| admin.get(&format!("/logs?{query}")).expect(200).json()["items"].as_array().unwrap().clone();
    let refused = lines("q=request.denied&level=warn");
    assert_eq!((&refused[0]["target"], &refused[0]["level"]), (&json!("portcullis::security"), &json!("warn")));
    assert_eq!(refused[0]["fields"]["action"], "request.denied");
    let own = lines(&format!("q={request}"));
    assert!(own.iter().any(|line| line["message"] == "request" && line["fields"]["status"] == 403), "{own:?}");
    assert!(lines("level=error").is_empty());
    let all = lines("limit=200");
    assert!(all.len() > 5 && all.windows(2).all(|pair| pair[0]["id"].as_u64() > pair[1]["id"].as_u64()));
    let first = admin.get("/logs?limit=2").expect(200).json();
    let next =
        admin.get(&format!("/logs?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).expect(200).json();
    assert_eq!(first["items"][1]["id"].as_u64().unwrap(), next["items"][0]["id"].as_u64().unwrap() + 1);
    admin.get("/logs?level=loud").problem(422, "validation_failed");
    admin.get("/logs?cursor=x").problem(422, "validation_failed");
    let text = file();
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "each line is one event: {text}");
    assert!(text.contains(request) && !text.contains(PASSWORD) && !text.contains(admin.token.as_deref().unwrap()));
}

#[test]
fn bodies_are_logged_on_demand_and_masked() {
    let (site, file) = site(&[]);
    let admin = site.admin();
    let schema = json!({"name": "customers", "fields": {"/iban": {"sensitivity": "restricted"}}});
    admin.post("/entity-types", &schema).expect(201);
    assert!(!file().contains("request body"));
    admin.patch("/settings", &json!({"log": {"bodies": true}})).expect(200);
    let user = json!({"email": "grace@example.org", "name": "Grace Hopper", "password": PASSWORD, "roles": ["viewer"]});
    admin.post("/users", &user).expect(201);
    let made = admin.post("/api-keys", &json!({"name": "nightly", "scopes": ["users:read"]})).expect(201).json();
    let data = json!({"iban": "NL91ABNA0417164300", "note": "line\nbreak"});
    admin.post("/entities/customers", &json!({"name": "Ada", "data": data})).expect(201);
    site.log_in("grace@example.org");
    let text = file();
    assert!(text.contains("request body") && text.contains("answer body") && text.contains("(hidden)"), "{text}");
    assert!(text.contains(r#"\"iban\":\"(text)\""#), "{text}");
    for word in [PASSWORD, "grace@example.org", "Grace Hopper", "NL91", "line\\nbreak", made["key"].as_str().unwrap()] {
        assert!(!text.contains(word), "{word} is in the log: {text}");
    }
    admin.patch("/settings", &json!({"log": {"bodies": false}})).expect(200);
    let before = file().matches("request body").count();
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    assert_eq!(file().matches("request body").count(), before);
}

#[test]
fn errors_are_reported_without_what_is_personal_or_secret() {
    let receiver = Receiver::start();
    let dsn = format!("http://abcdef0123@127.0.0.1:{}/7", receiver.port);
    let allowed = receiver.allowed();
    let (site, file) = site(&[("PORTCULLIS_SENTRY__DSN", &dsn), ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
    let admin = site.admin();
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON roles BEGIN SELECT RAISE(ABORT, 'internal words'); END";
    site.app.ledger.unrecorded_blocking("test", move |tx| tx.execute(broken, &[])).unwrap();
    let request = admin.request(Method::POST, "/roles?x=secret-in-the-query").header("x-request-id", "known-id");
    admin.send(request.json(&json!({"name": "grace_hopper", "permissions": []}))).expect(500);
    let call = receiver.wait_for(1)[0].clone();
    assert_eq!(call.path, "/api/7/envelope/");
    assert!(call.headers["x-sentry-auth"].contains("sentry_key=abcdef0123"), "{:?}", call.headers);
    let parts: Vec<Value> = call.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((parts.len(), &parts[1]["type"]), (3, &json!("event")));
    let event = &parts[2];
    assert_eq!((&event["tags"]["request_id"], &event["level"]), (&json!("known-id"), &json!("error")));
    assert_eq!(event["tags"]["code"], "internal");
    assert!(event["culprit"].as_str().unwrap().starts_with("src/"), "{event}");
    for word in ["internal words", "grace_hopper", "secret-in-the-query", "example.org", "127.0.0.1", admin.id.as_str()]
    {
        assert!(!call.body.contains(word), "{word} is told: {}", call.body);
    }
    assert!(file().contains("internal words"), "the log has the cause");
    let shown = admin.get("/logs?level=error").expect(200).json();
    assert_eq!(shown["items"][0]["fields"]["request_id"], "known-id");
}

#[test]
fn slow_requests_are_told_with_how_long_they_took() {
    let (site, file) = site(&[]);
    let admin = site.admin();
    let slow_from = |ms: u32| {
        admin.patch("/settings", &json!({"log": {"slow_ms": ms}})).expect(200);
        site.log_in("admin@example.org");
    };
    let slow = || -> Vec<Value> {
        let text = file();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"] == "slow request" && line["path"] == "/api/v1/auth/login").collect()
    };
    let before = slow().len();
    slow_from(600_000);
    assert_eq!(slow().len(), before, "ten minutes are allowed");
    // No password is checked within a millisecond.
    slow_from(1);
    let told = slow();
    assert_eq!(told.len(), before + 1, "{told:?}");
    let line = told.last().unwrap();
    assert_eq!((&line["level"], &line["status"], &line["method"]), (&json!("WARN"), &json!(200), &json!("POST")));
    assert!(line["ms"].as_f64().unwrap() >= 1.0 && line["request_id"].is_string(), "{line}");
    let shown = admin.get("/logs?level=warn&q=slow%20request&limit=200").expect(200).text;
    assert!(shown.contains(line["request_id"].as_str().unwrap()), "{shown}");
}

#[test]
fn a_panic_is_reported_as_fatal_and_without_its_words() {
    let receiver = Receiver::start();
    let dsn = format!("http://abcdef0123@127.0.0.1:{}/7", receiver.port);
    let allowed = receiver.allowed();
    let (site, _) = site(&[("PORTCULLIS_SENTRY__DSN", &dsn), ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
    let panicked = site.app.ledger.unrecorded_blocking::<()>("test", |_| panic!("grace@example.org in a panic"));
    assert!(panicked.is_err());
    let call = receiver.wait_for(1)[0].clone();
    let event: Value = serde_json::from_str(call.body.lines().nth(2).unwrap()).unwrap();
    assert_eq!((&event["level"], &event["message"]["formatted"]), (&json!("fatal"), &json!("a panic")));
    assert!(event["culprit"].as_str().unwrap().starts_with("tests/api/logs.rs:"), "{event}");
    assert!(!call.body.contains("grace@example.org"), "{}", call.body);
    site.admin().get("/auth/me").expect(200);
}
