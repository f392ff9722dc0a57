//! The document of the API: complete, sound, and no more telling than the API itself.

use crate::support::{Actor, Site};
use portcullis::server::routes::routes;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn read(actor: &Actor) -> Value {
    actor.send(actor.at(Method::GET, "/openapi.json")).expect(200).json()
}

/// Every `$ref` below `value`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_told_of_and_every_reference_leads_somewhere() {
    let site = Site::new();
    let document = read(&site.nobody());
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = &document["paths"][format!("/api/v1{}", route.path)][route.method.as_str().to_lowercase()];
        assert_eq!(operation["summary"], route.summary, "{} {}", route.method, route.path);
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{operation}");
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn entity_types_stand_in_it_as_far_as_the_caller_sees_them() {
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"type": "object", "required": ["city", "iban"], "additionalProperties": false, "properties": {
        "city": {"type": "string", "maxLength": 40}, "iban": {"type": "string", "pattern": "^DE"},
        "bank": {"type": "object", "properties": {"secret_limit": {"type": "integer"}, "name": {"type": "string"}}},
    }});
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/bank/secret_limit": {"sensitivity": "confidential"}});
    let body = json!({"name": "customers", "alias": "clients", "schema": schema, "fields": fields});
    admin.post("/entity-types", &body).expect(201);
    let vera = site.user(&admin, "vera", &["viewer"]);
    let path = "/api/v1/entities/customers";
    assert!(read(&site.nobody())["paths"][path].is_null());
    let whole = read(&admin);
    assert_eq!(whole["components"]["schemas"]["customers.data"], schema);
    assert!(whole["paths"][path]["post"].is_object());
    let seen = read(&vera);
    let data = &seen["components"]["schemas"]["customers.data"];
    assert_eq!(data["properties"]["city"], json!({"type": "string", "maxLength": 40}));
    assert_eq!(data["required"], json!(["city"]));
    assert!(seen["paths"][path]["get"].is_object() && seen["paths"][path]["post"].is_null());
    let text = seen.to_string();
    assert!(!text.contains("iban") && !text.contains("secret_limit"), "{data}");
}

#[test]
fn it_is_counted_cached_and_read_only() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "4")]);
    let nobody = site.nobody();
    let first = nobody.send(nobody.at(Method::GET, "/openapi.json")).expect(200);
    assert!(!first.header("ratelimit").is_empty());
    let tag = first.header("etag").to_owned();
    let again = nobody.at(Method::GET, "/openapi.json").header("if-none-match", tag);
    nobody.send(again).expect(304);
    nobody.send(nobody.at(Method::POST, "/openapi.json")).problem(405, "method_not_allowed");
    let page = nobody.send(nobody.at(Method::GET, "/docs")).expect(200);
    assert!(page.header("content-type").starts_with("text/html") && !page.header("content-security-policy").is_empty());
    nobody.send(nobody.at(Method::GET, "/docs")).problem(429, "rate_limited");
}

/// Whether `value` is what the schema says, as far as types, required members and references go.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::validator_for(&whole).expect("a schema").is_valid(value)
}

#[test]
fn answers_are_what_it_says() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let vera = site.user(&admin, "vera", &["viewer"]);
    let key = admin.post("/api-keys", &json!({"name": "k", "scopes": ["users:read"]})).expect(201);
    let document = read(&admin);
    let answers = [
        ("get", "/users", admin.get("/users")),
        ("get", "/users/{id}", admin.get(&format!("/users/{}", vera.id))),
        ("get", "/roles", admin.get("/roles")),
        ("get", "/roles/{name}", admin.get("/roles/viewer")),
        ("post", "/api-keys", key),
        ("get", "/api-keys", admin.get("/api-keys")),
        ("get", "/kill-switch", admin.get("/kill-switch")),
        ("get", "/auth/sessions", vera.get("/auth/sessions")),
        ("get", "/audit/verify", admin.get("/audit/verify")),
        ("get", "/webhooks", admin.get("/webhooks")),
        ("get", "/elevations", admin.get("/elevations")),
    ];
    for (method, path, answer) in answers {
        let told = &document["paths"][format!("/api/v1{path}")][method]["responses"][answer.status.to_string()];
        let schema = &told["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} {}: {told}", answer.status);
        assert!(fits(&document, schema, &answer.json()), "{method} {path}: {}\n{schema}", answer.text);
    }
    for problem in [admin.get("/users?limit=0"), site.nobody().get("/users"), admin.get("/users/none")] {
        assert!(fits(&document, &document["components"]["schemas"]["Problem"], &problem.json()), "{}", problem.text);
    }
}
