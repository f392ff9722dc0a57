//! Users: made, found, changed, deleted and restored, and what nobody may do to them.

use crate::support::{PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};

#[test]
fn a_user_is_made_read_changed_deleted_and_restored() {
    let site = Site::new();
    let admin = site.admin();
    let body = json!({"email": "Jo@Example.ORG", "name": "Jo", "roles": ["viewer"], "data": {"team": "north"}});
    let made = admin.post("/users", &body).expect(201);
    let user = made.json();
    let path = format!("/users/{}", made.id());
    assert_eq!(made.header("location"), format!("/api/v1{path}"));
    assert_eq!(
        (&user["email"], &user["kind"], &user["status"]),
        (&json!("Jo@example.org"), &json!("person"), &json!("active"))
    );
    assert!(user.get("password").is_none());
    let shown = admin.get(&path).expect(200);
    let tag = shown.header("etag").to_owned();
    admin.send(admin.request(Method::GET, &path).header("if-none-match", &tag)).expect(304);
    let changed = admin.patch(&path, &json!({"name": null, "data": {"team": null, "desk": 4}})).expect(200).json();
    assert_eq!((&changed["name"], &changed["data"]), (&Value::Null, &json!({"desk": 4})));
    let stale = admin.request(Method::PATCH, &path).header("if-match", &tag).json(&json!({"name": "late"}));
    admin.send(stale).problem(412, "precondition_failed");
    admin.post("/users", &json!({"email": "jo@example.org"})).problem(409, "conflict");
    admin.delete(&path).expect(204);
    admin.delete(&path).problem(404, "not_found");
    admin.patch(&path, &json!({"name": "x"})).problem(404, "not_found");
    admin.get(&path).problem(404, "not_found");
    let gone = admin.get(&format!("{path}?deleted=include")).expect(200).json();
    assert!(gone["deleted_at"].is_string());
    assert_eq!(gone["deleted_by"], admin.id.as_str());
    let second = admin.post("/users", &json!({"email": "jo@example.org"})).expect(201).id();
    admin.post(&format!("{path}/restore"), &json!({})).problem(409, "conflict");
    admin.delete(&format!("/users/{second}")).expect(204);
    let back = admin.post(&format!("{path}/restore"), &json!({})).expect(200).json();
    assert_eq!((&back["deleted_at"], &back["roles"]), (&Value::Null, &json!(["viewer"])));
    for absent in ["/users/not-an-id", "/users/01980000-0000-7000-8000-000000000000"] {
        admin.get(absent).problem(404, "not_found");
    }
}

