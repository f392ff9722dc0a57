//! Roles, the catalogue of permissions and the matrix.

use crate::support::Site;
use reqwest::Method;
use serde_json::json;

#[test]
fn built_in_roles_are_there_and_stay() {
    let site = Site::new();
    let admin = site.admin();
    let roles = admin.get("/roles").expect(200).json();
    let names: Vec<_> = roles["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "analyst", "anonymous", "system", "viewer"]);
    let clearance = |name: &str| admin.get(&format!("/roles/{name}")).expect(200).json()["clearance"].clone();
    assert_eq!(
        [clearance("viewer"), clearance("analyst"), clearance("admin")],
        ["internal", "confidential", "restricted"]
    );
    assert_eq!(admin.get("/roles/anonymous").json()["permissions"], json!([]));
    for name in names {
        admin.delete(&format!("/roles/{name}")).problem(409, "conflict");
    }
    admin.patch("/roles/admin", &json!({"permissions": []})).problem(409, "conflict");
}

#[test]
fn a_role_is_made_changed_and_deleted_once_nobody_has_it() {
    let site = Site::new();
    let admin = site.admin();
    let permissions = ["entities.customers:read", "entities.customers:update:own", "entities.customers:read"];
    let body = json!({"name": "clerk", "permissions": permissions, "rate_limit": {"per_minute": 100}});
    let made = admin.post("/roles", &body).expect(201);
    assert_eq!(made.header("location"), "/api/v1/roles/clerk");
    assert_eq!(made.json()["permissions"], json!(permissions[..2]));
    assert_eq!((&made.json()["clearance"], &made.json()["built_in"]), (&json!("internal"), &json!(false)));
    admin.post("/roles", &body).problem(409, "conflict");
    let tag = admin.get("/roles/clerk").header("etag").to_owned();
    let changed = admin.patch("/roles/clerk", &json!({"rate_limit": null, "clearance": "public"})).expect(200).json();
    assert_eq!((&changed["rate_limit"], &changed["clearance"]), (&json!(null), &json!("public")));
    admin
        .send(admin.request(Method::DELETE, "/roles/clerk").header("if-match", tag))
        .problem(412, "precondition_failed");
    let jo = site.user(&admin, "jo", &["clerk"]);
    admin.delete("/roles/clerk").problem(409, "conflict");
    admin.patch(&format!("/users/{}", jo.id), &json!({"roles": []})).expect(200);
    admin.delete("/roles/clerk").expect(204);
    admin.get("/roles/clerk").problem(404, "not_found");
}

#[test]
fn what_is_no_role_is_refused_by_field() {
    let site = Site::new();
    let admin = site.admin();
    for (body, pointer) in [
        (json!({"name": "Clerk", "permissions": []}), "/name"),
        (json!({"name": "clerk", "permissions": ["ghosts:read"]}), "/permissions/0"),
        (json!({"name": "clerk", "permissions": ["users:read", "users:fly"]}), "/permissions/1"),
        (json!({"name": "clerk", "permissions": ["entities.a:read:where(data.x = )"]}), "/permissions/0"),
        (json!({"name": "clerk", "permissions": [], "clearance": "secret"}), "/clearance"),
        (json!({"name": "clerk", "permissions": [], "rate_limit": {"per_minute": 0}}), "/rate_limit/per_minute"),
        (json!({"name": "clerk", "permissions": [], "rate_limit": {"per_hour": 1}}), "/rate_limit/per_hour"),
        (json!({"name": "clerk", "permissions": [], "built_in": true}), "/built_in"),
        (json!({"name": "clerk"}), "/permissions"),
    ] {
        let problem = admin.post("/roles", &body).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    assert_eq!(admin.get("/roles?count=true").json()["total"], 5);
}

#[test]
fn the_matrix_is_what_is_enforced() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/iban": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    let own = ["entities.customers:update:own", "entities.customers:read"];
    admin.post("/roles", &json!({"name": "clerk", "permissions": own})).expect(201);
    let matrix = admin.get("/access-matrix").expect(200).json();
    let resource = |name: &str| {
        let resources = matrix["resources"].as_array().unwrap();
        resources.iter().find(|resource| resource["name"] == name).unwrap()["grants"].clone()
    };
    assert_eq!(resource("entities.customers")["clerk"], json!({"read": "any", "update": "own"}));
    assert_eq!(resource("entities.customers")["viewer"], json!({"read": "any"}));
    assert_eq!(resource("users").as_object().unwrap().keys().collect::<Vec<_>>(), ["admin"]);
    let iban = matrix["fields"].as_array().unwrap().iter().find(|field| field["path"] == "/iban").unwrap();
    assert_eq!((&iban["type"], &iban["readable_by"]), (&json!("customers"), &json!(["admin", "system"])));
    let catalogue = admin.get("/permissions").expect(200).json();
    let named = |name: &str| catalogue["items"].as_array().unwrap().iter().any(|entry| entry["resource"] == name);
    assert!(named("entities.*") && named("entities.customers") && named("kill_switch"));
}

#[test]
fn the_matrix_has_keys_and_what_a_field_comes_to() {
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "bank": {"type": "object"}}});
    let fields = json!({"/bank": {"sensitivity": "restricted"}, "/bank/name": {"sensitivity": "public"}});
    let body = json!({"name": "customers", "schema": schema, "fields": fields});
    admin.post("/entity-types", &body).expect(201);
    let analyst = site.user(&admin, "analyst", &["analyst"]);
    let scopes = json!({"name": "Nightly | import", "scopes": ["entities.customers:read", "entities.customers:update"],
                        "owner_id": analyst.id});
    let key = admin.post("/api-keys", &scopes).expect(201).id();
    let gone = json!({"name": "Gone", "scopes": ["users:read"], "expires_at": "2038-01-01T00:00:00Z"});
    admin.post("/api-keys", &gone).expect(201);
    site.clock.advance(13 * 365 * 86_400_000);
    let admin = site.log_in("admin@example.org");
    let matrix = admin.get("/access-matrix").expect(200).json();
    let keys = matrix["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["name"]), (1, &json!("Nightly | import")), "one that expired allows nothing");
    let held = json!({"entities.customers": {"read": "any", "update": "any"}});
    assert_eq!((&keys[0]["grants"], &keys[0]["clearance"]), (&held, &json!("confidential")));
    let field = |path: &str| {
        let fields = matrix["fields"].as_array().unwrap();
        fields.iter().find(|field| field["path"] == path).cloned().unwrap_or_default()
    };
    assert_eq!(field("/bank/name")["sensitivity"], "restricted", "what covers it counts");
    assert_eq!(field("/bank/name")["readable_by"], json!(["admin", "system"]));
    assert_eq!((&field("/city")["sensitivity"], &field("/city")["marked"]), (&json!("internal"), &json!(false)));
    assert_eq!(field("/city")["readable_by_keys"], json!([key]));
    assert_eq!(field("/bank")["readable_by_keys"], json!([]));
    // The matrix says what is enforced.
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": []})).expect(200);
    assert_eq!(admin.get("/access-matrix").expect(200).json()["keys"][0]["grants"], json!({}));

    let document = admin.get("/access-matrix?format=markdown").expect(200);
    assert_eq!(document.header("content-type"), "text/markdown; charset=utf-8");
    for line in [
        "| Resource | Action | admin | analyst | anonymous | system | viewer |",
        "| entities.customers | read | any | any | – | any | any |",
        "| Nightly \\| import | analyst@example.org | public | nobody |",
        "| customers | /bank/name | restricted | admin; system | nobody |",
    ] {
        assert!(document.text.lines().any(|found| found == line), "{line}\n{}", document.text);
    }
    admin.get("/access-matrix?format=pdf").problem(422, "validation_failed");
    let role = json!({"name": "designer", "permissions": ["roles:read"]});
    admin.post("/roles", &role).expect(201);
    let designer = site.user(&admin, "designer", &["designer"]);
    let seen = designer.get("/access-matrix").expect(200);
    assert!(!seen.text.contains("Nightly") && seen.json().get("keys").is_none());
}
