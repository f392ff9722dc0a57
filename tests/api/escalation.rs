//! Rights that somebody tries to give themselves, or others, beyond their own.

use crate::support::{Actor, PASSWORD, Site};
use serde_json::json;

const RULE: &str = "entities.customers:update:where(data.team = @user.data.team)";
const HELD: [&str; 8] = [
    "roles:read",
    "roles:create",
    "roles:update",
    "users:read",
    "users:create",
    "users:update",
    "entities.*:read",
    RULE,
];

/// Somebody who manages roles and users of the blue team.
fn manager(site: &Site, admin: &Actor) -> Actor {
    admin.post("/entity-types", &json!({"name": "customers", "fields": {"/iban": {"sensitivity": "restricted"}}}));
    admin.post("/entity-types", &json!({"name": "diaries", "owner_only": true})).expect(201);
    admin.post("/roles", &json!({"name": "manager", "permissions": HELD})).expect(201);
    let manager = site.user(admin, "manager", &["manager"]);
    admin.patch(&format!("/users/{}", manager.id), &json!({"data": {"team": "blue"}})).expect(200);
    manager
}

#[test]
fn nobody_grants_what_they_do_not_hold_by_any_wording() {
    let site = Site::new();
    let admin = site.admin();
    let manager = manager(&site, &admin);
    for permission in [
        "*",
        "users:delete",
        "entities.customers:update",
        "entities.customers:update:own",
        "entities.customers:update:where(name = null or name != null)",
        "entities.*:update:where(data.team = @user.data.team)",
        "entities.diaries:read",
        "entities.diaries:read:where(name != null)",
        "entities.customers:read:where(data.iban ~ \"DE\")",
    ] {
        let made = json!({"name": "wider", "permissions": [permission]});
        manager.post("/roles", &made).problem(403, "forbidden");
        let own: Vec<_> = HELD.iter().copied().chain([permission]).collect();
        manager.patch("/roles/manager", &json!({"permissions": own})).problem(403, "forbidden");
        admin.post("/roles", &json!({"name": "lure", "permissions": [permission]})).expect(201);
        manager
            .patch(&format!("/users/{}", manager.id), &json!({"roles": ["manager", "lure"]}))
            .problem(403, "forbidden");
        let friend = json!({"email": "friend@example.org", "roles": ["lure"]});
        manager.post("/users", &friend).problem(403, "forbidden");
        admin.delete("/roles/lure").expect(204);
    }
    for clearance in ["confidential", "restricted"] {
        manager.patch("/roles/manager", &json!({"clearance": clearance})).problem(403, "forbidden");
        manager.post("/roles", &json!({"name": "wider", "permissions": [], "clearance": clearance})).expect(403);
    }
    let held = ["entities.customers:read", "entities.diaries:read:own", RULE, "users:read"];
    manager.post("/roles", &json!({"name": "part", "permissions": held})).expect(201);
}

