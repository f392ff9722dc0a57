//! Limits by route: for each caller, in every spelling, changed while running.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

/// With limits on, but none that gets in the way.
fn site() -> Site {
    Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "1000"), ("PORTCULLIS_LIMITS__LOGIN_PER_MINUTE", "1000")])
}

fn limit(admin: &Actor, routes: &Value) {
    admin.patch("/settings", &json!({"limits": {"routes": routes}})).expect(200);
}

fn at(actor: &Actor, method: Method, path: &str) -> Answer {
    actor.send(actor.at(method, path))
}

#[test]
fn a_route_is_limited_for_each_caller_in_every_spelling() {
    let site = site();
    let admin = site.admin();
    let other = site.user(&admin, "second", &["admin"]);
    admin.post("/entity-types", &json!({"name": "customers", "alias": "clients"})).expect(201);
    limit(&admin, &json!({"GET /api/v1/users": 4, "GET /entities/{type}": 5}));
    let first = admin.get("/users").expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"route\";q=4;w=60");
    assert!(first.header("ratelimit").starts_with("\"route\";r=3;t="), "{}", first.header("ratelimit"));
    for (method, path) in
        [(Method::GET, "/api/users"), (Method::HEAD, "/api/v1/users"), (Method::GET, "/api/v1/%75sers")]
    {
        assert_eq!(at(&admin, method, path).status, 200, "{path}");
    }
    let refused = admin.get("/users?limit=1");
    assert!((1..=15).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert!(refused.problem(429, "rate_limited")["decision_id"].is_string());
    other.get("/users").expect(200);
    admin.get("/roles").expect(200);
    admin.get(&format!("/users/{}", admin.id)).expect(200);
    for path in ["/api/v1/entities/customers", "/api/v1/clients", "/api/clients", "/api/v1/entities/%63ustomers"] {
        assert_eq!(at(&admin, Method::GET, path).status, 200, "{path}");
    }
    // Another type is another address of the same route.
    admin.get("/entities/ghosts").expect(404);
    admin.get("/clients").expect(429);
    site.clock.advance(60_000);
    admin.get("/users").expect(200);
}

#[test]
fn ten_keys_do_not_lift_their_owners_limit() {
    let site = site();
    let admin = site.admin();
    limit(&admin, &json!({"GET /users": 6}));
    let keys: Vec<Actor> = (0..10)
        .map(|number| {
            let made = admin.post("/api-keys", &json!({"name": format!("key {number}"), "scopes": ["users:read"]}));
            site.holder(made.expect(201).json()["key"].as_str().unwrap())
        })
        .collect();
    let good = keys.iter().filter(|key| key.get("/users").status == 200).count();
    assert_eq!(good, 6);
    admin.get("/users").expect(429);
}

#[test]
fn callers_without_credentials_are_limited_by_address() {
    let site = site();
    let admin = site.admin();
    limit(&admin, &json!({"POST /auth/signup": 2}));
    let body = json!({"email": "new@example.org", "password": "an open door for all"});
    let first = site.nobody().post("/auth/signup", &body).expect(403);
    assert_eq!(first.header("ratelimit-policy"), "\"login\";q=1000;w=60, \"public_route\";q=2;w=60");
    site.nobody().post("/auth/signup", &json!({"nonsense": 1}));
    site.nobody().post("/auth/signup", &body).problem(429, "rate_limited");
    site.nobody().get("/users").expect(401);
}

#[test]
fn a_limit_of_a_role_and_one_of_the_route_hold_together() {
    let site = site();
    let admin = site.admin();
    limit(&admin, &json!({"GET /users": 2}));
    admin.patch("/settings", &json!({"limits": {"roles": {"admin_per_minute": 40}}})).expect(200);
    let answer = admin.get("/users").expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"caller\";q=40;w=60, \"route\";q=2;w=60");
    admin.get("/users").expect(200);
    admin.get("/users").expect(429);
    assert_eq!(admin.get("/roles").expect(200).header("ratelimit-policy"), "\"caller\";q=40;w=60");
}

