//! Keys for machines: made, used, limited, rotated, revoked.

use crate::support::{Actor, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

pub fn make(actor: &Actor, body: &Value) -> Value {
    actor.post("/api-keys", body).expect(201).json()
}

pub fn key_of(site: &Site, made: &Value) -> Actor {
    site.holder(made["key"].as_str().expect("a key"))
}

/// An account for a program, with a role of its own; answers its id.
fn service(admin: &Actor, role: &str, permissions: &[&str]) -> String {
    admin.post("/roles", &json!({"name": role, "permissions": permissions, "clearance": "internal"})).expect(201);
    let body = json!({"email": format!("{role}@example.org"), "kind": "service", "roles": [role]});
    admin.post("/users", &body).expect(201).id()
}

#[test]
fn a_key_is_shown_once_and_acts_within_its_scopes() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let answer =
        admin.post("/api-keys", &json!({"name": " nightly ", "scopes": ["entities.orders:create"]})).expect(201);
    let made = answer.json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(key.starts_with("ptk_") && key.len() == 47, "{key}");
    assert!(key.starts_with(made["prefix"].as_str().unwrap()));
    assert_eq!(answer.header("location"), format!("/api/v1/api-keys/{id}"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!((&made["name"], &made["owner_id"]), (&json!("nightly"), &json!(admin.id)));
    for path in [format!("/api-keys/{id}"), "/api-keys".to_owned(), "/audit?limit=200".to_owned()] {
        assert!(!admin.get(&path).expect(200).text.contains(key), "{path} shows the key");
    }
    let database = std::fs::read(site.folder.path().join("data/portcullis.db")).unwrap();
    let log = std::fs::read(site.folder.path().join("data/portcullis.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(key.len()).any(|window| window == key.as_bytes());
    assert!(!holds(&database) && !holds(&log), "the key stands in the database");

    let holder = key_of(&site, &made);
    let order = holder.post("/entities/orders", &json!({"name": "one"})).expect(201);
    holder.get(&format!("/entities/orders/{}", order.id())).problem(403, "forbidden");
    holder.get("/users").problem(403, "forbidden");
    let me = holder.get("/auth/me").expect(200).json();
    assert_eq!((&me["permissions"], &me["api_key"]["id"]), (&json!(["entities.orders:create"]), &json!(id)));
    let by_header = site.nobody();
    let send = |value: &str| by_header.send(by_header.request(Method::GET, "/auth/me").header("x-api-key", value));
    send(key).expect(200);
    for bad in [
        "",
        "ptk_",
        &key[..46],
        &format!("{}{}", &key[..46], if key.ends_with('A') { "B" } else { "A" }),
        admin.token.as_deref().unwrap(),
    ] {
        send(bad).problem(401, "unauthenticated");
        site.holder(bad).get("/api-keys").expect(if bad.starts_with('e') { 200 } else { 401 });
    }
    let twice = by_header.request(Method::GET, "/auth/me").header("x-api-key", key).header("x-api-key", key);
    by_header.send(twice).expect(401);
    by_header.get(&format!("/auth/me?api_key={key}")).expect(401);
    let event = admin.get("/audit?action=entity.created").expect(200).json()["items"][0].clone();
    assert_eq!(event["actor"], json!({"type": "api_key", "id": id, "label": "nightly"}));
}

#[test]
fn a_key_never_goes_beyond_its_owner() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/salary": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "people", "fields": fields})).expect(201);
    let person = admin.post("/entities/people", &json!({"name": "a", "data": {"salary": 1}})).expect(201).id();
    let analyst = site.user(&admin, "analyst", &["analyst"]);
    for scope in ["*", "users:read", "entities.people:delete"] {
        analyst.post("/api-keys", &json!({"name": "x", "scopes": [scope]})).problem(403, "forbidden");
        let body = json!({"name": "x", "scopes": [scope], "owner_id": analyst.id});
        admin.post("/api-keys", &body).problem(403, "forbidden");
    }
    let key =
        key_of(&site, &make(&analyst, &json!({"name": "x", "scopes": ["entities.*:read", "entities.people:update"]})));
    let seen = key.get(&format!("/entities/people/{person}")).expect(200).json();
    assert!(seen["data"].get("salary").is_none(), "{seen}");
    key.patch(&format!("/entities/people/{person}"), &json!({"name": "b"})).expect(200);
    // What the owner loses, the key loses on its next request; what comes back, comes back.
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": ["viewer"]})).expect(200);
    key.patch(&format!("/entities/people/{person}"), &json!({"name": "c"})).problem(403, "forbidden");
    key.get("/entities/people").expect(200);
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": []})).expect(200);
    key.get("/entities/people").problem(403, "forbidden");
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": ["analyst"]})).expect(200);
    key.patch(&format!("/entities/people/{person}"), &json!({"name": "c"})).expect(200);
    let role = json!({"name": "own_people", "permissions": ["entities.people:read:own"], "clearance": "internal"});
    admin.post("/roles", &role).expect(201);
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": ["own_people"]})).expect(200);
    key.get(&format!("/entities/people/{person}")).expect(404);
    assert_eq!(key.get("/entities/people").expect(200).json()["items"], json!([]));
}

#[test]
fn a_key_ends_with_its_owner_its_time_or_its_revocation() {
    let site = Site::new();
    let admin = site.admin();
    let owner = service(&admin, "importer", &["entity_types:read"]);
    let body = json!({"name": "x", "scopes": ["entity_types:read"], "owner_id": owner});
    let made = make(&admin, &body);
    let key = key_of(&site, &made);
    let user = format!("/users/{owner}");
    key.get("/entity-types").expect(200);
    for status in ["disabled", "pending"] {
        admin.patch(&user, &json!({"status": status})).expect(200);
        key.get("/entity-types").problem(401, "unauthenticated");
        admin.patch(&user, &json!({"status": "active"})).expect(200);
        key.get("/entity-types").expect(200);
    }
    admin.delete(&user).expect(204);
    key.get("/entity-types").problem(401, "unauthenticated");
    admin.post("/api-keys", &body).problem(422, "validation_failed");
    admin.post(&format!("{user}/restore"), &json!({})).expect(200);
    key.get("/entity-types").expect(200);

    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let end = |after: i64| portcullis::clock::Time(site.clock.now().millis() + after).to_string();
    admin.patch(&path, &json!({"expires_at": end(-1000)})).problem(422, "validation_failed");
    admin.patch(&path, &json!({"expires_at": end(90_000)})).expect(200);
    key.get("/entity-types").expect(200);
    site.clock.advance(90_000);
    key.get("/entity-types").problem(401, "unauthenticated");
    let admin = site.log_in("admin@example.org");
    admin.patch(&path, &json!({"expires_at": null})).expect(200);
    key.get("/entity-types").expect(200);
    admin.delete(&path).expect(204);
    for _ in 0..20 {
        key.get("/entity-types").problem(401, "unauthenticated");
    }
    admin.get(&path).expect(404);
    admin.delete(&path).expect(404);
    let revoked = admin.get("/audit?action=api_key.revoked").expect(200).json();
    assert_eq!(revoked["items"][0]["changes"]["before"]["name"], "x");
}

#[test]
fn a_rotated_key_works_beside_its_successor_until_the_overlap_ends() {
    let site = Site::new();
    let admin = site.admin();
    let made = make(&admin, &json!({"name": "x", "scopes": ["users:read"]}));
    let path = format!("/api-keys/{}/rotate", made["id"].as_str().unwrap());
    let first = key_of(&site, &made);
    for wrong in [json!({"overlap_minutes": 20_000}), json!({"overlap_minutes": -1}), json!({"overlap": 1})] {
        admin.post(&path, &wrong).problem(422, "validation_failed");
    }
    let rotated = admin.post(&path, &json!({"overlap_minutes": 5})).expect(200).json();
    let second = key_of(&site, &rotated);
    assert_eq!((&rotated["id"], &rotated["scopes"]), (&made["id"], &made["scopes"]));
    assert_ne!(rotated["prefix"], made["prefix"]);
    first.get("/users").expect(200);
    second.get("/users").expect(200);
    site.clock.advance(5 * 60_000);
    first.get("/users").problem(401, "unauthenticated");
    second.get("/users").expect(200);
    let third = key_of(&site, &admin.post(&path, &json!({})).expect(200).json());
    second.get("/users").problem(401, "unauthenticated");
    third.get("/users").expect(200);
}

#[test]
fn one_sees_and_changes_ones_own_keys_and_others_by_right() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let made = make(&admin, &json!({"name": "theirs", "scopes": ["users:read"]}));
    let theirs = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let mine = make(&viewer, &json!({"name": "mine", "scopes": ["entities.*:read"]}));
    let mine = format!("/api-keys/{}", mine["id"].as_str().unwrap());
    viewer.get(&theirs).expect(404);
    viewer.patch(&theirs, &json!({"name": "y"})).expect(404);
    viewer.post(&format!("{theirs}/rotate"), &json!({})).expect(404);
    viewer.delete(&theirs).expect(404);
    let body = json!({"name": "x", "scopes": [], "owner_id": admin.id});
    viewer.post("/api-keys", &body).problem(403, "forbidden");
    let names = |actor: &Actor, query: &str| {
        let list = actor.get(&format!("/api-keys{query}")).expect(200).json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&viewer, ""), ["mine"]);
    assert_eq!(names(&admin, "?sort=name"), ["mine", "theirs"]);
    assert_eq!(names(&admin, &format!("?filter=owner_id = \"{}\"", viewer.id)), ["mine"]);
    let first = admin.get("/api-keys?limit=1&count=true").expect(200).json();
    assert_eq!(first["total"], 2);
    let next = first["next_cursor"].as_str().unwrap();
    assert_eq!(names(&admin, &format!("?limit=1&cursor={next}")).len(), 1);
    admin.get("/api-keys?filter=fingerprint = \"x\"").problem(422, "validation_failed");
    assert!(!viewer.get(&format!("/api-keys?filter=owner_id = \"{}\"", admin.id)).expect(200).text.contains("theirs"));

    let shown = viewer.get(&mine).expect(200);
    let renamed = viewer.send(
        viewer.request(Method::PATCH, &mine).header("if-match", shown.header("etag")).json(&json!({"name": "other"})),
    );
    assert_eq!(renamed.expect(200).json()["name"], "other");
    let stale = viewer.request(Method::DELETE, &mine).header("if-match", shown.header("etag"));
    viewer.send(stale).problem(412, "precondition_failed");
    for wrong in [
        json!({"name": ""}),
        json!({"scopes": ["*"]}),
        json!({"owner_id": admin.id}),
        json!({"rate_limit": {"per_minute": 0}}),
        json!({"key": "ptk_mine"}),
    ] {
        viewer.patch(&mine, &wrong).problem(422, "validation_failed");
    }
    for wrong in [
        json!({"scopes": []}),
        json!({"name": "x"}),
        json!({"name": "x", "scopes": ["ghosts:read"]}),
        json!({"name": "x", "scopes": ["users"]}),
        json!({"name": "x", "scopes": [], "expires_at": "2020-01-01T00:00:00Z"}),
        json!({"name": "x", "scopes": [], "expires_at": "tomorrow"}),
        json!({"name": "a\u{0}b", "scopes": []}),
        json!({"name": "x".repeat(101), "scopes": []}),
    ] {
        viewer.post("/api-keys", &wrong).problem(422, "validation_failed");
    }
    // Somebody who may look after keys, but may do less than the key, does not get to know its secret.
    admin.post("/roles", &json!({"name": "keeper", "permissions": ["api_keys:read", "api_keys:update"]})).expect(201);
    let keeper = site.user(&admin, "keeper", &["keeper"]);
    keeper.get(&theirs).expect(200);
    keeper.post(&format!("{theirs}/rotate"), &json!({})).problem(403, "forbidden");
    keeper.delete(&theirs).problem(403, "forbidden");
    admin.delete(&mine).expect(204);
}

#[test]
fn a_key_has_no_session_and_makes_no_key_unless_it_may() {
    let site = Site::new();
    let admin = site.admin();
    let end = portcullis::clock::Time(site.clock.now().millis() + 3_600_000).to_string();
    let key = key_of(&site, &make(&admin, &json!({"name": "all", "scopes": ["*"], "expires_at": end})));
    let reader = key_of(&site, &make(&admin, &json!({"name": "reader", "scopes": ["users:read"]})));
    let password = json!({"current_password": PASSWORD, "new_password": "nine copper weathervanes"});
    for (method, path, body) in [
        (Method::POST, "/auth/logout", json!({})),
        (Method::POST, "/auth/logout-all", json!({})),
        (Method::POST, "/auth/password", password),
        (Method::PATCH, "/auth/me", json!({"name": "x"})),
        (Method::GET, "/auth/sessions", json!({})),
    ] {
        key.send(key.request(method, path).json(&body)).problem(403, "forbidden");
    }
    admin.get("/auth/me").expect(200);
    for request in [Method::GET, Method::POST] {
        let body = json!({"name": "x", "scopes": ["users:read"]});
        reader.send(reader.request(request, "/api-keys").json(&body)).problem(403, "forbidden");
    }
    key.post("/api-keys", &json!({"name": "x", "scopes": ["*"]})).problem(422, "validation_failed");
    let child = make(&key, &json!({"name": "child", "scopes": ["users:read"], "expires_at": end}));
    let created = admin.get("/audit?action=api_key.created").expect(200).json();
    assert_eq!(created["items"][0]["actor"]["type"], "api_key");
    let path = format!("/api-keys/{}", child["id"].as_str().unwrap());
    key.patch(&path, &json!({"expires_at": null})).problem(422, "validation_failed");
    let part = key_of(&site, &make(&admin, &json!({"name": "part", "scopes": ["api_keys:create", "users:read"]})));
    part.post("/api-keys", &json!({"name": "x", "scopes": ["*"]})).problem(403, "forbidden");
    part.post("/api-keys", &json!({"name": "x", "scopes": ["users:read"]})).expect(201);
}

#[test]
fn a_service_account_calls_with_keys_and_never_signs_in() {
    let site = Site::new();
    let admin = site.admin();
    let body = json!({"email": "robot@example.org", "kind": "service", "password": PASSWORD});
    admin.post("/users", &body).problem(422, "validation_failed");
    let body = json!({"email": "robot@example.org", "kind": "service", "roles": ["system"]});
    let robot = admin.post("/users", &body).expect(201);
    assert!(robot.json().get("set_password_url").is_none());
    let path = format!("/users/{}", robot.id());
    admin.post(&format!("{path}/password-link"), &json!({})).problem(409, "conflict");
    let person = site.user(&admin, "person", &["viewer"]);
    admin.patch(&format!("/users/{}", person.id), &json!({"roles": ["system"]})).problem(422, "validation_failed");
    let body = json!({"name": "worker", "scopes": ["entities.*:create", "entities.*:read"], "owner_id": robot.id()});
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let key = key_of(&site, &make(&admin, &body));
    let order = key.post("/entities/orders", &json!({"name": "one"})).expect(201).json();
    assert_eq!(order["created_by"], robot.id());
    // Somebody who becomes a service has no session and no password any more.
    admin.patch(&format!("/users/{}", person.id), &json!({"kind": "service"})).expect(200);
    person.get("/auth/me").problem(401, "unauthenticated");
    let body = json!({"refresh_token": person.refresh_token});
    site.nobody().post("/auth/refresh", &body).problem(401, "invalid_credentials");
    let body = json!({"email": "person@example.org", "password": PASSWORD});
    site.nobody().post("/auth/login", &body).problem(401, "invalid_credentials");
}

#[test]
fn the_last_use_is_kept_to_a_minute() {
    let site = Site::new();
    let admin = site.admin();
    let made = make(&admin, &json!({"name": "x", "scopes": ["users:read"]}));
    assert_eq!(made["last_used_at"], Value::Null);
    let key = key_of(&site, &made);
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let used = |differs_from: &Value| {
        for _ in 0..200 {
            let now = admin.get(&path).expect(200).json()["last_used_at"].clone();
            if now != *differs_from {
                return now;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the use was not noted");
    };
    key.get("/users").expect(200);
    let first = used(&Value::Null);
    site.clock.advance(30_000);
    key.get("/users").expect(200);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(admin.get(&path).expect(200).json()["last_used_at"], first);
    site.clock.advance(31_000);
    key.get("/users").expect(200);
    used(&first);
}
