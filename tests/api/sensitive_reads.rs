//! Whoever is shown a confidential or restricted field leaves a trace: who, of which type, which fields, how many and
//! which entities; a minute of one caller is one event and a sum.

use crate::support::{Actor, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn bank(admin: &Actor) {
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/income": {"sensitivity": "confidential"},
                        "/cards/number": {"sensitivity": "restricted"}, "/city": {"sensitivity": "public"}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
}

fn customer(admin: &Actor, data: &Value) -> String {
    admin.post("/entities/customers", &json!({"name": "Ann", "data": data})).expect(201).id()
}

/// What was recorded of `reader`'s reads, oldest first, once everything is on disk.
fn reads(site: &Site, admin: &Actor, reader: &Actor) -> Vec<Value> {
    site.app.ledger.settle_reads();
    admin.post("/entities/notes", &json!({})).expect(201);
    let found = admin.get(&format!("/audit?action=entities.read&actor_id={}", reader.id)).expect(200).json();
    let mut items = found["items"].as_array().unwrap().clone();
    items.reverse();
    items
}

/// The fields and the count that the reads come to.
fn sum(events: &[Value]) -> (Vec<String>, u64) {
    let after = events.iter().map(|event| &event["changes"]["after"]);
    let fields = after.clone().flat_map(|after| after["fields"].as_array().unwrap().clone());
    let mut fields: Vec<_> = fields.map(|field| field.as_str().unwrap().to_owned()).collect();
    fields.sort();
    fields.dedup();
    (fields, after.map(|after| after["count"].as_u64().unwrap()).sum())
}

#[test]
fn every_way_to_a_sensitive_value_is_recorded() {
    let site = Site::new();
    let admin = site.admin();
    bank(&admin);
    let ann = customer(&admin, &json!({"iban": "DE1", "income": 5, "city": "Paris"}));
    let bea = customer(&admin, &json!({"city": "Lyon", "cards": [{"number": "4111"}]}));
    let cid = customer(&admin, &json!({"city": "Rome"}));
    admin.post("/relationships", &json!({"from_id": cid, "to_id": ann, "type": "knows"})).expect(201);
    let path = format!("/entities/customers/{ann}");
    admin.patch(&path, &json!({"data": {"income": 6}})).expect(200);
    let all = ["/iban", "/income", "/cards/number"];
    let ways: [(&str, String, &[&str], u64); 17] = [
        ("view", path.clone(), &["/iban", "/income"], 1),
        ("view without any", format!("/entities/customers/{cid}"), &[], 0),
        ("view in a list", format!("/entities/customers/{bea}"), &["/cards/number"], 1),
        ("picked", format!("{path}?fields=data.income"), &["/income"], 1),
        ("picked without any", format!("{path}?fields=name,data.city"), &[], 0),
        ("list", "/entities/customers".into(), &all, 2),
        ("list without any", "/entities/customers?fields=name".into(), &[], 0),
        ("filter", "/entities/customers?fields=name&filter=data.iban%20%3D%20%22DE1%22".into(), &["/iban"], 1),
        ("sort", "/entities/customers?fields=name&sort=data.income".into(), &["/income"], 1),
        ("search", "/entities/customers?fields=name&q=DE1".into(), &all, 1),
        ("aggregate", "/entities/customers/aggregate?measures=sum(data.income)".into(), &["/income"], 1),
        ("group", "/entities/customers/aggregate?group_by=data.iban".into(), &["/iban"], 1),
        ("expand", format!("/entities/customers/{cid}?expand=relationships"), &["/iban", "/income"], 1),
        ("history", format!("{path}/history"), &["/iban", "/income"], 2),
        ("version", format!("{path}/history/1"), &["/iban", "/income"], 1),
        ("export", "/entities/customers/export".into(), &all, 2),
        ("audit", format!("/audit?target_id={ann}"), &["/iban", "/income"], 2),
    ];
    let role = json!({"name": "reader", "clearance": "restricted", "permissions": ["entities.*:read", "entities.*:export",
        "relationships:read", "audit:read"]});
    admin.post("/roles", &role).expect(201);
    for (index, (name, way, fields, count)) in ways.iter().enumerate() {
        let reader = site.user(&admin, &format!("reader{index}"), &["reader"]);
        reader.get(way).expect(200);
        let mut expected: Vec<_> = fields.iter().map(|&field| field.to_owned()).collect();
        expected.sort();
        let events = reads(&site, &admin, &reader);
        assert_eq!(sum(&events), (expected, *count), "{name}: {events:?}");
        for event in events {
            assert_eq!(event["target"], json!({"type": "entity_type", "id": "customers"}));
            assert_eq!(event["actor"]["label"], format!("reader{index}@example.org"));
        }
    }
}

#[test]
fn answers_to_writes_are_reads_too() {
    let site = Site::new();
    let admin = site.admin();
    bank(&admin);
    let ann = customer(&admin, &json!({"iban": "DE1", "city": "Paris"}));
    let role = json!({"name": "writer", "clearance": "restricted",
                      "permissions": ["entities.*:read", "entities.*:update", "entities.*:create"]});
    admin.post("/roles", &role).expect(201);
    let patched = site.user(&admin, "patcher", &["writer"]);
    patched.patch(&format!("/entities/customers/{ann}"), &json!({"data": {"city": "Rome"}})).expect(200);
    assert_eq!(sum(&reads(&site, &admin, &patched)), (vec!["/iban".to_owned()], 1));
    let batched = site.user(&admin, "batcher", &["writer"]);
    let operations = json!([{"op": "update", "type": "customers", "id": ann, "data": {"city": "Oslo"}},
                            {"op": "create", "type": "customers", "data": {"income": 3}}]);
    batched.post("/batch", &json!({"operations": operations})).expect(200);
    let events = reads(&site, &admin, &batched);
    assert_eq!(sum(&events), (vec!["/iban".to_owned(), "/income".to_owned()], 2));
}

#[test]
fn whole_documents_and_what_was_deleted_are_reads_too() {
    let site = Site::new();
    let admin = site.admin();
    bank(&admin);
    let role = json!({"name": "reader", "clearance": "restricted", "permissions": ["entities.*:read", "entities.*:export",
        "users:export", "audit:read"]});
    admin.post("/roles", &role).expect(201);
    let owner = site.user(&admin, "owner", &[]);
    let body = json!({"name": "Ann", "owner_id": owner.id, "data": {"iban": "DE1", "income": 5}});
    let ann = admin.post("/entities/customers", &body).expect(201).id();
    let gone = customer(&admin, &json!({"iban": "DE2"}));
    admin.delete(&format!("/entities/customers/{gone}")).expect(204);
    let event = admin.get(&format!("/audit?target_id={ann}")).expect(200).json()["items"][0]["seq"].clone();
    let both: &[&str] = &["/iban", "/income"];
    let ways: [(&str, String, &[&str]); 7] = [
        ("the entity's own", format!("/entities/customers/{ann}/export"), both),
        ("the user's own", format!("/users/{}/export", owner.id), both),
        ("one event", format!("/audit/{event}"), both),
        ("with what was deleted", "/entities/customers?deleted=include".into(), both),
        ("what was deleted", "/entities/customers?deleted=only".into(), &["/iban"]),
        ("one that was deleted", format!("/entities/customers/{gone}?deleted=include"), &["/iban"]),
        ("the history of one", format!("/entities/customers/{gone}/history"), &["/iban"]),
    ];
    for (index, (name, way, fields)) in ways.iter().enumerate() {
        let reader = site.user(&admin, &format!("reader{index}"), &["reader"]);
        let answer = reader.get(way).expect(200);
        assert!(answer.text.contains("DE1") || answer.text.contains("DE2"), "{name}: {}", answer.text);
        let events = reads(&site, &admin, &reader);
        let (found, count) = sum(&events);
        assert_eq!(found, *fields, "{name}: {events:?}");
        assert!(count >= 1, "{name}");
    }
}

/// What somebody writes at the path of an entity.
type Write = fn(&Actor, &str) -> crate::support::Answer;

#[test]
fn every_write_that_shows_is_a_read() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/no": {"unique": true}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let role = json!({"name": "writer", "clearance": "restricted",
                      "permissions": ["entities.*:read", "entities.*:update", "entities.*:create", "entities.*:delete"]});
    admin.post("/roles", &role).expect(201);
    let ways: [(&str, Write); 5] = [
        ("put", |who, path| who.put(path, &json!({"data": {"iban": "DE3", "no": 7}}))),
        ("upsert", |who, _| who.post("/entities/customers?upsert_on=/no", &json!({"data": {"no": 7, "a": 1}}))),
        ("restore", |who, path| who.post(&format!("{path}/restore"), &json!({}))),
        ("an earlier version", |who, path| who.post(&format!("{path}/history/1/restore"), &json!({}))),
        ("a create", |who, _| who.post("/entities/customers", &json!({"data": {"iban": "DE4"}}))),
    ];
    for (index, (name, write)) in ways.iter().enumerate() {
        let id = customer(&admin, &json!({"iban": "DE1", "no": 7}));
        let path = format!("/entities/customers/{id}");
        admin.patch(&path, &json!({"data": {"b": 2}})).expect(200);
        if *name == "restore" {
            admin.delete(&path).expect(204);
        }
        let writer = site.user(&admin, &format!("writer{index}"), &["writer"]);
        let answer = write(&writer, &path);
        assert!(answer.status < 300 && answer.text.contains("iban"), "{name}: {}", answer.text);
        let events = reads(&site, &admin, &writer);
        assert_eq!(sum(&events), (vec!["/iban".to_owned()], 1), "{name}: {events:?}");
        admin.delete(&path).expect(204);
    }
}