#[test]
fn a_changed_limit_holds_at_once_and_frees_nobody() {
    let site = site();
    let admin = site.admin();
    limit(&admin, &json!({"GET /users": 4}));
    (0..4).for_each(|_| drop(admin.get("/users").expect(200)));
    admin.get("/users").expect(429);
    limit(&admin, &json!({"GET /users": 8}));
    admin.get("/users").expect(429);
    site.clock.advance(8_000);
    admin.get("/users").expect(200);
    admin.get("/users").expect(429);
    limit(&admin, &json!({"GET /users": null}));
    admin.get("/users").expect(200);
    limit(&admin, &json!({"GET /users": 8}));
    admin.get("/users").expect(429);
    admin.patch("/settings", &json!({"limits": {"public_per_minute": null}})).problem(422, "validation_failed");
}

#[test]
fn the_public_limit_changes_while_running_and_frees_nobody() {
    let site = Site::with(&[]);
    let admin = site.admin();
    let nobody = site.nobody();
    let spent = (0..60).find(|_| nobody.get("/users").status == 429);
    assert!(spent.is_some());
    admin.patch("/settings", &json!({"limits": {"public_per_minute": 40}})).expect(200);
    nobody.get("/users").expect(429);
    site.clock.advance(2_000);
    nobody.get("/users").expect(401);
    admin.patch("/settings", &json!({"limits": {"enabled": false}})).expect(200);
    (0..50).for_each(|_| drop(nobody.get("/users").expect(401)));
}

#[test]
fn a_route_that_is_not_there_is_refused_with_those_nearest() {
    let site = site();
    let admin = site.admin();
    let wrong =
        json!({"limits": {"routes": {"GET /user": 5, "POST /entities/{kind}": 5, "users": 1, "HEAD /users": 0}}});
    let answer = admin.patch("/settings", &wrong).problem(422, "validation_failed");
    let errors = answer["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert!(
        pointers.contains(&"/limits/routes/users") && pointers.contains(&"/limits/routes/HEAD ~1users"),
        "{answer}"
    );
    let answer =
        admin.patch("/settings", &json!({"limits": {"routes": {"GET /user": 5}}})).problem(422, "validation_failed");
    assert_eq!(answer["errors"][0]["pointer"], "/limits/routes/GET ~1user");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("GET /users"), "{answer}");
    let twice = json!({"limits": {"routes": {"GET /users": 5, "GET /api/v1/users": 6}}});
    admin.patch("/settings", &twice).problem(422, "validation_failed");
    limit(&admin, &json!({"POST /entities/{kind}": 5, "/roles": 100}));
    assert_eq!(admin.get("/roles").expect(200).header("ratelimit-policy"), "\"route\";q=100;w=60");
}

#[test]
fn what_is_refused_for_its_size_counts_and_odd_spellings_are_no_way_around() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "6"), ("PORTCULLIS_SERVER__BODY_LIMIT_MB", "1")]);
    let nobody = site.nobody();
    let large = json!({"email": "x".repeat(1_100_000)});
    for _ in 0..3 {
        nobody.post("/auth/signup", &large).expect(413);
    }
    for path in ["/api/v1/auth/Login", "/api/v1//auth/login", "/api/v1/auth/login/", "/api/v1/nothing"] {
        assert_eq!(at(&nobody, Method::GET, path).status, 404, "{path}");
    }
    for path in ["/api/v1/auth/login", "/api/auth/logi%6e"] {
        assert_eq!(at(&nobody, Method::GET, path).status, 405, "{path}");
    }
    nobody.get("/users").problem(429, "rate_limited");
    let login = json!({"email": "x@example.org", "password": "wrong wrong wrong"});
    let spellings = ["/api/v1/auth/login", "/api/auth/login", "/api/v1/auth/%6cogin"];
    let refused = (0..9).find(|number| {
        let request = nobody.at(Method::POST, spellings[number % 3]).json(&login);
        let answer = nobody.send(request);
        answer.status == 429 && answer.json()["code"] == "rate_limited"
    });
    assert!(refused.is_some_and(|used| used <= 5), "{refused:?}");
}
