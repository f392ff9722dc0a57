//! The keys of the instance: seen without their values, rotated without an interruption, ended in an emergency.

use crate::{
    second_factor::enrol,
    support::{Actor, PASSWORD, Receiver, Site},
    webhooks::signed_with,
};
use portcullis::{
    clock::Clock,
    jobs,
    secrets::{Keyring, Purpose},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

const QUIET: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn board(admin: &Actor) -> Vec<Value> {
    admin.get("/secrets").expect(200).json()["items"].as_array().unwrap().clone()
}

fn key(admin: &Actor, kind: &str, state: &str) -> Option<Value> {
    board(admin).into_iter().find(|key| key["kind"] == kind && key["state"] == state)
}

fn rotate(admin: &Actor, kind: &str, emergency: bool) -> Value {
    let body = json!({"emergency": emergency, "reason": "a drill", "password": PASSWORD});
    admin.post(&format!("/secrets/{kind}/rotate"), &body).expect(200).json()
}

/// Until the jobs have done what the time that has passed asks for.
#[track_caller]
fn until(what: &str, look: impl Fn() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        jobs::wake();
        thread::sleep(Duration::from_millis(50));
    }
}

/// Where in the database a text stands, as `table.column`.
fn places(site: &Site, text: &str) -> Vec<String> {
    let db = site.app.ledger.db();
    let sql = "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
               WHERE tables.type = 'table'";
    let columns: Vec<(String, String)> =
        db.read(|reader| reader.query_all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))).unwrap();
    let holds = |(table, column): &(String, String)| {
        let sql = format!("SELECT count(*) FROM \"{table}\" WHERE instr(\"{column}\", ?1) > 0");
        let found = db.read(|reader| reader.query_one(&sql, portcullis::params![text], |row| row.get::<i64>(0)));
        found.ok().flatten().unwrap_or(0) > 0
    };
    columns.into_iter().filter(holds).map(|(table, column)| format!("{table}.{column}")).collect()
}

