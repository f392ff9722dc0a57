//! Entities: who sees and changes what, lists, limits, versions.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

fn customers(admin: &Actor) {
    let schema = json!({
        "type": "object",
        "required": ["no"],
        "properties": {
            "no": {"type": "string", "pattern": "^C[0-9]+$"},
            "city": {"type": "string"},
            "age": {"type": "integer", "minimum": 18},
            "vip": {"type": "boolean"},
            "iban": {"type": "string"},
            "address": {"type": "object", "properties": {"street": {"type": "string"}, "door": {"type": "string"}}}
        }
    });
    let fields = json!({
        "/iban": {"sensitivity": "restricted"},
        "/age": {"sensitivity": "confidential", "index": true},
        "/address/door": {"sensitivity": "restricted"},
        "/city": {"sensitivity": "public"}
    });
    let body =
        json!({"name": "customers", "schema": schema, "fields": fields, "alias": "clients", "indexes": ["/city"]});
    admin.post("/entity-types", &body).expect(201);
}

fn one(no: u32, city: &str) -> Value {
    json!({"name": format!("Customer {no}"), "confidence": 0.5, "data": {
        "no": format!("C{no}"), "city": city, "age": 20 + no, "vip": no.is_multiple_of(2), "iban": format!("DE{no}"),
        "address": {"street": "Main", "door": "7"}}})
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn an_entity_lives_from_creation_to_restoration() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let made = admin.post("/entities/customers", &one(1, "Paris")).expect(201);
    let id = made.id();
    let path = format!("/entities/customers/{id}");
    assert_eq!(made.header("location"), format!("/api/v1{path}"));
    let entity = made.json();
    assert_eq!((entity["version"].clone(), entity["type"].clone()), (json!(1), json!("customers")));
    assert_eq!((entity["owner_id"].clone(), entity["created_by"].clone()), (json!(admin.id), json!(admin.id)));
    let shown = admin.get(&path).expect(200);
    assert_eq!(shown.json(), entity);
    assert_eq!(shown.header("etag"), "\"1\"");
    let known = admin.send(admin.request(reqwest::Method::GET, &path).header("if-none-match", "\"1\"")).expect(304);
    assert_eq!(known.text, "");

    let patched = admin.patch(&path, &json!({"name": null, "data": {"city": "Lyon", "vip": null}})).expect(200).json();
    assert_eq!((&patched["name"], &patched["data"]["city"]), (&Value::Null, &json!("Lyon")));
    assert_eq!((patched["data"].get("vip"), patched["version"].clone()), (None, json!(2)));
    assert_eq!(admin.get(&path).expect(200).json(), patched, "never older than an acknowledged write");
    let same = admin.patch(&path, &json!({"data": {"city": "Lyon"}})).expect(200).json();
    assert_eq!(same["version"], 2, "a patch that changes nothing makes no version");

    let stale = admin.request(reqwest::Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({"name": "x"}));
    admin.send(stale).problem(412, "precondition_failed");
    let put =
        admin.request(reqwest::Method::PUT, &path).header("if-match", "\"2\"").json(&json!({"data": {"no": "C9"}}));
    let replaced = admin.send(put).expect(200).json();
    assert_eq!(replaced["data"], json!({"no": "C9"}));
    assert_eq!(replaced["owner_id"], json!(admin.id));

    admin.delete(&path).expect(204);
    admin.get(&path).problem(404, "not_found");
    admin.patch(&path, &json!({"name": "x"})).problem(404, "not_found");
    admin.delete(&path).problem(404, "not_found");
    let gone = admin.get(&format!("{path}?deleted=include")).expect(200).json();
    assert_eq!(gone["deleted_by"], json!(admin.id));
    assert_eq!(names(&admin.get("/entities/customers?deleted=only").expect(200).json()).len(), 1);
    let back = admin.post(&format!("{path}/restore"), &json!({})).expect(200).json();
    assert_eq!((&back["deleted_at"], &back["version"]), (&Value::Null, &json!(5)));
    admin.get(&path).expect(200);
    let events = admin.get(&format!("/audit?target_id={id}")).expect(200).json();
    let actions: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["entity.restored", "entity.deleted", "entity.updated", "entity.updated", "entity.created"]);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let id = admin.post("/entities/customers", &one(1, "Paris")).id();
    let path = format!("/entities/customers/{id}");
    let before = admin.get(&path).expect(200).text;
    let keys: Value = (0..200).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let mut many = keys.clone();
    many["no"] = json!("C1");
    let deep = (0..8).fold(json!(1), |inner, _| json!({"a": inner}));
    for (body, pointer) in [
        (json!({"data": {"no": "x"}}), "/data/no"),
        (json!({"data": {}}), "/data/no"),
        (json!({"data": {"no": "C1", "age": "20"}}), "/data/age"),
        (json!({"data": {"no": "C1", "age": 3}}), "/data/age"),
        (json!({"data": []}), "/data"),
        (json!({"data": {"no": "C1", "x": "a\u{0}"}}), "/data/x"),
        (json!({"data": {"no": "C1", "x": "y".repeat(10 * 1024)}}), "/data"),
        (json!({"data": many}), "/data"),
        (json!({"data": {"no": "C1", "x": deep}}), "/data"),
        (json!({"data": {"no": "C1"}, "confidence": 1.1}), "/confidence"),
        (json!({"data": {"no": "C1"}, "confidence": "1"}), "/confidence"),
        (json!({"data": {"no": "C1"}, "name": ""}), "/name"),
        (json!({"data": {"no": "C1"}, "roles": ["admin"]}), "/roles"),
        (json!({"data": {"no": "C1"}, "version": 7}), "/version"),
        (json!({"data": {"no": "C1"}, "created_at": "2020-01-01T00:00:00Z"}), "/created_at"),
        (json!({"data": {"no": "C1"}, "deleted_at": null}), "/deleted_at"),
        (json!({"data": {"no": "C1"}, "id": id}), "/id"),
        (json!({"data": {"no": "C1"}, "owner_id": "x"}), "/owner_id"),
        (json!({"data": {"no": "C1"}, "owner_id": "0190a000-0000-7000-8000-000000000000"}), "/owner_id"),
    ] {
        let problem = admin.post("/entities/customers", &body).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body} gave {problem}");
        admin.put(&path, &body).problem(422, "validation_failed");
    }
    admin.patch(&path, &json!({"data": {"no": null}})).problem(422, "validation_failed");
    admin.post("/entities/customers", &json!([])).problem(422, "validation_failed");
    for (text, code) in [
        ("{\"data\": {\"no\": \"C1\", \"no\": \"C2\"}}", "malformed_json"),
        ("{\"confidence\": 1e400}", "malformed_json"),
    ] {
        let request =
            admin.request(reqwest::Method::POST, "/entities/customers").header("content-type", "application/json");
        admin.send(request.body(text)).problem(400, code);
    }
    assert_eq!(admin.get(&path).expect(200).text, before);
    assert_eq!(admin.get("/entities/customers?count=true").expect(200).json()["total"], 1);
    admin.post("/entities/nothing", &json!({})).problem(404, "not_found");
    admin.get("/entities/customers/not-an-id").problem(404, "not_found");
    let proto = json!({"data": {"no": "C2", "__proto__": {"$ne": 1}, "a.b": "x"}});
    assert_eq!(admin.post("/entities/customers", &proto).expect(201).json()["data"], proto["data"]);
}

