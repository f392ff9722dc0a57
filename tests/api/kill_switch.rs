//! Closing the gate and opening it again.

use crate::support::{Actor, Answer, PASSWORD, Site};
use portcullis::server::routes::routes;
use reqwest::Method;
use serde_json::json;
use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

fn close(admin: &Actor, scope: &str) -> Answer {
    let body = json!({"active": true, "scope": scope, "reason": "a leaked key", "password": PASSWORD});
    admin.put("/kill-switch", &body)
}

fn open(admin: &Actor) -> Answer {
    admin.put("/kill-switch", &json!({"active": false, "reason": "key replaced", "password": PASSWORD}))
}

#[test]
fn with_everything_closed_only_what_must_answers() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let state = close(&admin, "all").expect(200).json();
    assert_eq!(
        (&state["active"], &state["scope"], &state["reason"]),
        (&json!(true), &json!("all"), &json!("a leaked key"))
    );
    assert_eq!(state["activated_by"]["id"], admin.id);
    assert!(state["activated_at"].is_string() && state["expires_at"].is_null());
    for (method, path) in [
        (Method::GET, "/users"),
        (Method::GET, "/overview"),
        (Method::POST, "/roles"),
        (Method::GET, "/auth/sessions"),
        (Method::HEAD, "/audit"),
    ] {
        let answer = admin.send(admin.request(method.clone(), path));
        assert_eq!(answer.status, 503, "{method} {path}");
    }
    for spelling in ["/api/users", "/api/v1/%75sers", "/api/v1/users?limit=1"] {
        let problem = admin.send(admin.at(Method::GET, spelling)).problem(503, "kill_switch_active");
        assert!(problem["detail"].as_str().unwrap().contains("a leaked key"));
    }
    for path in ["/health", "/health/live", "/health/ready", "/console/"] {
        assert_eq!(admin.send(admin.at(Method::GET, path)).status, 200, "{path}");
    }
    admin.get("/auth/me").expect(200);
    admin.get("/kill-switch").expect(200);
    viewer.get("/auth/me").problem(503, "kill_switch_active");
    site.nobody().get("/users").problem(401, "unauthenticated");
    for password in [PASSWORD, "wrong wrong wrong"] {
        let body = json!({"email": "viewer@example.org", "password": password});
        site.nobody().post("/auth/login", &body).problem(503, "kill_switch_active");
    }
    let again = site.log_in("admin@example.org");
    again.post("/auth/logout", &json!({})).expect(204);
    open(&admin).expect(200);
    viewer.get("/auth/me").expect(200);
}

#[test]
fn every_route_by_every_spelling_is_closed() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders", "alias": "orders"})).expect(201);
    close(&admin, "all").expect(200);
    let mut tried = 0;
    for route in routes().iter().filter(|route| !route.under_kill_switch) {
        let parts = route.path.split('/').map(|part| match part {
            "{type}" => "orders",
            "{seq}" | "{version}" => "1",
            part if part.starts_with('{') => "01980000-0000-7000-8000-000000000000",
            part => part,
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let first = path.as_bytes()[1];
        let encoded = format!("/api/v1/%{first:02x}{}", &path[2..]);
        let spellings = [format!("/api/v1{path}"), format!("/api{path}"), encoded, format!("/api/v1{path}?limit=1")];
        for spelling in spellings {
            let method: Method = route.method.as_str().parse().unwrap();
            let methods = if method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![method] };
            for method in methods {
                let request = admin.at(method.clone(), &spelling);
                let request =
                    if method == Method::GET || method == Method::HEAD { request } else { request.json(&json!({})) };
                let answer = admin.send(request);
                // A proxy that asks for its guests knows no other refusal.
                let closed = if route.for_proxies { 403 } else { 503 };
                assert_eq!(answer.status, closed, "{method} {spelling}: {}", answer.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
    for alias in ["/api/v1/orders", "/api/orders"] {
        admin.send(admin.at(Method::GET, alias)).problem(503, "kill_switch_active");
    }
    open(&admin).expect(200);
}

#[test]
fn closing_writes_lets_reading_go_on() {
    let site = Site::new();
    let admin = site.admin();
    close(&admin, "writes").expect(200);
    admin.get("/users").expect(200);
    admin.post("/roles", &json!({"name": "team", "permissions": []})).problem(503, "kill_switch_active");
    site.log_in("admin@example.org");
    open(&admin).expect(200);
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
}

#[test]
fn only_the_permission_and_a_fresh_password_flip_it() {
    let site = Site::new();
    let admin = site.admin();
    let analyst = site.user(&admin, "analyst", &["analyst"]);
    close(&analyst, "all").problem(403, "forbidden");
    analyst.get("/kill-switch").problem(403, "forbidden");
    site.nobody().get("/kill-switch").problem(401, "unauthenticated");
    let without = json!({"active": true, "reason": "x"});
    admin.put("/kill-switch", &without).problem(403, "reauthentication_required");
    let wrong = json!({"active": true, "reason": "x", "password": "wrong wrong wrong"});
    admin.put("/kill-switch", &wrong).problem(403, "reauthentication_required");
    for bad in [
        json!({"active": true, "password": PASSWORD}),
        json!({"active": true, "reason": "  ", "password": PASSWORD}),
        json!({"active": true, "reason": "x".repeat(501), "password": PASSWORD}),
        json!({"active": true, "reason": "x", "scope": "everything", "password": PASSWORD}),
        json!({"active": true, "reason": "x", "expires_at": "2001-01-01T00:00:00Z", "password": PASSWORD}),
        json!({"active": true, "reason": "x", "expires": "1h", "password": PASSWORD}),
        json!({"active": "yes", "reason": "x", "password": PASSWORD}),
        json!({"reason": "x", "password": PASSWORD}),
    ] {
        admin.put("/kill-switch", &bad).problem(422, "validation_failed");
    }
    assert_eq!(admin.get("/kill-switch").expect(200).json()["active"], false);
}

#[test]
fn both_flips_are_audited_and_it_survives_a_restart() {
    let site = Site::new();
    let admin = site.admin();
    close(&admin, "all").expect(200);
    let site = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    admin.get("/users").problem(503, "kill_switch_active");
    open(&admin).expect(200);
    let page = admin.get("/audit?target_type=kill_switch").expect(200).json();
    let flips = page["items"].as_array().unwrap();
    assert_eq!(
        (&flips[1]["action"], &flips[0]["action"]),
        (&json!("kill_switch.activated"), &json!("kill_switch.deactivated"))
    );
    assert_eq!(flips[1]["changes"]["after"]["reason"], "a leaked key");
    assert_eq!(flips[0]["changes"]["after"]["off_because"], "key replaced");
}

#[test]
fn it_expires_and_the_allowed_routes_stay_open() {
    let allow = ("PORTCULLIS_KILL_SWITCH__ALLOW", "GET /api/v1/overview,/api/v1/roles/{name}");
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), allow]);
    let admin = site.admin();
    let end = site.clock.now().plus(Duration::from_secs(600));
    let body = json!({"active": true, "reason": "a pause", "expires_at": end, "password": PASSWORD});
    admin.put("/kill-switch", &body).expect(200);
    admin.get("/overview").expect(200);
    admin.get("/roles/viewer").expect(200);
    let answer = admin.get("/roles").expect(503);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 600);
    site.clock.advance(601_000);
    assert_eq!(admin.get("/kill-switch").expect(200).json()["active"], false);
    admin.get("/roles").expect(200);
}

