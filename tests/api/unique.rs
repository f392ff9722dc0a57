//! Unique fields, defaults, and entities that are matched by a field.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn customers(admin: &Actor) {
    let fields = json!({"/no": {"unique": true}, "/iban": {"unique": true, "sensitivity": "restricted"}});
    let schema = json!({"required": ["no"], "properties": {
        "no": {"type": "string"}, "iban": {"type": "string"}, "city": {"type": "string", "default": "Paris"},
        "vip": {"type": "boolean", "default": false}, "secret": {"default": "kept"},
        "address": {"type": "object", "properties": {"country": {"type": "string", "default": "FR"}}}}});
    admin.post("/entity-types", &json!({"name": "customers", "schema": schema, "fields": fields})).expect(201);
}

fn make(actor: &Actor, data: &Value) -> Answer {
    actor.post("/entities/customers", &json!({ "data": data }))
}

fn total(admin: &Actor) -> Value {
    admin.get("/entities/customers?count=true&limit=1").expect(200).json()["total"].clone()
}

#[test]
fn one_live_entity_has_a_value() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let first = make(&admin, &json!({"no": "C1", "iban": "DE1-hidden"})).expect(201).id();
    let first = format!("/entities/customers/{first}");
    let clash = make(&admin, &json!({"no": "C1"})).problem(409, "conflict");
    assert_eq!(
        (&clash["errors"][0]["pointer"], &clash["errors"][0]["code"]),
        (&json!("/data/no"), &json!("not_unique"))
    );
    let second = make(&admin, &json!({"no": "C2"})).expect(201).id();
    let second = format!("/entities/customers/{second}");
    make(&admin, &json!({"no": "c1", "iban": null})).problem(422, "validation_failed");
    make(&admin, &json!({"no": "c1"})).expect(201);
    admin.patch(&second, &json!({"data": {"no": "C1"}})).problem(409, "conflict");
    admin.put(&second, &json!({"data": {"no": "C1"}})).problem(409, "conflict");
    admin.patch(&second, &json!({"data": {"no": "C2", "city": "Rome"}})).expect(200);
    admin.patch(&first, &json!({"data": {"no": "C9"}})).expect(200);
    admin.patch(&second, &json!({"data": {"no": "C1"}})).expect(200);
    let back = admin.request(Method::POST, &format!("{first}/history/1/restore"));
    admin.send(back).problem(409, "conflict");
    admin.delete(&second).expect(204);
    admin.patch(&first, &json!({"data": {"no": "C1"}})).expect(200);
    admin.send(admin.request(Method::POST, &format!("{second}/restore"))).problem(409, "conflict");
    admin.delete(&first).expect(204);
    admin.send(admin.request(Method::POST, &format!("{second}/restore"))).expect(200);
    assert_eq!(total(&admin), 2);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| make(&admin, &json!({"no": "race"})).status)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
}

#[test]
fn a_hidden_field_that_clashes_is_not_named() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    make(&admin, &json!({"no": "C1", "iban": "DE1-hidden"})).expect(201);
    let gone = make(&admin, &json!({"no": "C2", "iban": "DE2-hidden"})).expect(201).id();
    admin.delete(&format!("/entities/customers/{gone}")).expect(204);
    make(&admin, &json!({"no": "C3", "iban": "DE2-hidden"})).expect(201);
    let rights = ["read", "create", "update", "delete"].map(|right| format!("entities.customers:{right}"));
    admin.post("/roles", &json!({"name": "clerk", "permissions": rights})).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    let restore = clerk.request(Method::POST, &format!("/entities/customers/{gone}/restore"));
    let told = clerk.send(restore).problem(409, "conflict");
    assert!(told.get("errors").is_none() && !told.to_string().contains("iban"), "{told}");
    for pointer in ["/iban", "/city", "/nothing", "no", ""] {
        let path = format!("/entities/customers?upsert_on={pointer}");
        clerk.post(&path, &json!({"data": {"no": "C1"}})).problem(422, "validation_failed");
    }
    let designer = json!({"name": "designer", "permissions": ["entity_types:read", "entity_types:update"]});
    admin.post("/roles", &designer).expect(201);
    let designer = site.user(&admin, "designer", &["designer"]);
    let fields = json!({"/no": {"unique": true}, "/iban": {"sensitivity": "restricted"}});
    admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    let fields = json!({"/no": {"unique": true}, "/iban": {"sensitivity": "restricted", "unique": true}});
    designer.patch("/entity-types/customers", &json!({ "fields": fields })).problem(403, "forbidden");
}