#[test]
fn fields_above_the_clearance_do_not_exist() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let (viewer, analyst) = (site.user(&admin, "vera", &["viewer"]), site.user(&admin, "anna", &["analyst"]));
    let id = admin.post("/entities/customers", &one(1, "Paris")).id();
    let path = format!("/entities/customers/{id}");
    let seen = viewer.get(&path).expect(200);
    assert_eq!(seen.json()["data"], json!({"no": "C1", "city": "Paris", "vip": false, "address": {"street": "Main"}}));
    assert!(!seen.text.contains("DE1") && seen.header("etag").starts_with("\"1-"));
    assert_eq!(analyst.get(&path).expect(200).json()["data"]["age"], 21);
    assert!(!viewer.get("/entities/customers").expect(200).text.contains("DE1"));
    assert!(!analyst.get("/entities/customers/export?format=jsonl").text.contains("DE1"));
    for query in [
        "filter=data.iban%20%3D%20%22DE1%22",
        "filter=data.age%20%3E%201",
        "sort=data.iban",
        "sort=data.address",
        "fields=data.iban",
        "filter=data.address%20!%3D%20null",
    ] {
        viewer.get(&format!("/entities/customers?{query}")).problem(422, "validation_failed");
    }
    let unknown = viewer.get("/entities/customers?fields=data.iban").text;
    assert!(!unknown.contains("clearance") && !unknown.contains("restricted"));
    for body in [
        json!({"data": {"iban": "X"}}),
        json!({"data": {"address": {"door": "9"}}}),
        json!({"data": {"address": "x"}}),
        json!({"data": {"iban": null}}),
    ] {
        analyst.patch(&path, &body).problem(422, "validation_failed");
    }
    viewer.patch(&path, &json!({"name": "x"})).problem(403, "forbidden");
    viewer.post("/entities/customers", &one(2, "Paris")).problem(403, "forbidden");
    analyst.patch(&path, &json!({"data": {"address": null, "city": "Lyon"}})).expect(200);
    analyst.put(&path, &json!({"data": {"no": "C7"}})).expect(200);
    let whole = admin.get(&path).expect(200).json();
    assert_eq!(whole["data"], json!({"no": "C7", "iban": "DE1", "address": {"door": "7"}}));
    site.nobody().get(&path).problem(401, "unauthenticated");
}

