//! Many changes in one transaction: all of them or none.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

fn customers(admin: &Actor) {
    let fields = json!({"/no": {"unique": true}, "/iban": {"sensitivity": "restricted"}});
    let schema = json!({"properties": {"no": {"type": "string"}, "age": {"type": "integer", "minimum": 18}}});
    admin.post("/entity-types", &json!({"name": "customers", "schema": schema, "fields": fields})).expect(201);
}

fn make(actor: &Actor, data: &Value) -> String {
    actor.post("/entities/customers", &json!({ "data": data })).expect(201).id()
}

fn create(data: &Value) -> Value {
    json!({"op": "create", "type": "customers", "data": data})
}

fn update(id: &str, data: &Value) -> Value {
    json!({"op": "update", "type": "customers", "id": id, "data": data})
}

fn batch(actor: &Actor, operations: &[Value]) -> crate::support::Answer {
    actor.post("/batch", &json!({ "operations": operations }))
}

fn state(admin: &Actor) -> (Value, Value) {
    let list = admin.get("/entities/customers?deleted=include&sort=id&limit=200").expect(200).json();
    (list["items"].clone(), admin.get("/audit?limit=1").expect(200).json()["items"][0]["seq"].clone())
}

#[test]
fn changes_come_together_and_in_order() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let (kept, gone) = (make(&admin, &json!({"no": "A", "age": 20})), make(&admin, &json!({"no": "B"})));
    let mut changed = update(&kept, &json!({"age": 30}));
    changed["if_match"] = json!("\"1\"");
    changed["name"] = json!("Ann");
    let mut removed = json!({"op": "delete", "type": "customers", "id": gone});
    removed["if_match"] = json!(1);
    let operations = [
        create(&json!({"no": "C"})),
        changed,
        removed,
        create(&json!({"no": "B"})),
        update(&kept, &json!({"no": null})),
    ];
    let answer = batch(&admin, &operations).expect(200).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    assert_eq!((&results[0]["version"], &results[0]["data"]["no"]), (&json!(1), &json!("C")));
    assert_eq!(
        (&results[1]["version"], &results[1]["name"], &results[1]["data"]["age"]),
        (&json!(2), &json!("Ann"), &json!(30))
    );
    assert_eq!(results[2], json!({"id": gone, "version": 2}));
    assert_eq!((&results[4]["version"], results[4]["data"].get("no")), (&json!(3), None));
    admin.get(&format!("/entities/customers/{gone}")).problem(404, "not_found");
    assert_eq!(admin.get(&format!("/entities/customers/{kept}")).expect(200).json(), results[4]);
    let events = admin.get("/audit?limit=5").expect(200).json();
    let told: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(told, ["entity.updated", "entity.created", "entity.deleted", "entity.updated", "entity.created"]);
    let requests: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| &event["request_id"]).collect();
    assert!(requests.iter().all(|id| *id == requests[0]), "{requests:?}");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    let full: Vec<_> = (0..100).map(|n| create(&json!({"no": format!("N{n}")}))).collect();
    assert_eq!(batch(&admin, &full).expect(200).json()["results"].as_array().unwrap().len(), 100);
}

#[test]
fn one_that_fails_undoes_all_and_is_named() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let id = make(&admin, &json!({"no": "A"}));
    let before = state(&admin);
    let absent = "01980000-0000-7000-8000-000000000000";
    let stale = json!({"op": "update", "type": "customers", "id": id, "if_match": "\"7\"", "name": "x"});
    for (operation, pointer, code) in [
        (create(&json!({"age": 3})), "/data/age", "minimum"),
        (create(&json!({"no": "A"})), "/data/no", "not_unique"),
        (create(&json!({"no": "new"})), "/data/no", "not_unique"),
        (update(absent, &json!({})), "/id", "not_found"),
        (stale, "/if_match", "precondition_failed"),
        (json!({"op": "delete", "type": "customers", "id": absent}), "/id", "not_found"),
        (json!({"op": "delete", "type": "nothing", "id": id}), "/type", "not_found"),
        (json!({"op": "delete", "type": "customers"}), "/id", "required"),
        (json!({"op": "delete", "type": "customers", "id": id, "data": {}}), "/data", "unknown_field"),
        (json!({"op": "create", "type": "customers", "id": id}), "/id", "unknown_field"),
        (json!({"op": "create", "type": "customers", "version": 7}), "/version", "unknown_field"),
        (json!({"op": "create", "type": "customers", "deleted_at": null}), "/deleted_at", "unknown_field"),
        (json!({"op": "create", "type": "customers", "confidence": 2}), "/confidence", "out_of_range"),
        (json!({"op": "create", "type": "customers", "owner_id": absent}), "/owner_id", "not_found"),
        (json!({"op": "merge", "type": "customers"}), "/op", "invalid"),
        (create(&json!({"pad": "x".repeat(10 * 1024)})), "/data", "too_large"),
        (create(&json!({"a": "x\u{0}"})), "/data/a", "control_character"),
    ] {
        let operations = [create(&json!({"no": "new"})), update(&id, &json!({"age": 40})), operation];
        let problem = batch(&admin, &operations).problem(422, "validation_failed");
        let told = &problem["errors"][0];
        assert_eq!(
            (&told["pointer"], &told["code"]),
            (&json!(format!("/operations/2{pointer}")), &json!(code)),
            "{problem}"
        );
        assert_eq!(state(&admin), before, "{code} undid everything");
    }
    let many: Vec<_> = (0..101).map(|_| create(&json!({}))).collect();
    for operations in [&many[..], &[]] {
        assert_eq!(batch(&admin, operations).problem(422, "validation_failed")["errors"][0]["pointer"], "/operations");
    }
    for body in
        [json!([]), json!({}), json!({"operations": {}}), json!({"operations": [[]]}), json!({"operations": [5]})]
    {
        admin.post("/batch", &body).problem(422, "validation_failed");
    }
    assert_eq!(state(&admin), before);
}