#[test]
fn what_becomes_unique_is_looked_for_first() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "customers"})).expect(201);
    for (no, city) in [(1, "Paris"), (2, "Paris"), (2, "Rome"), (3, "Paris")] {
        make(&admin, &json!({"no": no, "city": city})).expect(201);
    }
    let fields = |unique: bool| json!({"fields": {"/no": {"unique": unique}}});
    let refused = admin.patch("/entity-types/customers", &fields(true)).problem(422, "validation_failed");
    assert_eq!((&refused["count"], refused["errors"].as_array().unwrap().len()), (&json!(1), 2));
    make(&admin, &json!({"no": 1})).expect(201).id();
    for entity in admin.get("/entities/customers?sort=-created_at").expect(200).json()["items"].as_array().unwrap() {
        if entity["data"]["city"] == "Rome" || entity["data"].get("city").is_none() {
            admin.delete(&format!("/entities/customers/{}", entity["id"].as_str().unwrap())).expect(204);
        }
    }
    let shown = admin.patch("/entity-types/customers", &fields(true)).expect(200).json();
    assert_eq!(shown["fields"]["/no"]["unique"], true);
    make(&admin, &json!({"no": 3.0})).problem(409, "conflict");
    make(&admin, &json!({"no": "3"})).expect(201);
    let site = Site::on(site.close(), &[]);
    let admin = site.log_in("admin@example.org");
    make(&admin, &json!({"no": 1})).problem(409, "conflict");
    admin.patch("/entity-types/customers", &fields(false)).expect(200);
    make(&admin, &json!({"no": 1})).expect(201);
    admin.patch("/entity-types/customers", &fields(true)).problem(422, "validation_failed");
}

#[test]
fn defaults_stand_where_nothing_is_said() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let made = make(&admin, &json!({"no": "C1", "address": {}})).expect(201);
    let whole = json!({"no": "C1", "address": {"country": "FR"}, "city": "Paris", "vip": false, "secret": "kept"});
    assert_eq!(made.json()["data"], whole);
    let path = format!("/entities/customers/{}", made.id());
    admin.patch(&path, &json!({"data": {"city": null, "secret": null}})).expect(200);
    assert_eq!(admin.get(&path).expect(200).json()["data"].get("city"), None, "a patch takes away for good");
    let fields = json!({"/secret": {"sensitivity": "restricted"}, "/no": {"unique": true}});
    admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    let anna = site.user(&admin, "anna", &["analyst"]);
    anna.put(&path, &json!({"data": {"no": "C1"}})).expect(200);
    let now = admin.get(&path).expect(200).json();
    assert_eq!(now["data"], json!({"no": "C1", "city": "Paris", "vip": false}), "what is hidden stays as it was");
    anna.put(&path, &json!({"data": {"no": "C1", "city": "Rome", "vip": true}})).expect(200);
    let new = make(&anna, &json!({"no": "C2"})).expect(201);
    assert!(!new.text.contains("kept"));
    assert_eq!(admin.get(&format!("/entities/customers/{}", new.id())).expect(200).json()["data"]["secret"], "kept");
    let wrong = json!({"name": "orders", "schema": {"properties": {"n": {"type": "integer", "default": "x"}}}});
    let refused = admin.post("/entity-types", &wrong).problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["code"], "invalid_default");
}