#[test]
fn reach_limits_every_way_in() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let permissions =
        ["read", "create", "update", "delete", "export"].map(|action| format!("entities.customers:{action}:own"));
    admin.post("/roles", &json!({"name": "keeper", "permissions": permissions, "clearance": "restricted"})).expect(201);
    let rule = [
        "entities.customers:read",
        "entities.customers:create",
        "entities.customers:update:where(data.city = 'Paris')",
    ];
    admin.post("/roles", &json!({"name": "parisian", "permissions": rule, "clearance": "restricted"})).expect(201);
    let (mine, other) = (site.user(&admin, "mona", &["keeper"]), site.user(&admin, "otto", &["keeper"]));
    let id = mine.post("/entities/customers", &one(1, "Paris")).expect(201).id();
    let path = format!("/entities/customers/{id}");
    for _ in 0..2 {
        mine.get(&path).expect(200);
        other.get(&path).problem(404, "not_found");
    }
    other.get(&format!("{path}?fields=name")).problem(404, "not_found");
    other.patch(&path, &json!({"name": "x"})).problem(404, "not_found");
    other.put(&path, &one(2, "Rome")).problem(404, "not_found");
    other.delete(&path).problem(404, "not_found");
    other.post(&format!("{path}/restore"), &json!({})).problem(404, "not_found");
    assert_eq!(other.get("/entities/customers?count=true").expect(200).json()["total"], 0);
    assert_eq!(other.get("/entities/customers/export?format=jsonl").expect(200).text, "");
    mine.patch(&path, &json!({"owner_id": other.id})).problem(422, "validation_failed");
    mine.post("/entities/customers", &json!({"owner_id": other.id, "data": {"no": "C1"}}))
        .problem(422, "validation_failed");
    let row = format!("{{\"id\":\"{id}\",\"name\":\"taken\",\"data\":{{\"no\":\"C5\"}}}}\n");
    let import = other
        .request(reqwest::Method::POST, "/entities/customers/import")
        .header("content-type", "application/x-ndjson");
    other.send(import.body(row)).problem(422, "validation_failed");
    assert_eq!(admin.get(&path).expect(200).json()["name"], "Customer 1");

    let parisian = site.user(&admin, "paula", &["parisian"]);
    let rome = admin.post("/entities/customers", &one(3, "Rome")).id();
    parisian.patch(&format!("/entities/customers/{rome}"), &json!({"name": "x"})).problem(403, "forbidden");
    parisian.patch(&path, &json!({"name": "renamed"})).expect(200);
    parisian.patch(&path, &json!({"data": {"city": "Rome"}})).problem(403, "forbidden");
    assert_eq!(admin.get(&path).expect(200).json()["data"]["city"], "Paris");
}