#[test]
fn the_file_closes_within_a_second_and_opening_removes_it() {
    let site = Site::new();
    let admin = site.admin();
    let file = site.app.folder.join("KILL");
    fs::write(&file, "found something").unwrap();
    let written = Instant::now();
    while admin.get("/users").status != 503 {
        assert!(written.elapsed() < Duration::from_secs(1), "closed within a second");
    }
    assert_eq!(admin.get("/kill-switch").expect(200).json()["reason"], "found something");
    open(&admin).expect(200);
    assert!(!file.exists());
    admin.get("/users").expect(200);
}

#[test]
fn closing_works_when_the_disk_takes_nothing() {
    let site = Site::new();
    let admin = site.admin();
    let ledger = &site.app.ledger;
    let full = |table: &str| {
        let sql =
            format!("CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END");
        ledger.unrecorded_blocking("test", move |tx| tx.execute(&sql, &[])).unwrap();
    };
    full("audit_events");
    full("login_attempts");
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(500);
    let wrong = json!({"active": true, "reason": "disk full", "password": "wrong wrong wrong"});
    admin.put("/kill-switch", &wrong).problem(403, "reauthentication_required");
    close(&admin, "all").expect(200);
    admin.get("/users").problem(503, "kill_switch_active");
    for table in ["audit_events", "login_attempts"] {
        let sql = format!("DROP TRIGGER full_{table}");
        ledger.unrecorded_blocking("test", move |tx| tx.execute(&sql, &[])).unwrap();
    }
    thread::sleep(Duration::from_secs(1));
    open(&admin).expect(200);
    admin.get("/roles/team").problem(404, "not_found");
    let page = admin.get("/audit?action=kill_switch.activated").expect(200).json();
    assert_eq!(page["items"][0]["changes"]["after"]["late"], true);
}

#[test]
fn closing_holds_for_every_request_that_begins_after_the_answer() {
    let site = Site::new();
    let admin = site.admin();
    let (closed, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let (before, after) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let was_closed = closed.load(SeqCst);
                    let status = admin.get("/users").status;
                    assert!(status == 503 || (status == 200 && !was_closed), "{status}");
                    if was_closed { &after } else { &before }.fetch_add(1, SeqCst);
                }
            });
        }
        let wait = |count: &AtomicU32| {
            while count.load(SeqCst) < 50 {
                thread::sleep(Duration::from_millis(1));
            }
        };
        wait(&before);
        close(&admin, "all").expect(200);
        closed.store(true, SeqCst);
        wait(&after);
        stop.store(true, SeqCst);
    });
}