#[test]
fn what_may_not_be_set_is_named_and_nothing_changes() {
    let site = Site::new();
    let admin = site.admin();
    let path = format!("/users/{}", site.user(&admin, "jo", &[]).id);
    let before = admin.get(&path).json();
    for field in ["id", "created_at", "deleted_at", "version", "password", "locked_until", "mfa_enabled", "owner_id"] {
        let problem = admin.patch(&path, &json!({"name": "x", field: "y"})).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
    }
    for (body, pointer) in [
        (json!({"email": "no address"}), "/email"),
        (json!({"roles": ["ghost"]}), "/roles/0"),
        (json!({"roles": ["viewer", "viewer"]}), "/roles/1"),
        (json!({"roles": ["anonymous"]}), "/roles/0"),
        (json!({"roles": ["system"]}), "/roles/0"),
        (json!({"roles": "admin"}), "/roles"),
        (json!({"status": "gone"}), "/status"),
        (json!({"name": "a\u{0}b"}), "/name"),
        (json!({"name": "x".repeat(201)}), "/name"),
        (json!({"data": {"x": "y".repeat(11_000)}}), "/data"),
    ] {
        let problem = admin.patch(&path, &body).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    admin.patch(&path, &json!(["name"])).problem(422, "validation_failed");
    let own = site.log_in("jo@example.org");
    for field in ["email", "roles", "status", "data", "password"] {
        own.patch("/auth/me", &json!({field: "admin"})).problem(422, "validation_failed");
    }
    assert_eq!(admin.get(&path).json()["updated_at"], before["updated_at"]);
    assert_eq!(own.patch("/auth/me", &json!({"name": "Jo"})).expect(200).json()["name"], "Jo");
}

#[test]
fn the_last_administrator_stays() {
    let site = Site::new();
    let admin = site.admin();
    let path = format!("/users/{}", admin.id);
    let refused = |admin: &crate::support::Actor| {
        admin.delete(&path).problem(409, "conflict");
        for change in [
            json!({"roles": ["viewer"]}),
            json!({"status": "disabled"}),
            json!({"status": "pending"}),
            json!({"kind": "service"}),
        ] {
            admin.patch(&path, &change).problem(409, "conflict");
        }
    };
    refused(&admin);
    let body = json!({"email": "robot@example.org", "kind": "service", "roles": ["admin"]});
    admin.post("/users", &body).expect(201);
    refused(&admin);
    admin.get("/auth/me").expect(200);
    site.user(&admin, "second", &["admin"]);
    admin.delete(&path).expect(204);
    admin.get("/auth/me").problem(401, "unauthenticated");
}

#[test]
fn nobody_grants_or_takes_over_what_they_do_not_hold() {
    let site = Site::new();
    let admin = site.admin();
    let rights = [
        "users:read",
        "users:create",
        "users:update",
        "users:delete",
        "roles:create",
        "roles:update",
        "entities.*:read",
    ];
    admin.post("/roles", &json!({"name": "desk", "permissions": rights, "clearance": "internal"})).expect(201);
    let desk = site.user(&admin, "desk", &["desk"]);
    let jo = site.user(&admin, "jo", &[]);
    for role in ["admin", "analyst", "viewer"] {
        let status = desk.patch(&format!("/users/{}", jo.id), &json!({"roles": [role]})).status;
        assert_eq!(status, 403, "{role}");
        let body = json!({"email": format!("{role}@example.org"), "password": PASSWORD, "roles": [role]});
        desk.post("/users", &body).problem(403, "forbidden");
    }
    desk.patch(&format!("/users/{}", desk.id), &json!({"roles": ["desk", "admin"]})).problem(403, "forbidden");
    desk.patch(&format!("/users/{}", jo.id), &json!({"roles": ["desk"]})).expect(200);
    let above = format!("/users/{}", admin.id);
    desk.post(&format!("{above}/password-link"), &json!({})).problem(403, "forbidden");
    desk.patch(&above, &json!({"email": "desk2@example.org"})).problem(403, "forbidden");
    desk.delete(&above).problem(403, "forbidden");
    desk.post("/roles", &json!({"name": "sneaky", "permissions": ["*"]})).problem(403, "forbidden");
    desk.post("/roles", &json!({"name": "sneaky", "permissions": [], "clearance": "restricted"}))
        .problem(403, "forbidden");
    desk.patch("/roles/desk", &json!({"permissions": ["audit:read"]})).problem(403, "forbidden");
    desk.patch("/roles/anonymous", &json!({"permissions": ["users:read"]})).expect(200);
    assert_eq!(admin.get(&above).json()["email"], "admin@example.org");
}

#[test]
fn users_are_listed_in_pages_that_filter_and_sort() {
    let site = Site::new();
    let admin = site.admin();
    for name in ["cy", "bo", "al", "di"] {
        admin
            .post(
                "/users",
                &json!({"email": format!("{name}@example.org"), "name": name, "data": {"team": name.len()}}),
            )
            .expect(201);
    }
    let emails = |path: &str| -> Vec<String> {
        let page = admin.get(path).expect(200).json();
        page["items"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    let first = admin.get("/users?sort=email&limit=2&count=true").expect(200).json();
    assert_eq!(first["total"], 5);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(emails(&format!("/users?sort=email&limit=2&cursor={cursor}")), ["bo@example.org", "cy@example.org"]);
    assert_eq!(emails("/users?filter=name%20~%20%22B%22"), ["bo@example.org"]);
    assert_eq!(emails("/users?filter=data.team%20%3D%202%20and%20email%20~%20%22c%22"), ["cy@example.org"]);
    assert_eq!(
        admin.get("/users?fields=email&filter=name%20%3D%20%22al%22").json()["items"][0].as_object().unwrap().len(),
        2
    );
    for bad in [
        format!("sort=name&cursor={cursor}"),
        "cursor=AAAA".into(),
        "limit=0".into(),
        "limit=201".into(),
        "sort=password".into(),
        "filter=password%20~%20%22a%22".into(),
        "filter=email_key%20%3D%20%22a%22".into(),
        "filter=name%20~".into(),
        "fields=password".into(),
        "deleted=yes".into(),
        "admin=true".into(),
    ] {
        admin.get(&format!("/users?{bad}")).problem(422, "validation_failed");
    }
}