#[test]
fn an_owner_only_type_is_closed_to_general_permissions() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "diaries", "owner_only": true})).expect(201);
    let (anna, ben) = (site.user(&admin, "anna", &["analyst"]), site.user(&admin, "ben", &["analyst"]));
    let id = anna.post("/entities/diaries", &json!({"name": "mine"})).expect(201).id();
    ben.get(&format!("/entities/diaries/{id}")).problem(404, "not_found");
    assert_eq!(names(&ben.get("/entities/diaries").expect(200).json()), Vec::<String>::new());
    anna.get(&format!("/entities/diaries/{id}")).expect(200);
    let matrix = admin.get("/access-matrix").expect(200).json();
    let row = matrix["resources"].as_array().unwrap().iter().find(|row| row["name"] == "entities.diaries").unwrap();
    assert_eq!((&row["grants"]["analyst"]["read"], &row["grants"]["admin"]["read"]), (&json!("own"), &json!("any")));
    admin.get(&format!("/entities/diaries/{id}")).expect(200);
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    for no in 0..25 {
        admin.post("/entities/customers", &one(no, ["Paris", "Lyon", "Rome"][no as usize % 3])).expect(201);
    }
    admin.post("/entities/customers", &json!({"data": {"no": "C99"}})).expect(201);
    let list = |query: &str| admin.get(&format!("/entities/customers?{query}")).expect(200).json();
    let first = list("");
    assert_eq!((first["items"].as_array().unwrap().len(), first["next_cursor"].clone()), (26, Value::Null));
    assert_eq!(names(&first)[..2], ["-", "Customer 24"]);
    for sort in
        ["name", "-name", "data.city,-data.age", "-data.city", "-created_at", "updated_at", "id", "confidence,name"]
    {
        let whole = names(&list(&format!("sort={sort}&limit=200")));
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("sort={sort}&limit=7{cursor}"));
            paged.extend(names(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{sort}");
    }
    let filter = |text: &str| {
        let query = form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        list(&format!("count=true&limit=1&filter={query}"))["total"].as_i64().unwrap()
    };
    assert_eq!(filter("data.city = \"Paris\""), 9);
    assert_eq!(filter("data.city = \"Paris\" and (data.age >= 40 or name ~ \"customer 3\")"), 3);
    assert_eq!(filter("data.city != 'Paris'"), 17);
    assert_eq!(filter("data.vip = true"), 13);
    assert_eq!(filter("name = null"), 1);
    assert_eq!(filter("owner_id = @user.id"), 26);
    assert_eq!(filter("created_at > 2020-01-01"), 26);
    let cursor = list("limit=5")["next_cursor"].as_str().unwrap().to_owned();
    for bad in [
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=18446744073709551616",
        "limit=x",
        "sort=nothing",
        "sort=data",
        "filter=data.city%20%3D",
        "filter=nothing%20%3D%201",
        "filter=data.age%20%3D%20%22x%22",
        "cursor=AAAA",
        "deleted=maybe",
        "unknown=1",
        "fields=nothing",
        &format!("limit=5&sort=name&cursor={cursor}"),
        &format!("limit=5&filter=name%20!%3D%20null&cursor={cursor}"),
        &format!("limit=5&cursor={cursor}x"),
        &format!("filter={}", "(".repeat(5000)),
    ] {
        admin.get(&format!("/entities/customers?{bad}")).problem(422, "validation_failed");
    }
    let before = list("limit=5&sort=-created_at");
    admin.post("/entities/customers", &one(50, "Oslo")).expect(201);
    let next = list(&format!("limit=5&sort=-created_at&cursor={}", before["next_cursor"].as_str().unwrap()));
    assert!(names(&before).iter().all(|name| !names(&next).contains(name)), "pages stay right while rows come");
    let picked = list("fields=name,data.city&limit=1&sort=name");
    assert_eq!(picked["items"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name", "data"]);
    let page = admin.at(reqwest::Method::GET, "/api/v1/clients?limit=1");
    assert_eq!(admin.send(page).expect(200).json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn of_changes_to_one_version_one_wins() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let path = format!("/entities/customers/{}", admin.post("/entities/customers", &one(1, "Paris")).id());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let change = |number: u32| {
            let (admin, path) = (&admin, &path);
            scope.spawn(move || {
                let body = json!({"name": format!("Change {number}")});
                admin.send(admin.request(reqwest::Method::PATCH, path).header("if-match", "\"1\"").json(&body)).status
            })
        };
        let all: Vec<_> = (0..8).map(change).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 412)), "{statuses:?}");
    assert_eq!(admin.get(&path).expect(200).json()["version"], 2);
}

/// While a type becomes stricter, whatever is taken fits either the old schema before or the new one after.
#[test]
fn no_entity_slips_past_a_schema_that_changes() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let clear = || {
        for entity in admin.get("/entities/notes?limit=200").expect(200).json()["items"].as_array().unwrap() {
            admin.delete(&format!("/entities/notes/{}", entity["id"].as_str().unwrap())).expect(204);
        }
    };
    let mut stricter = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..150 {
                let status = admin.post("/entities/notes", &json!({"data": {"n": 1}})).status;
                assert!(matches!(status, 201 | 409 | 422), "{status}");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let schema = json!({"properties": {"n": {"type": "string"}}});
        while !writer.is_finished() {
            clear();
            let status = admin.patch("/entity-types/notes", &json!({"schema": schema})).status;
            assert!(matches!(status, 200 | 422), "{status}");
            if status == 200 {
                let total = admin.get("/entities/notes?count=true&limit=1").expect(200).json()["total"].clone();
                assert_eq!(total, 0, "an entity of the old shape is there under the new schema");
                stricter += 1;
            }
            admin.patch("/entity-types/notes", &json!({"schema": {}})).expect(200);
        }
    });
    assert!(stricter > 0, "the schema changed at least once");
    clear();
    let gone = admin.get("/entities/notes?deleted=only&limit=1").expect(200).json()["items"][0]["id"].clone();
    let restore = format!("/entities/notes/{}/restore", gone.as_str().unwrap());
    admin.patch("/entity-types/notes", &json!({"schema": {"properties": {"n": {"type": "string"}}}})).expect(200);
    admin.post(&restore, &json!({})).problem(422, "validation_failed");
    admin.patch("/entity-types/notes", &json!({"schema": {}})).expect(200);
    admin.post(&restore, &json!({})).expect(200);
}