#[test]
fn the_board_shows_every_key_and_no_value() {
    let site = Site::new();
    let admin = site.admin();
    let answer = admin.get("/secrets").expect(200);
    let file = fs::read_to_string(site.folder.path().join("data/keyring.json")).unwrap();
    let ring: Value = serde_json::from_str(&file).unwrap();
    for held in ring["keys"].as_array().unwrap() {
        assert!(!answer.text.contains(held["secret"].as_str().unwrap()), "{}", answer.text);
        assert!(answer.text.contains(held["id"].as_str().unwrap()), "{}", answer.text);
    }
    let kinds: Vec<_> = board(&admin).iter().map(|key| key["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["jwt", "fields", "presign", "webhooks", "sessions"]);
    let jwt = key(&admin, "jwt", "current").unwrap();
    assert_eq!((&jwt["age_days"], &jwt["retires_at"], &jwt["rotatable"]), (&json!(0), &Value::Null, &json!(true)));
    assert!(jwt["last_used_at"].is_string(), "it signed the token of this request: {jwt}");
    assert_eq!(key(&admin, "presign", "current").unwrap()["last_used_at"], Value::Null);
    site.clock.advance(50 * 24 * HOUR);
    let admin = site.log_in("admin@example.org");
    assert_eq!(key(&admin, "jwt", "current").unwrap()["age_days"], 50);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    viewer.get("/secrets").problem(403, "forbidden");
    viewer.post("/secrets/jwt/rotate", &json!({"reason": "x"})).problem(403, "forbidden");
}

#[test]
fn a_rotation_breaks_no_session_and_the_old_key_goes_when_no_token_needs_it() {
    let site = Site::with(&[QUIET, ("PORTCULLIS_AUTH__ACCESS_TOKEN_MINUTES", "1440")]);
    let old = site.admin();
    let before = key(&old, "jwt", "current").unwrap()["id"].clone();
    let rotated = rotate(&old, "jwt", false);
    assert_eq!((&rotated["replaced"], &rotated["sessions_ended"]), (&before, &json!(0)));
    assert_eq!(key(&old, "jwt", "current").unwrap()["id"], rotated["id"]);
    assert_eq!(key(&old, "jwt", "retiring").unwrap()["retires_at"], rotated["retires_at"]);
    let new = site.log_in("admin@example.org");
    site.clock.advance(23 * HOUR);
    old.get("/auth/me").expect(200);
    let fresh = new.post("/auth/refresh", &json!({"refresh_token": new.refresh_token})).expect(200).json();
    let new = site.bearer(&fresh);
    site.clock.advance(2 * HOUR);
    until("the retired key is removed", || key(&new, "jwt", "retiring").is_none());
    let events = new.get("/audit?target_type=secret").expect(200).json();
    let events = events["items"].as_array().unwrap();
    assert_eq!((&events[0]["action"], &events[0]["target"]["id"]), (&json!("secret.retired"), &json!("jwt")));
    assert_eq!((&events[1]["action"], &events[1]["actor"]["id"]), (&json!("secret.rotated"), &json!(old.id)));
    assert_eq!(events[1]["changes"]["after"]["reason"], "a drill");
    assert_eq!(events.len(), 2);
}

#[test]
fn an_emergency_ends_every_session_and_every_token_at_once() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let nobody = site.nobody();
    let cookie = json!({"email": "viewer@example.org", "password": PASSWORD, "cookie": true});
    let cookie =
        nobody.post("/auth/login", &cookie).expect(200).header("set-cookie").split(';').next().unwrap().to_owned();
    let by_cookie = || nobody.send(nobody.request(Method::GET, "/auth/me").header("cookie", &cookie)).status;
    viewer.get("/auth/me").expect(200);
    assert_eq!(by_cookie(), 200);
    let scopes = json!({"name": "watch", "scopes": ["secrets:read"]});
    let holder = site.holder(admin.post("/api-keys", &scopes).expect(201).json()["key"].as_str().unwrap());
    let rotated = rotate(&admin, "jwt", true);
    assert_eq!((&rotated["sessions_ended"], &rotated["retires_at"]), (&json!(3), &Value::Null));
    for person in [&admin, &viewer] {
        person.get("/auth/me").expect(401);
        let refresh = json!({"refresh_token": person.refresh_token});
        nobody.post("/auth/refresh", &refresh).expect(401);
    }
    assert_eq!(by_cookie(), 401);
    holder.get("/secrets").expect(200);
    assert_eq!(key(&holder, "jwt", "retiring"), None);
    let admin = site.log_in("admin@example.org");
    admin.get("/auth/me").expect(200);
    let verdict = admin.get("/audit/verify").expect(200).json();
    assert_eq!(verdict["valid"], true);
}

#[test]
fn a_rotation_takes_the_right_a_reason_and_a_fresh_password() {
    let site = Site::new();
    let admin = site.admin();
    let with = |body: Value| admin.post("/secrets/presign/rotate", &body);
    with(json!({"reason": "x"})).problem(403, "reauthentication_required");
    with(json!({"reason": "x", "password": "wrong wrong wrong"})).problem(403, "reauthentication_required");
    site.clock.advance(5 * MINUTE);
    with(json!({"password": PASSWORD})).problem(422, "validation_failed");
    with(json!({"reason": " ", "password": PASSWORD})).problem(422, "validation_failed");
    with(json!({"reason": "x", "password": PASSWORD, "when": "now"})).problem(422, "validation_failed");
    let body = json!({"reason": "x", "password": PASSWORD});
    admin.post("/secrets/nonsense/rotate", &body).problem(404, "not_found");
    admin.post("/secrets/sessions/rotate", &body).problem(409, "conflict");
    let first = key(&admin, "presign", "current").unwrap();
    let scopes = json!({"name": "rotation", "scopes": ["secrets:write"]});
    let holder = site.holder(admin.post("/api-keys", &scopes).expect(201).json()["key"].as_str().unwrap());
    holder.post("/secrets/presign/rotate", &json!({"reason": "by script"})).expect(200);
    assert_eq!(key(&admin, "presign", "retiring").unwrap()["id"], first["id"]);
    assert!(key(&admin, "presign", "retiring").unwrap()["retires_at"].is_string());
}

#[test]
fn what_a_retiring_key_seals_is_sealed_anew_and_only_then_it_goes() {
    let receiver = Receiver::start();
    let allowed = receiver.allowed();
    // Nothing listens there, so that the letter waits.
    let mail = [
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
        ("PORTCULLIS_OUTBOUND__ALLOW", allowed.as_str()),
    ];
    let site = Site::with(&[&[QUIET][..], &mail].concat());
    let admin = site.admin();
    let grace = site.user(&admin, "grace", &["viewer"]);
    let (app, _) = enrol(&site, &grace);
    let hook = json!({"name": "Chat", "url": receiver.url("/hook"), "events": ["role.created"]});
    let hook = admin.post("/webhooks", &hook).expect(201).id();
    admin.post(&format!("/webhooks/{hook}/rotate"), &json!({"overlap_minutes": 60})).expect(200);
    let schema = json!({"properties": {"iban": {"type": "string"}}});
    let fields = json!({"/iban": {"pii": true, "index": true}});
    admin.post("/entity-types", &json!({"name": "people", "schema": schema, "fields": fields})).expect(201);
    let person = admin.post("/entities/people", &json!({"data": {"iban": "DE1"}})).expect(201).id();
    let keyed = admin.request(Method::POST, "/roles").header("idempotency-key", "once");
    let keyed = keyed.json(&json!({"name": "first", "permissions": []}));
    admin.send(keyed.try_clone().unwrap()).expect(201);
    let called = receiver.wait_for(1);
    site.nobody().post("/auth/password/forgot", &json!({"email": "grace@example.org"})).expect(202);
    let old: Vec<String> = ["fields", "webhooks"]
        .map(|kind| key(&admin, kind, "current").unwrap()["id"].as_str().unwrap().to_owned())
        .into();
    let fields = places(&site, &format!("{}.", old[0]));
    assert_eq!(fields, ["jobs.payload", "totp.secret", "idempotency_keys.answer", "data_keys.wrapped"]);
    assert_eq!(places(&site, &format!("{}.", old[1])), ["webhooks.secret", "webhooks.old_secret"]);
    assert!(key(&admin, "fields", "current").unwrap()["sealed"].as_i64().unwrap() >= 3);
    for kind in ["fields", "webhooks"] {
        assert_eq!(rotate(&admin, kind, false)["retires_at"], Value::Null);
    }
    until("everything is sealed anew", || old.iter().all(|key| places(&site, &format!("{key}.")).is_empty()));
    for kind in ["fields", "webhooks"] {
        assert_eq!(key(&admin, kind, "retiring").unwrap()["sealed"], 0, "a change under way may still need it");
    }
    site.clock.advance(21 * MINUTE);
    until("unused keys are removed", || board(&admin).iter().all(|key| key["state"] == "current"));
    let found = admin.get("/entities/people?filter=data.iban%20%3D%20%22DE1%22").expect(200).json();
    assert_eq!((&found["items"][0]["id"], &found["items"][0]["data"]["iban"]), (&json!(person), &json!("DE1")));
    let again = admin.send(keyed).expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let login = json!({"email": "grace@example.org", "password": PASSWORD, "totp": app.next_code(&site)});
    site.nobody().post("/auth/login", &login).expect(200);
    admin.post("/roles", &json!({"name": "second", "permissions": []})).expect(201);
    assert_eq!(receiver.wait_for(called.len() + 1).last().unwrap().path, "/hook");
}

#[test]
fn keys_are_rotated_on_schedule() {
    let site = Site::new();
    let admin = site.admin();
    let kinds = ["jwt", "fields", "presign", "webhooks"];
    admin.patch("/settings", &json!({"secrets": {"rotate_days": 30}})).expect(200);
    let before: Vec<_> = kinds.iter().map(|kind| key(&admin, kind, "current").unwrap()["id"].clone()).collect();
    site.clock.advance(31 * 24 * HOUR);
    let admin = site.log_in("admin@example.org");
    until("keys of 31 days are replaced", || {
        kinds.iter().zip(&before).all(|(kind, old)| key(&admin, kind, "current").unwrap()["id"] != *old)
    });
    admin.get("/auth/me").expect(200);
    let event = admin.get("/audit?action=secret.rotated&limit=1").expect(200).json()["items"][0].clone();
    assert_eq!((&event["actor"]["type"], &event["changes"]["after"]["emergency"]), (&json!("system"), &json!(false)));
}

#[test]
fn a_rotation_that_was_cut_short_is_told_of_at_the_next_start() {
    let site = Site::new();
    let old = site.admin();
    let folder = site.close();
    let ring = Keyring::open_or_create(&folder.path().join("data"), &Clock::system()).unwrap();
    let end = Clock::system().now().plus(Duration::from_secs(3600));
    let rotated = ring.rotate(Purpose::Jwt, Some(end)).unwrap();
    fs::write(folder.path().join("data/keyring.json.new"), "{\"half\":").unwrap();
    let site = Site::on(folder, &[QUIET]);
    let admin = site.holder(old.token.as_deref().unwrap());
    assert_eq!(key(&admin, "jwt", "current").unwrap()["id"], *rotated.current);
    let events = admin.get("/audit?action=secret.rotated").expect(200).json();
    let event = &events["items"][0];
    assert_eq!((&event["target"]["id"], &event["changes"]["after"]["late"]), (&json!("jwt"), &json!(true)));
    rotate(&admin, "presign", false);
}

#[test]
fn an_emergency_of_keys_that_seal_loses_nothing_and_lets_the_old_key_go() {
    let receiver = Receiver::start();
    let allowed = receiver.allowed();
    let site = Site::with(&[QUIET, ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
    let admin = site.admin();
    let hook = json!({"name": "Chat", "url": receiver.url("/hook"), "events": ["role.created"]});
    let hook = admin.post("/webhooks", &hook).expect(201).json();
    let schema = json!({"properties": {"iban": {"type": "string"}}});
    let fields = json!({"/iban": {"pii": true}});
    admin.post("/entity-types", &json!({"name": "people", "schema": schema, "fields": fields})).expect(201);
    let person = admin.post("/entities/people", &json!({"data": {"iban": "DE1"}})).expect(201).id();
    let old: Vec<String> = ["fields", "webhooks"]
        .map(|kind| key(&admin, kind, "current").unwrap()["id"].as_str().unwrap().to_owned())
        .into();
    assert!(old.iter().all(|key| !places(&site, &format!("{key}.")).is_empty()));
    for (kind, old) in ["fields", "webhooks"].into_iter().zip(&old) {
        let rotated = rotate(&admin, kind, true);
        assert_eq!((&rotated["emergency"], &rotated["replaced"]), (&json!(true), &json!(old)));
        assert_eq!((&rotated["sessions_ended"], &rotated["retires_at"]), (&json!(0), &Value::Null));
    }
    let reads = || {
        let person = admin.get(&format!("/entities/people/{person}")).expect(200).json();
        assert_eq!(person["data"]["iban"], "DE1");
    };
    reads();
    until("everything is sealed anew", || old.iter().all(|key| places(&site, &format!("{key}.")).is_empty()));
    site.clock.advance(21 * MINUTE);
    until("the old keys are gone", || board(&admin).iter().all(|key| key["state"] == "current"));
    let ring = fs::read_to_string(site.folder.path().join("data/keyring.json")).unwrap();
    assert!(old.iter().all(|key| !ring.contains(key)), "and stand nowhere");
    reads();
    admin.post("/roles", &json!({"name": "first", "permissions": []})).expect(201);
    let call = receiver.wait_for(1).remove(0);
    assert!(signed_with(hook["secret"].as_str().unwrap(), &call), "its receiver notices nothing");
}
