//! Another's object does not exist for whoever reaches only their own: by every route that names one, and by every
//! way that leads to one. What a write may not set is named, and nothing changes.

use crate::support::{Actor, Site};
use portcullis::{permit::Route, server::routes::routes};
use reqwest::Method;
use serde_json::{Value, json};

const ACTIONS: [&str; 5] = ["read", "create", "update", "delete", "export"];

/// Somebody who reaches their own entities, relationships and files, by every action.
fn keeper(site: &Site, admin: &Actor, name: &str) -> Actor {
    let mut permissions: Vec<_> = ACTIONS.map(|action| format!("entities.notes:{action}:own")).into();
    for resource in ["relationships", "files"] {
        permissions.extend(["read", "create", "update", "delete"].map(|action| format!("{resource}:{action}:own")));
    }
    let role = json!({"name": name, "permissions": permissions, "clearance": "restricted"});
    admin.post("/roles", &role).expect(201);
    site.user(admin, name, &[name])
}

fn body_of(route: &Route) -> Value {
    match route.path {
        "/entities/{type}/{id}" | "/relationships/{id}" => json!({"data": {"a": 2}}),
        _ => json!({}),
    }
}

#[test]
fn every_route_to_anothers_object_says_that_there_is_none() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let (mine, other) = (keeper(&site, &admin, "mona"), keeper(&site, &admin, "otto"));
    let note = || mine.post("/entities/notes", &json!({"name": "secret plan", "data": {"a": 1}})).expect(201).id();
    let (one, two) = (note(), note());
    let own = other.post("/entities/notes", &json!({"name": "own"})).expect(201).id();
    mine.patch(&format!("/entities/notes/{one}"), &json!({"name": "secret plan 2"})).expect(200);
    let join = mine.post("/relationships", &json!({"from_id": one, "to_id": two, "type": "knows"})).expect(201).id();
    let before = admin.get("/entities/notes?sort=id").expect(200).text;
    let mut asked = 0;
    for route in routes() {
        let id = match route.path {
            path if path.starts_with("/entities/{type}/{id}") => &one,
            path if path.starts_with("/relationships/{id}") => &join,
            _ => continue,
        };
        let path = route.path.replace("{type}", "notes").replace("{id}", id).replace("{version}", "1");
        let method: Method = route.method.as_str().parse().unwrap();
        let request = other.request(method.clone(), &path);
        let answer = other.send(if method == Method::GET { request } else { request.json(&body_of(&route)) });
        assert!(matches!(answer.status, 404 | 403), "{method} {path}: {} {}", answer.status, answer.text);
        // Missing rights are told before; what is told of the object itself is that it is not there.
        assert!(answer.status == 404 || answer.text.contains("permission"), "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("secret plan"), "{method} {path}: {}", answer.text);
        asked += 1;
    }
    assert!(asked >= 12, "{asked}");

    for query in ["", "?q=secret", "?filter=name%20~%20%22secret%22&count=true", "?deleted=include", "?sort=name"] {
        let list = other.get(&format!("/entities/notes{query}")).expect(200);
        assert!(!list.text.contains("secret plan"), "{query}: {}", list.text);
    }
    assert!(!other.get("/entities/notes/aggregate?group_by=name").expect(200).text.contains("secret"));
    assert!(!other.get("/entities/notes/export").expect(200).text.contains("secret"));
    assert_eq!(other.get("/relationships").expect(200).json()["items"], json!([]));
    for operation in [
        json!({"op": "update", "type": "notes", "id": one, "data": {"a": 3}}),
        json!({"op": "delete", "type": "notes", "id": one}),
    ] {
        other.post("/batch", &json!({"operations": [operation]})).problem(422, "validation_failed");
    }
    for (from, to) in [(&own, &one), (&one, &own)] {
        let joined = other.post("/relationships", &json!({"from_id": from, "to_id": to, "type": "knows"}));
        joined.problem(422, "validation_failed");
    }
    let row = format!("{}\n", json!({"id": one, "name": "taken"}));
    let import = other.request(Method::POST, "/entities/notes/import").header("content-type", "application/x-ndjson");
    other.send(import.body(row)).problem(422, "validation_failed");
    let after = admin.get("/entities/notes?sort=id").expect(200).text;
    assert_eq!(after, before, "nothing changed");
}

