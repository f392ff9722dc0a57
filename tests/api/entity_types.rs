//! Entity types: what is taken, what is refused, and what becomes of their entities.

use crate::support::Site;
use serde_json::json;

#[test]
fn a_type_is_made_changed_and_deleted() {
    let site = Site::new();
    let admin = site.admin();
    let made = admin.post("/entity-types", &json!({"name": "orders", "alias": "sales"})).expect(201);
    assert_eq!(made.header("location"), "/api/v1/entity-types/orders");
    admin.post("/entity-types", &json!({"name": "orders"})).problem(409, "conflict");
    admin.post("/entity-types", &json!({"name": "others", "alias": "sales"})).problem(409, "conflict");
    let id = admin.post("/entities/orders", &json!({"data": {"n": "text"}})).id();
    admin.post("/entities/orders", &json!({"data": {"n": 5}})).expect(201);
    let schema = json!({"properties": {"n": {"type": "integer"}}});
    let broken = admin.patch("/entity-types/orders", &json!({"schema": schema})).problem(422, "validation_failed");
    assert_eq!(broken["count"], 1);
    assert!(broken["errors"][1]["message"].as_str().unwrap().contains(&id), "{broken}");
    admin.patch(&format!("/entities/orders/{id}"), &json!({"data": {"n": 1}})).expect(200);
    let changed = admin.patch("/entity-types/orders", &json!({"schema": schema, "alias": null})).expect(200).json();
    assert_eq!((&changed["version"], &changed["alias"]), (&json!(2), &json!(null)));
    admin.post("/entities/orders", &json!({"data": {"n": "text"}})).problem(422, "validation_failed");
    admin.delete("/entity-types/orders").problem(409, "conflict");
    for entity in admin.get("/entities/orders").json()["items"].as_array().unwrap() {
        admin.delete(&format!("/entities/orders/{}", entity["id"].as_str().unwrap())).expect(204);
    }
    admin.delete("/entity-types/orders").expect(204);
    admin.get("/entity-types/orders").problem(404, "not_found");
    admin.get("/entities/orders").problem(404, "not_found");
}

#[test]
fn what_is_no_type_is_refused() {
    let site = Site::new();
    let admin = site.admin();
    for body in [
        json!({"name": "Orders"}),
        json!({"name": "users"}),
        json!({"name": ""}),
        json!({"name": "a".repeat(64)}),
        json!({"name": "orders", "alias": "auth"}),
        json!({"name": "orders", "surprise": 1}),
        json!({"name": "orders", "schema": {"$ref": "https://example.com/x.json"}}),
        json!({"name": "orders", "schema": {"properties": {"a": {"pattern": "^(a+)+$"}}}}),
        json!({"name": "orders", "schema": {"type": "objekt"}}),
        json!({"name": "orders", "schema": 5}),
        json!({"name": "orders", "fields": {"iban": {"sensitivity": "restricted"}}}),
        json!({"name": "orders", "fields": {"/iban": {"sensitivity": "secret"}}}),
        json!({"name": "orders", "fields": {"/iban": {"pii": "yes"}}}),
        json!({"name": "orders", "fields": {"/iban": {"surprise": true}}}),
        json!({"name": "orders", "retention_days": 0}),
        json!({"name": "orders", "inspection": "sometimes"}),
        json!({"name": "orders", "indexes": ["/undeclared"]}),
    ] {
        let problem = admin.post("/entity-types", &body).problem(422, "validation_failed");
        assert!(problem["errors"][0]["pointer"].as_str().is_some_and(|at| at.starts_with('/')), "{body}: {problem}");
    }
    assert_eq!(admin.get("/entity-types").expect(200).json()["items"], json!([]));
    site.user(&admin, "vera", &["viewer"]).post("/entity-types", &json!({"name": "orders"})).problem(403, "forbidden");
}

#[test]
fn types_outlive_a_restart() {
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"properties": {"city": {"type": "string"}}});
    admin.post("/entity-types", &json!({"name": "orders", "schema": schema, "indexes": ["/city"]})).expect(201);
    admin.post("/entities/orders", &json!({"data": {"city": "Paris"}})).expect(201);
    let site = Site::on(site.close(), &[]);
    let admin = site.log_in("admin@example.org");
    admin.post("/entities/orders", &json!({"data": {"city": 5}})).problem(422, "validation_failed");
    assert_eq!(admin.get("/entities/orders?sort=data.city").expect(200).json()["items"][0]["data"]["city"], "Paris");
}