#[test]
fn a_row_rule_looks_at_no_field_above_its_writer_whoever_comes_to_hold_it() {
    let site = Site::new();
    let admin = site.admin();
    let manager = manager(&site, &admin);
    let refused = |permission: &str| {
        let made = json!({"name": "probe", "permissions": [permission]});
        manager.post("/roles", &made).problem(403, "forbidden")["detail"].as_str().unwrap().to_owned()
    };
    // Whoever may not read types is not told which fields there are.
    assert_eq!(
        refused("entities.customers:read:where(data.iban ~ \"DE\")"),
        "You cannot grant entities.customers:read:where(data.iban ~ \"DE\"), since you do not hold it."
    );
    // A type that comes later may keep anything there.
    for permission in
        ["entities.later:read:where(data.iban ~ \"DE\")", "entities.later:update:where(name = \"x\" or data.a.b = 1)"]
    {
        refused(permission);
        admin.post("/roles", &json!({"name": "lure", "permissions": [permission]})).expect(201);
        let friend = json!({"email": "friend@example.org", "roles": ["lure"]});
        manager.post("/users", &friend).problem(403, "forbidden");
        admin.delete("/roles/lure").expect(204);
    }
    for permission in ["entities.later:read", "entities.later:read:where(name = \"x\" or owner_id = @user.id)"] {
        let role = json!({"name": "fine", "permissions": [permission]});
        manager.post("/roles", &role).expect(201);
        manager.patch("/roles/fine", &json!({"permissions": []})).expect(200);
        admin.delete("/roles/fine").expect(204);
    }
    let held: Vec<_> = HELD.iter().copied().chain(["entity_types:read"]).collect();
    admin.patch("/roles/manager", &json!({"permissions": held})).expect(200);
    let told = refused("entities.customers:read:where(data.city = \"x\" or data.iban ~ \"DE\")");
    assert!(told.contains("data.iban is above your clearance") && !told.contains("data.city is"), "{told}");
    let told = refused("entities.later:read:where(data.iban ~ \"DE\")");
    assert!(told.contains("there is no type later"), "{told}");
}

#[test]
fn the_values_of_somebody_else_are_no_questions_about_a_hidden_field() {
    let site = Site::new();
    let admin = site.admin();
    let by_iban = "entities.customers:read:where(data.iban = @user.data.iban)";
    manager(&site, &admin);
    let held: Vec<_> = HELD.iter().copied().chain([by_iban]).collect();
    admin.patch("/roles/manager", &json!({"permissions": held})).expect(200);
    let manager = site.log_in("manager@example.org");
    admin.post("/roles", &json!({"name": "finder", "permissions": [by_iban]})).expect(201);
    admin.post("/entities/customers", &json!({"name": "Ada", "data": {"iban": "DE-1"}})).expect(201);
    let guess = |iban: &str| json!({"email": "friend@example.org", "password": PASSWORD, "roles": ["finder"], "data": {"iban": iban}});
    manager.post("/users", &guess("DE-1")).problem(403, "forbidden");
    let friend = admin.post("/users", &guess("DE-0")).expect(201).id();
    manager.patch(&format!("/users/{friend}"), &json!({"data": {"iban": "DE-1"}})).problem(403, "forbidden");
    admin.patch(&format!("/users/{friend}"), &json!({"data": {"iban": "DE-1"}})).expect(200);
    let seen = site.log_in("friend@example.org").get("/entities/customers").expect(200).json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "the rule itself works for whom the administrator says");
}

#[test]
fn a_row_rule_reaches_no_further_by_changing_who_it_asks_about() {
    let site = Site::new();
    let admin = site.admin();
    let manager = manager(&site, &admin);
    let red = admin.post("/entities/customers", &json!({"data": {"team": "red"}})).expect(201).id();
    let red = format!("/entities/customers/{red}");
    let me = format!("/users/{}", manager.id);
    for data in [json!({"team": "red"}), json!({"team": ["blue", "red"]})] {
        manager.patch(&me, &json!({"data": data})).problem(403, "forbidden");
        let other = json!({"email": "other@example.org", "roles": ["manager"], "data": data});
        manager.post("/users", &other).problem(403, "forbidden");
    }
    manager.patch(&red, &json!({"name": "taken"})).problem(403, "forbidden");
    let rival = site.user(&admin, "rival", &["manager"]);
    admin.patch(&format!("/users/{}", rival.id), &json!({"data": {"team": "red"}})).expect(200);
    let link = manager.request(reqwest::Method::POST, &format!("/users/{}/password-link", rival.id));
    manager.send(link).problem(403, "forbidden");
    manager.patch(&format!("/users/{}", rival.id), &json!({"name": "Still theirs"})).expect(200);
    manager.patch(&me, &json!({"data": {"team": "blue", "phone": "1"}})).expect(200);
    let mate = json!({"email": "mate@example.org", "roles": ["manager"], "data": {"team": "blue"}});
    manager.post("/users", &mate).expect(201);
}