#[test]
fn each_operation_takes_its_own_right() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let own = ["entities.customers:read:own", "entities.customers:update:own", "entities.customers:create:own"];
    admin.post("/roles", &json!({"name": "keeper", "permissions": own})).expect(201);
    let (anna, vera) = (site.user(&admin, "anna", &["analyst"]), site.user(&admin, "vera", &["viewer"]));
    let keeper = site.user(&admin, "keeper", &["keeper"]);
    let theirs = make(&admin, &json!({"no": "A", "iban": "DE1-hidden"}));
    let before = state(&admin).0;
    site.nobody().post("/batch", &json!({"operations": [create(&json!({}))]})).problem(401, "unauthenticated");
    let refused = batch(&vera, &[create(&json!({}))]).problem(403, "forbidden");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/0");
    let order = json!({"op": "create", "type": "orders"});
    let mixed = [create(&json!({"no": "K"})), order];
    assert_eq!(batch(&keeper, &mixed).problem(403, "forbidden")["errors"][0]["pointer"], "/operations/1");
    let hidden = batch(&keeper, &[update(&theirs, &json!({"no": "taken"}))]).problem(422, "validation_failed");
    assert_eq!(hidden["errors"][0]["code"], "not_found");
    let removal = json!({"op": "delete", "type": "customers", "id": theirs});
    batch(&keeper, std::slice::from_ref(&removal)).problem(403, "forbidden");
    batch(&anna, &[removal]).problem(403, "forbidden");
    let other = json!({"op": "update", "type": "orders", "id": theirs, "name": "x"});
    assert_eq!(batch(&admin, &[other]).problem(422, "validation_failed")["errors"][0]["code"], "not_found");
    batch(&anna, &[update(&theirs, &json!({"iban": "X"}))]).problem(422, "validation_failed");
    assert_eq!(state(&admin).0, before);
    let seen = batch(&anna, &[update(&theirs, &json!({"age": 30}))]).expect(200);
    assert!(!seen.text.contains("hidden"), "{}", seen.text);
    let blind = ["entities.customers:update"];
    admin.post("/roles", &json!({"name": "blind", "permissions": blind})).expect(201);
    let blind = site.user(&admin, "blind", &["blind"]);
    let told = batch(&blind, &[update(&theirs, &json!({"age": 31}))]).expect(200).json();
    assert_eq!(told["results"][0], json!({"id": theirs, "version": 3}));
    let mine = batch(&keeper, &[create(&json!({"no": "K"}))]).expect(200).json();
    assert_eq!(mine["results"][0]["owner_id"], json!(keeper.id));
}

#[test]
fn what_looks_like_an_attack_is_found_in_a_batch_too() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_INSPECTION__MODE", "block")]);
    let admin = site.admin();
    customers(&admin);
    let attack = create(&json!({"note": "<script>alert(document.cookie)</script>"}));
    let refused = batch(&admin, &[create(&json!({"no": "A"})), attack]).problem(422, "inspection_blocked");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/1/data/note");
    assert_eq!(admin.get("/entities/customers").expect(200).json()["items"], json!([]));
}

#[test]
fn a_closed_type_is_closed_to_batches_too() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let flip =
        json!({"active": true, "scope": "type:customers", "reason": "checked", "password": crate::support::PASSWORD});
    admin.put("/kill-switch", &flip).expect(200);
    let order = json!({"op": "create", "type": "orders"});
    batch(&admin, &[order.clone(), create(&json!({}))]).problem(503, "kill_switch_active");
    batch(&admin, &[order]).expect(200);
    assert_eq!(admin.get("/entities/orders?count=true").expect(200).json()["total"], 1);
}
