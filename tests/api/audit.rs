//! Who did what, as an administrator and an outsider with an export see it.

use crate::support::{Actor, Site};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn events(admin: &Actor, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/audit{query}")).expect(200).json();
    page["items"].as_array().expect("items").clone()
}

#[test]
fn a_change_is_found_by_every_filter_and_shown_with_its_difference() {
    let site = Site::new();
    let admin = site.admin();
    let user = admin.post("/users", &json!({"email": "vera@example.org", "name": "Vera"})).expect(201).id();
    let change = admin.request(reqwest::Method::PATCH, &format!("/users/{user}")).header("x-request-id", "trace-7");
    admin.send(change.json(&json!({"name": "Vera B."}))).expect(200);
    let found = events(&admin, "?request_id=trace-7");
    assert_eq!(found.len(), 1);
    let event = &found[0];
    assert_eq!((&event["action"], &event["outcome"]), (&json!("user.updated"), &json!("success")));
    assert_eq!(event["target"], json!({"type": "user", "id": user}));
    assert_eq!((&event["actor"]["id"], &event["actor"]["type"]), (&json!(admin.id), &json!("user")));
    assert_eq!(event["changes"]["before"]["name"], "Vera");
    assert_eq!(event["changes"]["after"]["name"], "Vera B.");
    assert_eq!(event["ip"], "127.0.0.1");
    for member in ["seq", "at", "prev_hash", "hash"] {
        assert!(!event[member].is_null(), "{member}");
    }
    assert_eq!(&admin.get(&format!("/audit/{}", event["seq"])).expect(200).json(), event);
    let by = format!(
        "?actor_id={}&action=user.updated&target_type=user&target_id={user}&outcome=success&from={}&to={}",
        admin.id,
        event["at"].as_str().unwrap(),
        event["at"].as_str().unwrap(),
    );
    assert_eq!(events(&admin, &by), found);
    assert!(events(&admin, "?outcome=failed&action=user.updated").is_empty());
    assert!(events(&admin, "?to=2001-01-01T00:00:00Z").is_empty());
}

#[test]
fn pages_are_newest_first_and_bound_to_their_filter() {
    let site = Site::new();
    let admin = site.admin();
    for number in 0..7 {
        admin.post("/users", &json!({"email": format!("p{number}@example.org")})).expect(201);
    }
    for filter in ["action=user.created", "action=user.created&from=2001-01-01T00:00:00Z"] {
        let mut seen = Vec::new();
        let mut query = format!("?{filter}&limit=3&count=true");
        loop {
            let page = admin.get(&format!("/audit{query}")).expect(200).json();
            assert!(page["total"].as_i64().unwrap() >= 7);
            seen.extend(page["items"].as_array().unwrap().iter().map(|event| event["seq"].as_i64().unwrap()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            let other = format!("/audit?action=role.created&limit=3&cursor={cursor}");
            admin.get(&other).problem(422, "validation_failed");
            query = format!("?{filter}&limit=3&count=true&cursor={cursor}");
        }
        assert!(seen.len() >= 7 && seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    }
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let site = Site::new();
    let admin = site.admin();
    for bad in
        ["limit=0", "limit=201", "limit=-1", "outcome=maybe", "from=yesterday", "cursor=abc", "sort=at", "actor_id=x"]
    {
        let problem = admin.get(&format!("/audit?{bad}")).problem(422, "validation_failed");
        assert!(!problem["errors"][0]["pointer"].as_str().unwrap().is_empty(), "{bad}");
    }
    for absent in ["/audit/999999", "/audit/0", "/audit/-1", "/audit/abc", "/audit/99999999999999999999"] {
        admin.get(absent).problem(404, "not_found");
    }
    admin.get("/audit/verify?head=7:abc").problem(422, "validation_failed");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/audit", "/audit/1", "/audit/verify", "/audit/export"] {
            admin.send(admin.request(method.parse().unwrap(), path)).problem(405, "method_not_allowed");
        }
    }
}

#[test]
fn an_export_verifies_by_itself_and_against_the_server() {
    let site = Site::new();
    let admin = site.admin();
    for number in 0..250 {
        admin.post("/roles", &json!({"name": format!("role_{number}"), "permissions": []})).expect(201);
    }
    let answer = admin.get("/audit/export").expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let mut prev = "0".repeat(64);
    let mut last = 0;
    for line in answer.text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let event = line["event"].as_str().unwrap();
        assert_eq!((&line["seq"], &line["prev_hash"]), (&json!(last + 1), &json!(prev)));
        prev = hex::encode(Sha256::digest(format!("{prev}\n{event}")));
        assert_eq!(line["hash"], prev);
        last += 1;
    }
    let verdict = admin.get(&format!("/audit/verify?head={last}:{prev}")).expect(200).json();
    assert_eq!((&verdict["valid"], &verdict["first_broken_seq"]), (&json!(true), &Value::Null));
    assert!(verdict["checked"].as_i64().unwrap() >= 250 && verdict["checked"] == verdict["head_seq"]);
    let later = admin.get(&format!("/audit/verify?head={}:{prev}", last + 1000)).expect(200).json();
    assert_eq!((&later["valid"], &later["first_broken_seq"]), (&json!(false), &json!(last + 1)));
    let csv = admin.get("/audit/export?format=csv&action=role.created").expect(200);
    assert_eq!(csv.text.lines().count(), 251);
    assert!(csv.text.starts_with("seq,at,actor_type"));
}

#[test]
fn tampering_is_found_and_named() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    let event = &events(&admin, "?action=role.created")[0];
    let seq = event["seq"].as_i64().unwrap();
    let ledger = &site.app.ledger;
    let tamper = |sql: String| ledger.unrecorded_blocking("somebody with the file", move |tx| tx.execute(&sql, &[]));
    let update = format!("UPDATE audit_events SET event = replace(event, 'team', 'tame') WHERE seq = {seq}");
    assert!(tamper(update.clone()).is_err(), "a trigger refuses");
    assert!(tamper(format!("DELETE FROM audit_events WHERE seq = {seq}")).is_err(), "a trigger refuses");
    let replace = format!("INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events WHERE seq = {seq}");
    assert!(tamper(replace).is_err(), "a trigger refuses");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    tamper("DROP TRIGGER audit_events_no_update".to_owned()).unwrap();
    assert_eq!(tamper(update).unwrap(), 1);
    let verdict = admin.get("/audit/verify").expect(200).json();
    assert_eq!((&verdict["valid"], &verdict["first_broken_seq"]), (&json!(false), &json!(seq)));
    assert_eq!(tamper(format!("UPDATE audit_events SET event = x'00ff' WHERE seq = {seq}")).unwrap(), 1);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["first_broken_seq"], seq);
    for path in ["/audit".to_owned(), format!("/audit/{seq}"), "/audit/export".to_owned()] {
        admin.get(&path).expect(200);
    }
}

#[test]
fn refusals_and_failed_log_ins_are_recorded() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    for _ in 0..5 {
        viewer.get("/users").problem(403, "forbidden");
    }
    site.nobody().post("/auth/login", &json!({"email": "viewer@example.org", "password": "wrong"})).expect(401);
    let denied = events(&admin, "?outcome=denied&action=request.denied");
    assert_eq!(denied.len(), 1, "repeats are counted, not written");
    assert_eq!(denied[0]["actor"]["id"], viewer.id);
    assert_eq!(denied[0]["target"], json!({"type": "route", "id": "GET /users"}));
    let failed = events(&admin, "?outcome=failed");
    assert_eq!((failed.len(), &failed[0]["action"]), (1, &json!("login.failed")));
}