#[test]
fn the_one_that_matches_is_changed_else_one_is_made() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let upsert = |actor: &Actor, body: &Value| actor.post("/entities/customers?upsert_on=/no", body);
    let made = upsert(&admin, &json!({"name": "Ann", "data": {"no": "C1", "city": "Rome"}})).expect(201);
    assert!(made.header("location").ends_with(&made.id()));
    let changed = upsert(&admin, &json!({"data": {"no": "C1", "vip": true}})).expect(200);
    let now = changed.json();
    assert_eq!((changed.id(), &now["name"], &now["version"]), (made.id(), &json!("Ann"), &json!(2)));
    assert_eq!((&now["data"]["city"], &now["data"]["vip"]), (&json!("Rome"), &json!(true)));
    assert_eq!(upsert(&admin, &json!({"data": {"no": "C1"}})).expect(200).json()["version"], 2);
    let missing = upsert(&admin, &json!({"data": {}})).problem(422, "validation_failed");
    assert_eq!(missing["errors"][0]["pointer"], "/data/no");
    upsert(&admin, &json!({"data": {"no": 5}})).problem(422, "validation_failed");
    let tagged = |no: &str, tag: &str| {
        let request = admin.request(Method::POST, "/entities/customers?upsert_on=/no").header("if-match", tag);
        admin.send(request.json(&json!({"name": "Bea", "data": {"no": no}})))
    };
    tagged("C1", "\"1\"").problem(412, "precondition_failed");
    tagged("new", "*").problem(412, "precondition_failed");
    tagged("C1", "\"2\"").expect(200);
    for (name, rights) in [("maker", vec!["create"]), ("keeper", vec!["create", "read:own", "update:own"])] {
        let rights: Vec<_> = rights.iter().map(|right| format!("entities.customers:{right}")).collect();
        admin.post("/roles", &json!({"name": name, "permissions": rights})).expect(201);
    }
    let (maker, keeper) = (site.user(&admin, "maker", &["maker"]), site.user(&admin, "keeper", &["keeper"]));
    upsert(&maker, &json!({"data": {"no": "C7"}})).problem(403, "forbidden");
    upsert(&keeper, &json!({"name": "taken", "data": {"no": "C1"}})).problem(409, "conflict");
    upsert(&keeper, &json!({"data": {"no": "K1"}})).expect(201);
    upsert(&keeper, &json!({"data": {"no": "K1"}})).expect(200);
    assert_eq!(admin.get(&format!("/entities/customers/{}", made.id())).expect(200).json()["name"], "Bea");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| upsert(&admin, &json!({"data": {"no": "race"}})).status)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201)), "{statuses:?}");
    assert_eq!(total(&admin), 3);
}

#[test]
fn an_import_matches_rows_by_a_field() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    make(&admin, &json!({"no": "C1", "city": "Rome"})).expect(201);
    let import = |query: &str, rows: &str| {
        let request = admin.request(Method::POST, &format!("/entities/customers/import?{query}"));
        admin.send(request.header("content-type", "text/csv").body(rows.to_owned()))
    };
    let rows = "no,vip\nC1,true\nC2,true\nC2,false\n";
    import("", rows).problem(422, "validation_failed");
    for (mode, created) in [("all_or_nothing", 1), ("skip_errors", 0)] {
        let report = import(&format!("mode={mode}&upsert_on=/no"), rows).expect(200).json();
        assert_eq!((&report["created"], &report["updated"]), (&json!(created), &json!(3 - created)), "{mode}");
    }
    let all = admin.get("/entities/customers?sort=data.no").expect(200).json();
    let told: Vec<_> = all["items"].as_array().unwrap().iter().map(|item| item["data"].clone()).collect();
    assert_eq!(told[0]["city"], "Rome");
    assert_eq!((&told[1]["vip"], &told[1]["city"]), (&json!(false), &json!("Paris")));
    import("upsert_on=/city", rows).problem(422, "validation_failed");
    let refused = import("upsert_on=/no", "no,vip\n,true\n").problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["pointer"], "/data/no");
}
