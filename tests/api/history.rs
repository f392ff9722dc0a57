//! Versions of an entity: what was, what changed, and the way back.

use crate::support::{Actor, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn customers(admin: &Actor) -> String {
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/age": {"sensitivity": "confidential"}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    let data = json!({"city": "Paris", "age": 30, "iban": "DE1-hidden"});
    let made = admin.post("/entities/customers", &json!({"name": "Ann", "confidence": 0.5, "data": data})).expect(201);
    format!("/entities/customers/{}", made.id())
}

fn history(actor: &Actor, path: &str) -> Vec<Value> {
    let page = actor.get(&format!("{path}/history")).expect(200).json();
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

fn restore(actor: &Actor, path: &str, version: i64) -> crate::support::Answer {
    actor.send(actor.request(Method::POST, &format!("{path}/history/{version}/restore")))
}

#[test]
fn each_version_says_what_changed_and_can_come_back() {
    let site = Site::new();
    let admin = site.admin();
    let path = customers(&admin);
    assert_eq!(history(&admin, &path)[0]["changes"]["before"], Value::Null);
    admin.patch(&path, &json!({"data": {"city": "Lyon", "age": null}})).expect(200);
    admin.patch(&path, &json!({"data": {"city": "Lyon"}})).expect(200);
    admin.put(&path, &json!({"name": "Bea", "data": {"city": "Lyon", "iban": "DE2-hidden"}})).expect(200);
    admin.delete(&path).expect(204);
    let gone = history(&admin, &path);
    assert_eq!((&gone[0]["action"], &gone[0]["changes"]["before"]), (&json!("deleted"), &json!({"deleted_at": null})));
    restore(&admin, &path, 1).problem(404, "not_found");
    admin.send(admin.request(Method::POST, &format!("{path}/restore"))).expect(200);
    let all = history(&admin, &path);
    let told: Vec<_> =
        all.iter().map(|item| (item["version"].as_i64().unwrap(), item["action"].as_str().unwrap())).collect();
    assert_eq!(told, [(5, "restored"), (4, "deleted"), (3, "updated"), (2, "updated"), (1, "created")]);
    assert_eq!(
        all[3]["changes"],
        json!({"before": {"data": {"city": "Paris", "age": 30}}, "after": {"data": {"city": "Lyon"}}})
    );
    assert_eq!(all[3]["by"], json!(admin.id));
    let first = admin.get(&format!("{path}/history/1")).expect(200);
    assert_eq!((&first.json()["name"], &first.json()["data"]["city"]), (&json!("Ann"), &json!("Paris")));
    assert_eq!(first.header("etag"), "\"1\"");
    let known = admin.request(Method::GET, &format!("{path}/history/1")).header("if-none-match", "\"1\"");
    admin.send(known).expect(304);
    let stale = admin.request(Method::POST, &format!("{path}/history/1/restore")).header("if-match", "\"3\"");
    admin.send(stale).problem(412, "precondition_failed");
    let back = restore(&admin, &path, 1).expect(200).json();
    assert_eq!((&back["version"], &back["name"], &back["data"]), (&json!(6), &json!("Ann"), &first.json()["data"]));
    assert_eq!(admin.get(&path).expect(200).json(), back, "never older than an acknowledged write");
    assert_eq!(restore(&admin, &path, 6).expect(200).json()["version"], 6, "the present one makes no new version");
    assert_eq!(history(&admin, &path)[0]["action"], "reverted");
    let id = path.rsplit('/').next().unwrap();
    let events = admin.get(&format!("/audit?target_id={id}&limit=1")).expect(200).json();
    assert_eq!(events["items"][0]["action"], "entity.reverted");
    for bad in ["7", "0", "-1", "x", "99999999999999999999", "9223372036854775807"] {
        admin.get(&format!("{path}/history/{bad}")).problem(404, "not_found");
    }
}

#[test]
fn pages_stay_right_while_versions_come() {
    let site = Site::new();
    let admin = site.admin();
    let path = customers(&admin);
    for number in 2..=7 {
        admin.patch(&path, &json!({"data": {"n": number}})).expect(200);
    }
    let page = |query: &str| admin.get(&format!("{path}/history?limit=3{query}")).expect(200).json();
    let first = page("");
    admin.patch(&path, &json!({"data": {"n": 8}})).expect(200);
    let second = page(&format!("&cursor={}", first["next_cursor"].as_str().unwrap()));
    let third = page(&format!("&cursor={}", second["next_cursor"].as_str().unwrap()));
    let numbers = [&first, &second, &third].map(|page| {
        page["items"].as_array().unwrap().iter().map(|item| item["version"].as_i64().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(numbers, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
    assert_eq!(second["items"][2]["changes"]["before"], json!({"data": {}}), "also where a page ends");
    let other = admin.post("/entities/customers", &json!({})).expect(201).id();
    let foreign = format!("/entities/customers/{other}/history?cursor={}", first["next_cursor"].as_str().unwrap());
    admin.get(&foreign).problem(422, "validation_failed");
    for bad in ["limit=0", "limit=201", "cursor=AAAA", "sort=at", "limit=18446744073709551616"] {
        admin.get(&format!("{path}/history?{bad}")).problem(422, "validation_failed");
    }
}

#[test]
fn what_is_above_the_clearance_is_in_no_version_and_stays_as_it_is() {
    let site = Site::new();
    let admin = site.admin();
    let path = customers(&admin);
    admin.patch(&path, &json!({"data": {"iban": "DE2-hidden", "city": "Lyon"}})).expect(200);
    admin.patch(&path, &json!({"data": {"iban": "DE3-hidden"}})).expect(200);
    let anna = site.user(&admin, "anna", &["analyst"]);
    let seen = anna.get(&format!("{path}/history")).expect(200);
    let one = anna.get(&format!("{path}/history/1")).expect(200);
    assert!(!seen.text.contains("hidden") && !one.text.contains("hidden"), "{} {}", seen.text, one.text);
    assert_eq!(seen.json()["items"][0]["changes"], json!({"before": {}, "after": {}}));
    assert!(one.header("etag").starts_with("\"1-"));
    let back = restore(&anna, &path, 1).expect(200);
    assert!(!back.text.contains("hidden"), "{}", back.text);
    let now = admin.get(&path).expect(200).json();
    assert_eq!(now["data"], json!({"city": "Paris", "age": 30, "iban": "DE3-hidden"}));
}

#[test]
fn history_reaches_no_further_than_the_permission() {
    let site = Site::new();
    let admin = site.admin();
    let path = customers(&admin);
    let own = ["read:own", "update:own"].map(|right| format!("entities.customers:{right}"));
    admin.post("/roles", &json!({"name": "keeper", "permissions": own})).expect(201);
    let otto = site.user(&admin, "otto", &["keeper"]);
    let vera = site.user(&admin, "vera", &["viewer"]);
    for view in ["/history", "/history/1"] {
        otto.get(&format!("{path}{view}")).problem(404, "not_found");
        site.nobody().get(&format!("{path}{view}")).problem(401, "unauthenticated");
    }
    restore(&otto, &path, 1).problem(404, "not_found");
    restore(&vera, &path, 1).problem(403, "forbidden");
    vera.get(&format!("{path}/history")).expect(200);
    admin.patch(&path, &json!({"owner_id": otto.id})).expect(200);
    otto.patch(&path, &json!({"name": "Mine"})).expect(200);
    let seen = history(&otto, &path);
    assert_eq!(seen.len(), 2, "what it was in somebody else's hands stays theirs: {seen:?}");
    assert_eq!(seen[1]["changes"]["before"], Value::Null);
    otto.get(&format!("{path}/history/1")).problem(404, "not_found");
    restore(&otto, &path, 1).problem(404, "not_found");
    assert_eq!(restore(&otto, &path, 2).expect(200).json()["name"], "Ann");
}

#[test]
fn a_version_that_no_longer_fits_the_schema_stays_where_it_is() {
    let site = Site::new();
    let admin = site.admin();
    let path = customers(&admin);
    admin.patch(&path, &json!({"data": {"city": "Lyon"}})).expect(200);
    let schema = json!({"properties": {"city": {"enum": ["Lyon"]}}});
    admin.patch("/entity-types/customers", &json!({"schema": schema})).expect(200);
    let refused = restore(&admin, &path, 1).problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["pointer"], "/data/city");
    assert_eq!(admin.get(&path).expect(200).json()["version"], 2);
}
