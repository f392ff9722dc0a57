//! What bounds a key beside its scopes: limits, the kill switch, other people's rights, and its owner's second factor.

use crate::{
    api_keys::{key_of, make},
    support::{PASSWORD, Site},
};
use serde_json::json;

#[test]
fn a_key_has_a_limit_of_its_own_and_lifts_none_of_its_owners() {
    let site = Site::with(&[]);
    let admin = site.admin();
    let limited = make(&admin, &json!({"name": "x", "scopes": ["users:read"], "rate_limit": {"per_minute": 3}}));
    let key = key_of(&site, &limited);
    let answer = key.get("/users").expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=3;w=60");
    let refused = (0..10).find(|_| key.get("/users").status == 429).expect("a limit");
    assert!(refused <= 3, "{refused}");
    key.get("/users").problem(429, "rate_limited");
    admin.get("/users").expect(200);
    admin.patch(&format!("/api-keys/{}", limited["id"].as_str().unwrap()), &json!({"rate_limit": null})).expect(200);
    key.get("/users").expect(200);

    let role = json!({"name": "slow", "permissions": ["users:read"], "rate_limit": {"per_minute": 20}});
    admin.post("/roles", &role).expect(201);
    let body = json!({"email": "slow@example.org", "kind": "service", "roles": ["slow"]});
    let owner = admin.post("/users", &body).expect(201).id();
    let keys: Vec<_> = (0..10)
        .map(|number| make(&admin, &json!({"name": format!("{number}"), "scopes": ["users:read"], "owner_id": owner, "rate_limit": {"per_minute": 1000}})))
        .map(|made| key_of(&site, &made))
        .collect();
    let asked = (0..100).find(|number| keys[number % 10].get("/users").status == 429).expect("a limit");
    assert!((18..=25).contains(&asked), "{asked}");
    for key in keys {
        assert_eq!(key.get("/users").header("ratelimit-policy"), "\"key\";q=1000;w=60, \"caller\";q=20;w=60");
    }
    // A bad key counts by address, like no key.
    let bad = site.holder("ptk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert!((0..30).any(|_| bad.get("/users").status == 429));
}

#[test]
fn a_key_with_the_scope_flips_the_kill_switch_without_a_password() {
    let site = Site::new();
    let admin = site.admin();
    let flipper = key_of(&site, &make(&admin, &json!({"name": "alarm", "scopes": ["kill_switch:write"]})));
    let other = key_of(&site, &make(&admin, &json!({"name": "other", "scopes": ["kill_switch:read", "users:read"]})));
    let close = json!({"active": true, "scope": "all", "reason": "intruder"});
    other.put("/kill-switch", &close).problem(403, "forbidden");
    admin.put("/kill-switch", &close).problem(403, "reauthentication_required");
    let state = flipper.put("/kill-switch", &close).expect(200).json();
    assert_eq!((&state["activated_by"]["type"], &state["activated_by"]["label"]), (&json!("api_key"), &json!("alarm")));
    other.get("/users").problem(503, "kill_switch_active");
    other.get("/auth/me").problem(503, "kill_switch_active");
    other.get("/kill-switch").expect(200);
    flipper.put("/kill-switch", &json!({"active": false, "reason": "false alarm"})).expect(200);
    other.get("/users").expect(200);
}

#[test]
fn nobody_acts_in_anothers_name_beyond_their_own_rights() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "diaries", "owner_only": true})).expect(201);
    admin
        .post("/entity-types", &json!({"name": "orders", "fields": {"/margin": {"sensitivity": "restricted"}}}))
        .expect(201);
    let permissions =
        json!(["api_keys:create", "api_keys:read", "api_keys:update", "entities.*:read", "entities.orders:update:own"]);
    admin.post("/roles", &json!({"name": "keeper", "permissions": permissions, "clearance": "internal"})).expect(201);
    let keeper = site.user(&admin, "keeper", &["keeper"]);
    let other = site.user(&admin, "other", &["keeper"]);
    let secretive = site.user(&admin, "analyst", &["analyst"]);
    let ask = |scope: &str, owner: &str| {
        keeper.post("/api-keys", &json!({"name": "x", "scopes": [scope], "owner_id": owner})).status
    };
    // What is the other's own is not the keeper's, whatever both may do with their own.
    for scope in ["entities.orders:update:own", "entities.*:read", "entities.diaries:read:own"] {
        assert_eq!(ask(scope, &other.id), 403, "{scope}");
    }
    assert_eq!(ask("entities.orders:read", &other.id), 201);
    assert_eq!(ask("entities.orders:read", &secretive.id), 403, "their clearance is higher");
    assert_eq!(ask("entities.orders:update:own", &keeper.id), 201);
    // A rule would tell what a hidden field holds; a type kept apart does not open by its name.
    for scope in ["entities.orders:read:where(data.margin > 10)", "entities.diaries:read"] {
        assert_eq!(ask(scope, &keeper.id), 403, "{scope}");
    }
    let entry = other.post("/entities/diaries", &json!({"name": "secret"}));
    assert_eq!(entry.status, 403, "a keeper creates nothing");
    let entry = admin.post("/entities/diaries", &json!({"name": "secret", "owner_id": other.id})).expect(201).id();
    let made = make(&keeper, &json!({"name": "x", "scopes": ["entities.*:read"]}));
    key_of(&site, &made).get(&format!("/entities/diaries/{entry}")).expect(404);
    let theirs = make(&other, &json!({"name": "x", "scopes": ["entities.*:read"]}));
    key_of(&site, &theirs).get(&format!("/entities/diaries/{entry}")).expect(200);
    let rotate = format!("/api-keys/{}/rotate", theirs["id"].as_str().unwrap());
    keeper.post(&rotate, &json!({})).problem(403, "forbidden");
}

#[test]
fn a_key_waits_until_its_owner_has_the_second_factor_they_must_have() {
    let site =
        Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__REQUIRE_MFA_ROLES", "analyst")]);
    let admin = site.admin();
    let body = json!({"email": "analyst@example.org", "password": PASSWORD, "roles": ["analyst"]});
    let analyst = admin.post("/users", &body).expect(201).id();
    let scopes = json!(["entity_types:read"]);
    let key = key_of(&site, &make(&admin, &json!({"name": "x", "scopes": scopes, "owner_id": analyst})));
    let refused = key.get("/entity-types").problem(403, "forbidden");
    assert_eq!(refused["mfa_required"], true);
    let service = admin.post("/users", &json!({"email": "robot@example.org", "kind": "service", "roles": ["analyst"]}));
    let body = json!({"name": "x", "scopes": scopes, "owner_id": service.expect(201).id()});
    key_of(&site, &make(&admin, &body)).get("/entity-types").expect(200);
}