#[test]
fn what_a_write_may_not_set_is_named_and_nothing_changes() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let path = format!("/entities/notes/{}", admin.post("/entities/notes", &json!({"data": {}})).expect(201).id());
    let before = admin.get(&path).expect(200).text;
    let other = "01980000-0000-7000-8000-000000000000";
    for (member, value) in [
        ("id", json!(other)),
        ("type", json!("orders")),
        ("version", json!(9)),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("updated_at", json!("2020-01-01T00:00:00Z")),
        ("created_by", json!(other)),
        ("updated_by", json!(other)),
        ("deleted_at", json!("2020-01-01T00:00:00Z")),
        ("deleted_by", json!(other)),
        ("roles", json!(["admin"])),
        ("status", json!("active")),
        ("confidence", json!("0.5")),
        ("confidence", json!(1.5)),
        ("name", json!(5)),
        ("owner_id", json!(other)),
    ] {
        let body = json!({member: value, "data": {"a": 1}});
        for answer in [admin.patch(&path, &body), admin.put(&path, &body), admin.post("/entities/notes", &body)] {
            let problem = answer.problem(422, "validation_failed");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{problem}");
        }
    }
    assert_eq!(admin.get(&path).expect(200).text, before);
    assert_eq!(admin.get("/entities/notes?count=true").expect(200).json()["total"], 1);
}

#[test]
fn what_a_write_to_files_and_relationships_may_not_set_is_named() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let ends: Vec<_> = (0..3).map(|_| admin.post("/entities/notes", &json!({})).expect(201).id()).collect();
    let join = json!({"from_id": ends[0], "to_id": ends[1], "type": "knows", "data": {"a": 1}});
    let join = format!("/relationships/{}", admin.post("/relationships", &join).expect(201).id());
    let file = admin.upload("a.txt", b"words").expect(201).id();
    crate::files::processed(&admin, &file);
    let file = format!("/files/{file}");
    let state = || [&join, &file].map(|path| admin.get(path).expect(200).text);
    let before = state();
    let other = "01980000-0000-7000-8000-000000000000";
    let moment = "2020-01-01T00:00:00Z";
    let common = [
        ("id", json!(other)),
        ("version", json!(9)),
        ("created_at", json!(moment)),
        ("updated_at", json!(moment)),
        ("created_by", json!(other)),
        ("updated_by", json!(other)),
        ("deleted_at", json!(moment)),
        ("deleted_by", json!(other)),
        ("owner_id", json!(other)),
        ("roles", json!(["admin"])),
        ("status", json!("active")),
    ];
    let of_files = [
        ("content_type", json!("text/html")),
        ("size", json!(1)),
        ("sha256", json!("0".repeat(64))),
        ("state", json!("ready")),
        ("details", json!({"lines": 9})),
        ("error", json!("none")),
        ("content", json!("../other")),
        ("job_id", json!(other)),
    ];
    // What they join, and as what, is said once.
    let of_joins = [
        ("from_id", json!(ends[2])),
        ("to_id", json!(ends[2])),
        ("type", json!("hates")),
        ("deleted_with", json!(ends[2])),
    ];
    let named = |answer: crate::support::Answer, member: &str| {
        let problem = answer.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{problem}");
        assert_eq!(state(), before, "{member}");
    };
    for (member, value) in common.iter().chain(&of_files) {
        named(admin.patch(&file, &json!({*member: value, "name": "b.txt"})), member);
        let bring = json!({"method": "PUT", "name": "c.txt", "content_type": "text/plain", "size": 5, *member: value});
        if !["content_type", "size"].contains(member) {
            named(admin.post("/files/presign", &bring), member);
        }
    }
    for (member, value) in common.iter().chain(&of_joins) {
        named(admin.patch(&join, &json!({*member: value, "data": {"a": 2}})), member);
    }
    for (member, value) in common.iter().chain(&of_joins[3..]) {
        let body = json!({"from_id": ends[1], "to_id": ends[2], "type": "knows", *member: value});
        named(admin.post("/relationships", &body), member);
    }
    // A form has two parts, and no others.
    for (member, value) in common.iter().chain(&of_files) {
        let form = reqwest::blocking::multipart::Form::new().text((*member).to_owned(), value.to_string());
        let part = reqwest::blocking::multipart::Part::bytes(b"words".to_vec()).file_name("d.txt");
        admin.upload_with(form.part("file", part)).problem(422, "validation_failed");
    }
    assert_eq!(admin.get("/files?count=true&deleted=include").expect(200).json()["total"], 1);
    assert_eq!(admin.get("/relationships?count=true&deleted=include").expect(200).json()["total"], 1);
    assert_eq!(state(), before);
}
