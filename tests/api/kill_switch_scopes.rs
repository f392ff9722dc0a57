//! Closing a part: sign-ups, API keys, one entity type; and closing when the disk takes nothing.

use crate::support::{Actor, Answer, PASSWORD, Site};
use portcullis::storage::Tx;
use reqwest::Method;
use serde_json::json;
use std::{thread, time::Duration};

fn close(admin: &Actor, scope: &str) -> Answer {
    let body = json!({"active": true, "scope": scope, "reason": "a leaked key", "password": PASSWORD});
    admin.put("/kill-switch", &body)
}

fn open(admin: &Actor) {
    admin.put("/kill-switch", &json!({"active": false, "password": PASSWORD})).expect(200);
}

#[test]
fn with_sign_ups_closed_everything_else_goes_on() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__SIGNUP", "open")]);
    let admin = site.admin();
    assert_eq!(close(&admin, "signups").expect(200).json()["scope"], "signups");
    let body = json!({"email": "new@example.org", "password": "an open door for all"});
    let refused = site.nobody().post("/auth/signup", &body).problem(503, "kill_switch_active");
    assert!(refused["detail"].as_str().unwrap().starts_with("Signing up is stopped"), "{refused}");
    for spelling in ["/api/auth/signup", "/api/v1/auth/%73ignup"] {
        let nobody = site.nobody();
        nobody.send(nobody.at(Method::POST, spelling).json(&body)).problem(503, "kill_switch_active");
    }
    site.user(&admin, "vera", &["viewer"]).get("/auth/me").expect(200);
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    open(&admin);
    site.nobody().post("/auth/signup", &body).expect(201);
}

#[test]
fn with_keys_closed_people_go_on() {
    let site = Site::new();
    let admin = site.admin();
    let key = |scopes: &[&str]| {
        let made = admin.post("/api-keys", &json!({"name": "a key", "scopes": scopes})).expect(201).json();
        site.holder(made["key"].as_str().unwrap())
    };
    let (reader, switcher) = (key(&["users:read"]), key(&["kill_switch:read", "kill_switch:write"]));
    reader.get("/users").expect(200);
    close(&admin, "api_keys").expect(200);
    let refused = reader.get("/users").problem(503, "kill_switch_active");
    assert!(refused["detail"].as_str().unwrap().starts_with("Access by API key is stopped"), "{refused}");
    reader.get("/auth/me").problem(503, "kill_switch_active");
    let as_header = site.nobody();
    let request = as_header.request(Method::GET, "/users").header("x-api-key", reader.token.clone().unwrap());
    as_header.send(request).problem(503, "kill_switch_active");
    switcher.get("/users").problem(503, "kill_switch_active");
    admin.get("/users").expect(200);
    site.log_in("admin@example.org");
    switcher.get("/kill-switch").expect(200);
    switcher.put("/kill-switch", &json!({"active": false})).expect(200);
    reader.get("/users").expect(200);
}

#[test]
fn one_entity_type_is_closed_by_every_address() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "customers", "alias": "clients"})).expect(201);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let id = admin.post("/entities/customers", &json!({"name": "Acme"})).expect(201).id();
    let problem = close(&admin, "type:custmers").problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/scope");
    for wrong in ["type:", "type:Customers", "entities", "type:clients"] {
        close(&admin, wrong).problem(422, "validation_failed");
    }
    let closed = close(&admin, "type:customers").expect(200).json();
    assert_eq!(closed["scope"], "type:customers");
    for (method, path) in [
        (Method::GET, "/entities/customers".to_owned()),
        (Method::HEAD, format!("/entities/customers/{id}")),
        (Method::GET, format!("/clients/{id}")),
        (Method::GET, "/entities/%63ustomers".to_owned()),
        (Method::GET, "/entities/customers/export".to_owned()),
        (Method::DELETE, format!("/entities/customers/{id}")),
    ] {
        let answer = admin.send(admin.request(method.clone(), &path));
        assert_eq!(answer.status, 503, "{method} {path}");
    }
    admin.post("/entities/customers", &json!({"name": "Other"})).problem(503, "kill_switch_active");
    let batch = json!({"operations": [{"op": "delete", "type": "customers", "id": id}]});
    admin.post("/batch", &batch).problem(503, "kill_switch_active");
    admin.post("/entities/orders", &json!({"name": "One"})).expect(201);
    admin.get("/entity-types/customers").expect(200);
    admin.get("/users").expect(200);
    // One state: another scope takes its place.
    close(&admin, "writes").expect(200);
    admin.get(&format!("/entities/customers/{id}")).expect(200);
    admin.post("/entities/orders", &json!({"name": "Two"})).problem(503, "kill_switch_active");
    close(&admin, "type:customers").expect(200);
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = again.log_in("admin@example.org");
    admin.get(&format!("/entities/customers/{id}")).problem(503, "kill_switch_active");
    open(&admin);
    admin.get(&format!("/entities/customers/{id}")).expect(200);
}

/// Tells the one connection that writes how to behave.
fn pragma(site: &Site, sql: &'static str) {
    let run = move |tx: &Tx<'_>| tx.query_all(sql, &[], |_| Ok(())).map(drop);
    // The database may refuse what follows already.
    let _ = site.app.ledger.unrecorded_blocking("test", run);
}

/// Closes everything with the database refusing each write.
fn closes_all_the_same(site: &Site, admin: &Actor) {
    let mut refused = (0..5000)
        .map(|number| admin.post("/roles", &json!({"name": format!("team_{number}"), "permissions": []})).status);
    let refused = refused.find(|status| *status != 201);
    assert!(matches!(refused, Some(503 | 507)), "{refused:?}");
    let state = close(admin, "all").expect(200).json();
    assert_eq!((&state["active"], &state["scope"]), (&json!(true), &json!("all")));
    admin.get("/users").problem(503, "kill_switch_active");
    for password in [PASSWORD, "wrong wrong wrong"] {
        let body = json!({"email": "vera@example.org", "password": password});
        site.nobody().post("/auth/login", &body).problem(503, "kill_switch_active");
    }
    assert!(site.app.folder.join("KILL").exists(), "it outlives the process");
}

#[test]
fn closing_works_with_the_database_full() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "vera", &["viewer"]);
    pragma(&site, "PRAGMA max_page_count = 1");
    closes_all_the_same(&site, &admin);
    pragma(&site, "PRAGMA max_page_count = 1073741823");
    let file = site.app.folder.join("KILL");
    let written = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        !file.exists()
    });
    assert!(written, "it is written as soon as it can be");
    open(&admin);
    let events = admin.get("/audit?action=kill_switch.activated").expect(200).json();
    assert_eq!(events["items"][0]["changes"]["after"]["late"], true);
}

#[test]
fn closing_works_with_the_database_read_only_and_outlives_the_process() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "vera", &["viewer"]);
    pragma(&site, "PRAGMA query_only = ON");
    closes_all_the_same(&site, &admin);
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = again.log_in("admin@example.org");
    admin.get("/users").problem(503, "kill_switch_active");
    open(&admin);
    assert!(!again.app.folder.join("KILL").exists());
    admin.get("/users").expect(200);
}
