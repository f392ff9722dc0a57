//! Fields above somebody's clearance, by every way round the front door: the audit log, answers to writes, merges
//! over lists, sizes, and the ones who define types.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

/// A type with a hidden field, one hidden inside a list, and a public one; an entity that fills them.
fn bank(admin: &Actor) -> String {
    let restricted = json!({"sensitivity": "restricted"});
    let fields = json!({"/iban": restricted, "/cards/number": restricted, "/city": {"sensitivity": "public"}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    let made = admin.post("/entities/customers", &json!({"name": "Ann", "data": whole()})).expect(201);
    format!("/entities/customers/{}", made.id())
}

fn whole() -> Value {
    json!({"iban": "DE89-hidden", "city": "Paris", "cards": [{"kind": "debit", "number": "4111-hidden"}]})
}

fn role(site: &Site, admin: &Actor, name: &str, permissions: &[&str], clearance: &str) -> Actor {
    let body = json!({"name": name, "permissions": permissions, "clearance": clearance});
    admin.post("/roles", &body).expect(201);
    site.user(admin, name, &[name])
}

#[test]
fn the_audit_log_hides_what_a_field_hides() {
    let site = Site::new();
    let admin = site.admin();
    let path = bank(&admin);
    admin.patch(&path, &json!({"data": {"iban": "DE90-hidden", "city": "Lyon"}})).expect(200);
    admin.delete(&path).expect(204);
    let auditor = role(&site, &admin, "auditor", &["audit:read", "audit:export"], "confidential");
    let listed = auditor.get("/audit?target_type=entity").expect(200);
    assert!(listed.text.contains("Lyon") && listed.text.contains("entity.deleted"), "{}", listed.text);
    let created = &listed.json()["items"][2];
    assert_eq!(created["changes"]["after"]["data"], json!({"city": "Paris", "cards": [{"kind": "debit"}]}));
    let one = auditor.get(&format!("/audit/{}", created["seq"])).expect(200);
    let lines = auditor.get("/audit/export").expect(200);
    let table = auditor.get("/audit/export?format=csv").expect(200);
    for seen in [&listed, &one, &lines, &table] {
        assert!(!seen.text.contains("hidden"), "{}", seen.text);
    }
    assert_eq!(lines.text.lines().count() as i64, auditor.get("/audit/verify").expect(200).json()["checked"]);
    assert!(admin.get("/audit/export").expect(200).text.contains("DE90-hidden"));
}

#[test]
fn an_answer_to_a_write_shows_no_more_than_a_read() {
    let site = Site::new();
    let admin = site.admin();
    let path = bank(&admin);
    let own = ["entities.customers:read:own", "entities.customers:update", "entities.customers:delete"];
    let blind = role(&site, &admin, "blind", &own, "restricted");
    blind.get(&path).problem(404, "not_found");
    let patched = blind.patch(&path, &json!({"name": "Bea"})).expect(200);
    let replaced = blind.put(&path, &json!({"name": "Bea", "data": whole()})).expect(200);
    blind.delete(&path).expect(204);
    let restored = blind.send(blind.request(reqwest::Method::POST, &format!("{path}/restore"))).expect(200);
    for answer in [patched, replaced, restored] {
        assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "version"]);
    }
}

#[test]
fn writes_by_those_who_see_less_lose_nothing() {
    let site = Site::new();
    let admin = site.admin();
    let path = bank(&admin);
    let rights = ["entities.customers:read", "entities.customers:create", "entities.customers:update"];
    let editor = role(&site, &admin, "editor", &rights, "internal");
    let kept = || admin.get(&path).expect(200).json()["data"].clone();
    for data in [json!(null), json!({"cards": null}), json!({"iban": null}), json!({"cards": []}), json!({"cards": 1})]
    {
        let status = editor.patch(&path, &json!({"data": data})).status;
        assert!(matches!(status, 200 | 422), "{data} gave {status}");
        assert_eq!((&kept()["iban"], &kept()["cards"]), (&whole()["iban"], &whole()["cards"]), "after {data}");
    }
    editor.put(&path, &json!({"data": {"city": "Rome"}})).expect(200);
    assert_eq!((&kept()["cards"], &kept()["city"]), (&whole()["cards"], &json!("Rome")));
    let id = path.rsplit('/').next().unwrap();
    let rows = format!("{{\"id\": \"{id}\", \"data\": {{\"cards\": null}}}}\n");
    let import = editor.request(reqwest::Method::POST, "/entities/customers/import");
    editor.send(import.header("content-type", "application/x-ndjson").body(rows)).expect(200);
    assert_eq!(kept()["cards"], whole()["cards"]);
    let refused =
        editor.patch(&path, &json!({"data": {"pad": "x".repeat(10 * 1024)}})).problem(422, "validation_failed");
    assert!(!refused.to_string().contains(" 103"), "the size of what is hidden is not told: {refused}");
}

#[test]
fn whoever_defines_types_opens_nothing_they_may_not_see() {
    let site = Site::new();
    let admin = site.admin();
    let path = bank(&admin);
    admin.post("/entity-types", &json!({"name": "diaries", "owner_only": true})).expect(201);
    let rights = ["entity_types:read", "entity_types:update", "entities.*:read"];
    let designer = role(&site, &admin, "designer", &rights, "internal");
    let before = admin.get("/entity-types/customers").expect(200).text;
    for change in [
        json!({"fields": {}}),
        json!({"fields": {"/iban": {"sensitivity": "internal"}, "/cards/number": {"sensitivity": "restricted"}}}),
        json!({"schema": {"properties": {"iban": {"const": "DE89-hidden"}}}}),
    ] {
        designer.patch("/entity-types/customers", &change).problem(403, "forbidden");
    }
    designer.patch("/entity-types/diaries", &json!({"owner_only": false})).problem(403, "forbidden");
    assert_eq!(admin.get("/entity-types/customers").expect(200).text, before);
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/cards/number": {"sensitivity": "restricted"},
                        "/cards": {"sensitivity": "confidential"}});
    designer.patch("/entity-types/customers", &json!({"fields": fields})).expect(200);
    assert!(!designer.get(&path).expect(200).text.contains("cards"));
    admin.patch("/entity-types/customers", &json!({"fields": {}})).expect(200);
}
