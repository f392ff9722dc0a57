//! Asking for another app whether somebody may pass.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::json;

fn ask(actor: &Actor, question: &str) -> Answer {
    actor.get(&format!("/forward-auth{question}"))
}

#[test]
fn who_may_pass_is_told_with_name_and_roles() {
    let site = Site::new();
    let admin = site.admin();
    let ann = site.user(&admin, "ann", &["analyst", "viewer"]);
    ask(&site.nobody(), "").problem(401, "unauthenticated");
    let answer = ask(&ann, "").expect(200);
    assert_eq!(answer.header("x-auth-user"), "ann@example.org");
    assert_eq!(answer.header("x-auth-user-id"), ann.id);
    assert_eq!(answer.header("x-auth-roles"), "analyst,viewer");
    assert_eq!((answer.text.as_str(), answer.header("cache-control")), ("", "no-store"));
    ask(&ann, "?role=analyst").expect(200);
    ask(&ann, "?role=admin").problem(403, "forbidden");
    ask(&ann, "?permission=entities.orders:update").expect(200);
    ask(&ann, "?permission=entities.orders:update:own").expect(200);
    ask(&ann, "?permission=entities.orders:delete").problem(403, "forbidden");
    ask(&ann, "?permission=entities.orders:update&role=admin").problem(403, "forbidden");
    assert_eq!(ann.send(ann.request(Method::HEAD, "/forward-auth?role=viewer")).status, 200);
    let problem = ask(&ann, "?permission=orders:fly").problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/permission");
    ask(&ann, "?roles=admin").problem(422, "validation_failed");

    admin.patch(&format!("/users/{}", ann.id), &json!({"roles": []})).expect(200);
    ask(&ann, "?role=analyst").problem(403, "forbidden");
    assert_eq!(ask(&ann, "").expect(200).header("x-auth-roles"), "");
    admin.patch(&format!("/users/{}", ann.id), &json!({"status": "disabled"})).expect(200);
    assert_eq!(ask(&ann, "").status, 401);
}

#[test]
fn by_cookie_too_and_without_the_console_s_token() {
    let site = Site::new();
    let admin = site.admin();
    let body = json!({"email": "admin@example.org", "password": PASSWORD, "cookie": true});
    let answer = site.nobody().post("/auth/login", &body).expect(200);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let nobody = site.nobody();
    let by_cookie = || nobody.send(nobody.request(Method::GET, "/forward-auth").header("cookie", &cookie));
    assert_eq!(by_cookie().expect(200).header("x-auth-roles"), "admin");
    admin.post("/auth/logout-all", &json!({})).expect(204);
    assert_eq!(by_cookie().status, 401);
}

#[test]
fn a_key_comes_with_the_roles_that_its_scopes_cover() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "guests", "permissions": []})).expect(201);
    admin.post("/roles", &json!({"name": "readers", "permissions": ["entities.orders:read"]})).expect(201);
    let ann = site.user(&admin, "ann", &["analyst", "readers", "guests"]);
    let key = |scopes: &[&str]| {
        let made = ann.post("/api-keys", &json!({"name": "app", "scopes": scopes})).expect(201).json();
        site.holder(made["key"].as_str().unwrap())
    };
    let reader = key(&["entities.*:read"]);
    let answer = ask(&reader, "").expect(200);
    assert_eq!((answer.header("x-auth-user"), answer.header("x-auth-roles")), ("ann@example.org", "readers"));
    ask(&reader, "?role=analyst").problem(403, "forbidden");
    ask(&reader, "?permission=entities.orders:read").expect(200);
    ask(&reader, "?permission=entities.orders:update").problem(403, "forbidden");
}

#[test]
fn whatever_closes_the_gate_is_a_403() {
    let site = Site::new();
    let admin = site.admin();
    let ann = site.user(&admin, "ann", &["analyst"]);
    let made = ann.post("/api-keys", &json!({"name": "app", "scopes": ["entities.*:read"]})).expect(201).json();
    let by_key = site.holder(made["key"].as_str().unwrap());
    let switch = |scope: &str, active: bool| {
        let body = json!({"active": active, "scope": scope, "reason": "a leaked key", "password": PASSWORD});
        admin.put("/kill-switch", &body).expect(200);
    };
    switch("all", true);
    let problem = ask(&ann, "").problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("a leaked key"));
    ask(&admin, "").problem(403, "forbidden");
    ask(&site.nobody(), "").problem(401, "unauthenticated");
    switch("all", false);
    let decision = admin.get(&format!("/decisions/{}", problem["decision_id"].as_str().unwrap())).expect(200);
    assert!(decision.text.contains("kill_switch"), "{}", decision.text);
    ask(&ann, "").expect(200);
    switch("api_keys", true);
    ask(&by_key, "").problem(403, "forbidden");
    ask(&ann, "").expect(200);
    switch("api_keys", false);
    ask(&by_key, "").expect(200);
    admin.patch("/settings", &json!({"auth.require_mfa_roles": ["analyst"]})).expect(200);
    ask(&ann, "").problem(403, "forbidden");
}

#[test]
fn it_counts_against_no_limit_but_one_of_its_own() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "2")]);
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "slow", "permissions": [], "rate_limit": {"per_minute": 3}})).expect(201);
    let ann = site.user(&admin, "ann", &["slow"]);
    for _ in 0..10 {
        assert_eq!(ask(&site.nobody(), "").status, 401);
        ask(&ann, "?role=slow").expect(200);
    }
    ann.get("/auth/me").expect(200);
    admin.patch("/settings", &json!({"limits.routes": {"GET /forward-auth": 2}})).expect(200);
    let told: Vec<u16> = (0..3).map(|_| ask(&ann, "").status).collect();
    assert_eq!(told, [200, 200, 403]);
}
