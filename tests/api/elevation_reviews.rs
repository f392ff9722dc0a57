//! What is done under break-glass is marked, and somebody else looks it through.

use crate::{
    elevations::{MINUTE, elevate, events, on_call},
    support::{Actor, Site},
};
use serde_json::json;

#[test]
fn all_that_is_done_under_it_is_marked() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let id = elevate(&olga, 10).expect(201).id();
    olga.post("/entities/orders", &json!({"name": "one"})).expect(201);
    olga.patch("/auth/me", &json!({"name": "Olga"})).expect(200);
    olga.patch(&format!("/users/{}", olga.id), &json!({"roles": ["admin"]})).problem(403, "forbidden");
    site.log_in("olga@example.org").patch("/auth/me", &json!({"name": "Olga O"})).expect(200);
    olga.post(&format!("/elevations/{id}/end"), &json!({})).expect(200);
    olga.patch("/auth/me", &json!({"name": "Olga P"})).expect(200);
    let marked = events(&admin, &format!("elevation_id={id}"));
    let actions: Vec<_> = marked.iter().rev().map(|event| event["action"].as_str().unwrap()).collect();
    let done = ["elevation.started", "entity.created", "user.updated", "request.denied", "elevation.ended"];
    assert_eq!(actions, done);
    assert!(marked.iter().all(|event| event["elevation_id"] == id && event["actor"]["id"] == olga.id));
    assert_eq!(marked[4]["changes"]["after"]["reason"], "payments are stuck, looking at the queue");
    let unmarked = events(&admin, "action=user.updated");
    assert_eq!(unmarked.iter().filter(|event| event.get("elevation_id").is_none()).count(), 2);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    let export = admin.get(&format!("/audit/export?elevation_id={id}")).expect(200).text;
    assert_eq!(export.lines().count(), 5);
    let csv = admin.get("/audit/export?format=csv").expect(200).text;
    assert!(csv.lines().next().unwrap().contains(",elevation_id,") && csv.contains(&id));
    admin.get("/audit?elevation_id=x").problem(422, "validation_failed");
}

#[test]
fn somebody_else_reviews_it() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    admin.post("/roles", &json!({"name": "auditor", "permissions": ["elevations:read", "elevations:update"]}));
    let auditor = site.user(&admin, "audra", &["auditor"]);
    let id = elevate(&olga, 10).expect(201).id();
    let path = format!("/elevations/{id}/review");
    let note = json!({"note": "queue restarted, nothing else"});
    let waiting = |person: &Actor| person.get("/auth/me").expect(200).json()["elevations"].clone();
    assert_eq!(waiting(&auditor), json!({"active": 1, "unreviewed": 0}));
    auditor.post(&path, &note).problem(409, "conflict");
    olga.post(&path, &note).problem(403, "forbidden");
    let own = elevate(&auditor, 5);
    own.problem(403, "forbidden");
    olga.post(&format!("/elevations/{id}/end"), &json!({})).expect(200);
    assert_eq!(waiting(&auditor), json!({"active": 0, "unreviewed": 1}));
    assert_eq!(admin.get("/overview").expect(200).json()["elevations"], json!({"active": 0, "unreviewed": 1}));
    assert!(waiting(&olga).is_null());
    olga.post(&path, &note).problem(403, "forbidden");
    olga.get("/elevations").problem(403, "forbidden");
    let made = admin.post("/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201).json();
    site.holder(made["key"].as_str().unwrap()).post(&path, &note).problem(403, "forbidden");
    auditor.post(&path, &json!({"note": " "})).problem(422, "validation_failed");
    auditor.post("/elevations/nonsense/review", &note).problem(404, "not_found");
    let listed = |state: &str| auditor.get(&format!("/elevations?state={state}")).expect(200).json()["items"].clone();
    assert_eq!(listed("unreviewed")[0]["id"], id);
    assert_eq!(listed("active"), json!([]));
    auditor.get("/elevations?state=open").problem(422, "validation_failed");
    let closed = auditor.post(&path, &note).expect(200).json();
    assert_eq!((&closed["reviewed_by"], &closed["review_note"]), (&json!(auditor.id), &note["note"]));
    auditor.post(&path, &note).problem(409, "conflict");
    assert_eq!(listed("unreviewed"), json!([]));
    assert_eq!(listed("ended")[0]["id"], id);
    let reviewed = events(&admin, "action=elevation.reviewed");
    assert_eq!((&reviewed[0]["actor"]["id"], &reviewed[0]["target"]["id"]), (&json!(auditor.id), &json!(id)));
}

#[test]
fn nobody_reviews_their_own_nor_under_one() {
    let site = Site::new();
    let admin = site.admin();
    let second = site.user(&admin, "second", &["admin"]);
    let olga = on_call(&site, &admin);
    let (first, other) = (elevate(&admin, 5).expect(201).id(), elevate(&olga, 5).expect(201).id());
    site.clock.advance(6 * MINUTE);
    let note = json!({"note": "nothing to see"});
    admin.post(&format!("/elevations/{first}/review"), &note).problem(403, "forbidden");
    let elsewhere = site.log_in("admin@example.org");
    elsewhere.post(&format!("/elevations/{first}/review"), &note).problem(403, "forbidden");
    site.clock.advance(10 * MINUTE);
    let own = elevate(&olga, 5).expect(201).id();
    for id in [&first, &other, &own] {
        olga.post(&format!("/elevations/{id}/review"), &note).problem(403, "forbidden");
    }
    second.post(&format!("/elevations/{first}/review"), &note).expect(200);
    admin.post(&format!("/elevations/{other}/review"), &note).expect(200);
}