#[test]
fn a_minute_of_views_is_one_event_and_their_number() {
    let site = Site::new();
    let admin = site.admin();
    bank(&admin);
    let ann = customer(&admin, &json!({"iban": "DE1", "city": "Paris"}));
    let bea = customer(&admin, &json!({"iban": "DE2"}));
    let role = json!({"name": "reader", "clearance": "restricted", "permissions": ["entities.*:read"]});
    admin.post("/roles", &role).expect(201);
    let reader = site.user(&admin, "reader", &["reader"]);
    for _ in 0..20 {
        reader.get(&format!("/entities/customers/{ann}")).expect(200);
        reader.get(&format!("/entities/customers/{bea}")).expect(200);
    }
    let etag = reader.get(&format!("/entities/customers/{ann}")).expect(200).header("etag").to_owned();
    let known = reader.request(Method::GET, &format!("/entities/customers/{ann}")).header("if-none-match", etag);
    reader.send(known).expect(304);
    let events = reads(&site, &admin, &reader);
    let after: Vec<_> = events.iter().map(|event| event["changes"]["after"].clone()).collect();
    assert_eq!(after[0], json!({"fields": ["/iban"], "count": 1, "ids": [ann]}));
    assert_eq!(after[1], json!({"fields": ["/iban"], "count": 40, "ids": [bea, ann]}));
    assert_eq!((after.len(), events[0]["request_id"].is_string(), events[1]["request_id"].is_null()), (2, true, true));
    site.clock.advance(61_000);
    reader.get(&format!("/entities/customers/{ann}")).expect(200);
    assert_eq!(reads(&site, &admin, &reader).len(), 3);
    // Whoever sees none of the fields leaves nothing.
    let role = json!({"name": "clerk", "clearance": "internal", "permissions": ["entities.*:read"]});
    admin.post("/roles", &role).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    clerk.get("/entities/customers").expect(200);
    assert!(reads(&site, &admin, &clerk).is_empty());
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}
