//! What ends a stream of events, and what none of them may do to the others.

use crate::{
    events::{Ear, role, types},
    support::{PASSWORD, Site},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

#[test]
fn a_stream_ends_with_its_session_key_account_and_rights() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let patch = |id: &str, body: &Value| admin.patch(&format!("/users/{id}"), body).expect(200);
    let someone = |name: &str| {
        let person = site.user(&admin, name, &["viewer"]);
        let ear = Ear::on(&person, "");
        (person, ear)
    };
    let (leaver, ear) = someone("leaver");
    leaver.send(leaver.request(Method::POST, "/auth/logout")).expect(204);
    ear.ends();
    let (revoked, ear) = someone("revoked");
    admin.send(admin.request(Method::POST, &format!("/users/{}/sessions/revoke", revoked.id)));
    ear.ends();
    let (renewed, ear) = someone("renewed");
    let change = json!({"current_password": PASSWORD, "new_password": "quiet marble lantern"});
    site.log_in("renewed@example.org").post("/auth/password", &change).expect(204);
    ear.ends();
    renewed.get("/auth/me").problem(401, "unauthenticated");
    let (disabled, ear) = someone("disabled");
    patch(&disabled.id, &json!({"status": "disabled"}));
    ear.ends();
    let (deleted, ear) = someone("deleted");
    admin.delete(&format!("/users/{}", deleted.id)).expect(204);
    ear.ends();
    let (demoted, ear) = someone("demoted");
    patch(&demoted.id, &json!({"roles": []}));
    ear.ends();
    demoted.get("/events").problem(403, "forbidden");
    let (_, ear) = someone("stays");
    admin.post("/entities/customers", &json!({"name": "heard"})).expect(201);
    assert_eq!(ear.message()["type"], "customers", "others go on");
    let made = admin.post("/api-keys", &json!({"name": "a", "scopes": ["entities.customers:read"]})).expect(201).json();
    let holder = site.holder(made["key"].as_str().unwrap());
    let ear = Ear::on(&holder, "");
    admin.delete(&format!("/api-keys/{}", made["id"].as_str().unwrap())).expect(204);
    ear.ends();
    let part = role(&site, &admin, "part", &["entities.customers:read", "roles:read"]);
    let (whole, named) = (Ear::on(&part, ""), Ear::on(&part, "?types=customers"));
    admin.patch("/roles/part", &json!({"permissions": ["roles:read"]})).expect(200);
    named.ends();
    admin.post("/entities/customers", &json!({"name": "unheard"})).expect(201);
    let heard = [whole.message(), {
        admin.post("/roles", &json!({"name": "r", "permissions": []})).expect(201);
        whole.message()
    }];
    assert!(heard.iter().all(|said| said["type"] == "roles"), "{heard:?}");
}

#[test]
fn a_stream_ends_when_its_token_does() {
    let site = Site::new();
    let admin = site.admin();
    let ear = Ear::on(&admin, "");
    site.clock.advance(31 * 60_000);
    let begun = Instant::now();
    while ear.blocks.recv_timeout(Duration::from_secs(7)).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(7), "it goes on");
    }
}

#[test]
fn the_kill_switch_ends_streams() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers", "orders"]);
    let switch = |active: bool, scope: &str| {
        let body = json!({"active": active, "scope": scope, "reason": "a test", "password": PASSWORD});
        let body = if active { body } else { json!({"active": false, "password": PASSWORD}) };
        admin.put("/kill-switch", &body).expect(200);
    };
    let (whole, named) = (Ear::on(&admin, ""), Ear::on(&admin, "?types=customers,orders"));
    switch(true, "type:customers");
    named.ends();
    admin.get("/events?types=customers").problem(503, "kill_switch_active");
    admin.post("/entities/orders", &json!({"name": "open"})).expect(201);
    assert_eq!(whole.message()["type"], "kill_switch");
    assert_eq!(whole.message()["type"], "orders");
    switch(true, "all");
    whole.ends();
    admin.get("/events").problem(503, "kill_switch_active");
    switch(false, "all");
    let ear = Ear::on(&admin, "");
    std::fs::write(site.app.folder.join("KILL"), "closed by file").expect("a file");
    ear.ends();
}

#[test]
fn one_user_has_so_many_streams_and_no_more() {
    let site = Site::new();
    let admin = site.admin();
    let ears: Vec<_> = (0..20).map(|_| Ear::on(&admin, "")).collect();
    let refused = admin.get("/events");
    assert!(!refused.header("retry-after").is_empty());
    refused.problem(429, "rate_limited");
    let other = site.user(&admin, "vera", &["viewer"]);
    drop(Ear::on(&other, ""));
    admin.post("/roles", &json!({"name": "heard", "permissions": []})).expect(201);
    for ear in &ears {
        assert_eq!(ear.message()["type"], "users");
        assert!(ear.message()["action"].as_str().is_some());
    }
}

#[test]
fn a_client_that_never_reads_holds_nobody_up() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let mut deaf = TcpStream::connect(site.url.trim_start_matches("http://")).expect("a connection");
    let head = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        admin.token.as_deref().unwrap()
    );
    deaf.write_all(head.as_bytes()).expect("sent");
    let mut first = [0; 512];
    assert!(deaf.read(&mut first).expect("an answer") > 0);
    let ear = Ear::on(&admin, "");
    let rows = "{\"name\":\"one\"}\n".repeat(8_000);
    let import =
        admin.request(Method::POST, "/entities/customers/import").header("content-type", "application/x-ndjson");
    admin.send(import.body(rows)).expect(200);
    let begun = Instant::now();
    // The one who reads is told of all, or that some were missed.
    let mut told = 0;
    loop {
        let block = ear.next();
        if block.event == "reset" || told == 7_999 {
            break;
        }
        told += usize::from(!block.data.is_empty());
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
    admin.get("/entities/customers?limit=1").expect(200);
    let _ = deaf.shutdown(Shutdown::Both);
}

#[test]
fn shutting_down_ends_streams_at_once() {
    let site = Site::new();
    let admin = site.admin();
    let ear = Ear::on(&admin, "");
    let begun = Instant::now();
    drop(site.close());
    ear.ends();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
