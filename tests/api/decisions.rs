//! Why something was refused, as administrators read it, and that nobody else learns more than before.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LIMITS: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
const DAY: i64 = 86_400_000;

/// The decision behind a refusal, by its id.
#[track_caller]
fn decision(admin: &Actor, refused: &Answer) -> Value {
    let problem = refused.json();
    let id = problem["decision_id"].as_str().unwrap_or_else(|| panic!("no decision in {problem}"));
    let decision = admin.get(&format!("/decisions/{id}")).expect(200).json();
    assert_eq!((&decision["status"], &decision["code"]), (&problem["status"], &problem["code"]));
    assert_eq!(decision["request_id"], problem["request_id"]);
    decision
}

#[track_caller]
fn refused_by(decision: &Value) -> (&str, &str) {
    let mut refused = rules(decision).iter().filter(|rule| rule["outcome"] == "refused");
    let rule = refused.next().unwrap_or_else(|| panic!("nothing refused: {decision}"));
    assert!(refused.next().is_none(), "two refused: {decision}");
    (rule["rule"].as_str().unwrap(), rule["detail"].as_str().unwrap())
}

fn rules(decision: &Value) -> &Vec<Value> {
    decision["rules"].as_array().expect("rules")
}

#[track_caller]
fn outcome<'d>(decision: &'d Value, rule: &str) -> &'d str {
    let found = rules(decision).iter().find(|one| one["rule"] == rule);
    found.unwrap_or_else(|| panic!("no {rule} in {decision}"))["outcome"].as_str().unwrap()
}

#[track_caller]
fn explains(admin: &Actor, refused: &Answer, rule: &str, words: &str) -> Value {
    let decision = decision(admin, refused);
    let (by, detail) = refused_by(&decision);
    assert_eq!(by, rule, "{decision}");
    assert!(detail.contains(words), "`{words}` is not in `{detail}`");
    decision
}

#[test]
fn each_refusal_names_its_rule_and_what_stood_before_it() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let viewer = site.user(&admin, "viewer", &["viewer"]);

    let denied = viewer.delete("/entities/orders/01980000-0000-7000-8000-000000000000");
    let told = explains(&admin, &denied, "permission", "Needs entities.orders:delete. viewer: does not hold it.");
    for passed in ["route", "method", "limit_by_address", "authentication", "csrf", "kill_switch", "limit_by_caller"] {
        assert_eq!(outcome(&told, passed), "passed", "{told}");
    }
    assert_eq!(outcome(&told, "ownership"), "not_reached");
    assert_eq!(told["route"], "/api/v1/entities/{type}/{id}");
    assert_eq!((&told["caller"]["label"], &told["caller"]["type"]), (&json!("viewer@example.org"), &json!("user")));
    assert_eq!((&told["caller"]["roles"], &told["caller"]["via"]["type"]), (&json!(["viewer"]), &json!("token")));
    assert_eq!(told["ip"], "127.0.0.1");

    let nobody = site.nobody();
    let stranger = explains(&admin, &nobody.get("/users"), "authentication", "No credential");
    assert_eq!((&stranger["caller"]["type"], &stranger["caller"]["id"]), (&json!("anonymous"), &Value::Null));
    assert_eq!(outcome(&stranger, "permission"), "not_reached");
    let forged = format!("{}x", viewer.token.as_deref().unwrap());
    let forged = nobody.send(nobody.request(Method::GET, "/users").bearer_auth(&forged));
    explains(&admin, &forged, "authentication", "InvalidSignature");
    let scheme = nobody.send(nobody.request(Method::GET, "/users").header("authorization", "Basic abc"));
    explains(&admin, &scheme, "authentication", "not written as it should be");
    explains(&admin, &site.holder("ptk_nothing").get("/users"), "authentication", "not written like a key");

    let leaver = site.user(&admin, "leaver", &["viewer"]);
    leaver.post("/auth/logout", &json!({})).expect(204);
    explains(&admin, &leaver.get("/auth/me"), "authentication", "was ended");
    let disabled = site.user(&admin, "disabled", &["viewer"]);
    admin.patch(&format!("/users/{}", disabled.id), &json!({"status": "disabled"})).expect(200);
    explains(&admin, &disabled.get("/auth/me"), "authentication", "ended");
    site.clock.advance(31 * 60 * 1000);
    let expired = viewer.get("/auth/me");
    assert_eq!(explains(&admin_again(&site), &expired, "authentication", "expired")["code"], "token_expired");
}

fn admin_again(site: &Site) -> Actor {
    site.log_in("admin@example.org")
}

#[test]
fn keys_show_what_cuts_them() {
    let site = Site::new();
    let admin = site.admin();
    let owner = site.user(&admin, "owner", &["viewer"]);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let key =
        owner.post("/api-keys", &json!({"name": "script", "scopes": ["entities.orders:read"]})).expect(201).json();
    let holder = site.holder(key["key"].as_str().unwrap());
    holder.get("/entities/orders").expect(200);
    let denied = holder.post("/entities/orders", &json!({}));
    let told =
        explains(&admin, &denied, "permission", "The key's scopes: does not hold it; its owner: does not hold it");
    assert_eq!((&told["caller"]["type"], &told["caller"]["via"]["name"]), (&json!("api_key"), &json!("script")));
    let by_actor = admin.get(&format!("/decisions?actor={}", key["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(by_actor["items"].as_array().unwrap().len(), 1, "{by_actor}");
    explains(&admin, &holder.get("/auth/sessions"), "permission", "an API key called");
}

#[test]
fn ownership_and_conditions_are_told_apart_from_permissions() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let permissions = json!(["entities.orders:read", "entities.orders:update:own", "roles:create"]);
    admin.post("/roles", &json!({"name": "clerk", "permissions": permissions})).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    let id = admin.post("/entities/orders", &json!({"name": "x"})).expect(201).id();
    let denied = clerk.patch(&format!("/entities/orders/{id}"), &json!({"name": "y"}));
    let told = explains(&admin, &denied, "ownership", "does not reach it: own");
    assert_eq!(outcome(&told, "permission"), "passed");
    let beyond = clerk.post("/roles", &json!({"name": "more", "permissions": ["users:read"]}));
    let told = explains(&admin, &beyond, "conditions", "cannot grant");
    assert_eq!(outcome(&told, "permission"), "passed");
}

#[test]
fn limits_the_kill_switch_and_the_doors_that_check_passwords_explain_themselves() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ROLES__VIEWER_PER_MINUTE", "3")]);
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let nobody = site.nobody();
    let limited = (0..50).map(|_| nobody.get("/users")).find(|answer| answer.status == 429).expect("a limit");
    explains(&admin, &limited, "limit_by_address", "`public` is used up: 20 a minute");
    let unknown = nobody.get("/nothing");
    assert_eq!(decision(&admin, &unknown)["route"], Value::Null);
    let limited = (0..9).map(|_| viewer.get("/auth/me")).find(|answer| answer.status == 429).expect("a limit");
    let told = explains(&admin, &limited, "limit_by_caller", "3 a minute");
    assert_eq!(outcome(&told, "authentication"), "passed");
    site.clock.advance(120_000);

    let wrong = |email: &str| nobody.post("/auth/login", &json!({"email": email, "password": "not the one at all"}));
    explains(&admin, &wrong("viewer@example.org"), "credentials", "The password is wrong");
    let waiting = wrong("viewer@example.org");
    explains(&admin, &waiting, "login_delay", "1 of 10 failed attempts");
    let unknown = wrong("nobody@example.org");
    let told = explains(&admin, &unknown, "credentials", "no account with this address");
    assert!(!told.to_string().contains("nobody@example.org"), "no value is kept: {told}");
    site.clock.advance(120_000);

    let again = admin.put("/kill-switch", &json!({"active": true, "reason": "x"}));
    explains(&admin, &again, "reauthentication", "password");
    let closing = json!({"active": true, "scope": "writes", "reason": "stock-taking", "password": PASSWORD});
    admin.put("/kill-switch", &closing).expect(200);
    let closed = admin.post("/roles", &json!({"name": "x", "permissions": []}));
    let told = explains(&admin, &closed, "kill_switch", "scope writes: stock-taking");
    assert_eq!(outcome(&told, "permission"), "not_reached");
}

#[test]
fn challenges_and_missing_factors_explain_themselves() {
    let site = Site::with(&[
        LIMITS,
        ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "1"),
        ("PORTCULLIS_AUTH__REQUIRE_MFA_ROLES", "clerk"),
    ]);
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "clerk", "permissions": ["users:read"]})).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    explains(&admin, &clerk.get("/users"), "second_factor", "none is set up");
    let wrong = json!({"email": "clerk@example.org", "password": "not the one at all"});
    site.nobody().post("/auth/login", &wrong).expect(401);
    site.clock.advance(60_000);
    explains(&admin, &site.nobody().post("/auth/login", &wrong), "challenge", "on this account failed");
}

#[test]
fn a_write_by_cookie_from_elsewhere_explains_itself() {
    let site = Site::new();
    let admin = site.admin();
    let body = json!({"email": "admin@example.org", "password": PASSWORD, "cookie": true});
    let login = site.nobody().post("/auth/login", &body).expect(200);
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let nobody = site.nobody();
    let request = nobody.request(Method::POST, "/roles").header("cookie", cookie).json(&json!({}));
    let told = explains(&admin, &nobody.send(request), "csrf", "csrf_token");
    assert_eq!(told["caller"]["via"]["type"], "cookie");
    assert!(!told.to_string().contains(login.json()["csrf_token"].as_str().unwrap()));
}

#[test]
fn decisions_are_for_administrators_and_found_by_what_they_say() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let refused = viewer.get("/users").expect(403).json();
    let id = refused["decision_id"].as_str().unwrap();
    for path in [format!("/decisions/{id}"), "/decisions".to_owned()] {
        viewer.get(&path).problem(403, "forbidden");
        site.nobody().get(&path).problem(401, "unauthenticated");
    }
    let found = |query: &str| {
        let page = admin.get(&format!("/decisions?{query}")).expect(200).json();
        page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("request_id={}", refused["request_id"].as_str().unwrap())), [id]);
    assert_eq!(found(&format!("actor={}", viewer.id)).len(), 3);
    assert_eq!(found("rule=authentication&code=unauthenticated").len(), 2);
    assert_eq!(found("rule=csrf"), [""; 0]);
    for wrong in ["rule=nonsense", "actor=me", "limit=0", "whatever=1", "cursor=x"] {
        admin.get(&format!("/decisions?{wrong}")).problem(422, "validation_failed");
    }
    let first = admin.get("/decisions?limit=2").expect(200).json();
    let rest = found(&format!("limit=200&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!(rest.len(), 3);
    admin.get("/decisions/01980000-0000-7000-8000-000000000000").problem(404, "not_found");
    site.clock.advance(DAY);
    let admin = admin_again(&site);
    admin.get(&format!("/decisions/{id}")).problem(404, "not_found");
    assert_eq!(admin.get("/decisions").expect(200).json()["items"], json!([]));
}

#[test]
fn a_flood_of_strangers_pushes_out_strangers_alone() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let nobody = site.nobody();
    let own = viewer.get("/users").expect(403).json();
    let first = nobody.get("/users").expect(401).json();
    for _ in 0..2048 {
        nobody.get("/users").expect(401);
    }
    let kept = |problem: &Value| admin.get(&format!("/decisions/{}", problem["decision_id"].as_str().unwrap())).status;
    assert_eq!((kept(&first), kept(&own)), (404, 200));
}

/// Answers that must not be told apart, and members that answers may have.
#[test]
fn answers_say_no_more_than_before() {
    let site = Site::new();
    let admin = site.admin();
    let disabled = site.user(&admin, "disabled", &["viewer"]);
    admin.patch(&format!("/users/{}", disabled.id), &json!({"status": "disabled"})).expect(200);
    site.user(&admin, "somebody", &["viewer"]);
    let nobody = site.nobody();
    let bare = |answer: &Answer| {
        let mut problem = answer.json();
        let members = problem.as_object_mut().unwrap();
        let known = ["code", "decision_id", "detail", "instance", "request_id", "status", "title", "type"];
        assert!(members.keys().all(|name| known.contains(&&**name)), "{members:?}");
        members.remove("decision_id");
        members.remove("request_id");
        let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        (problem, headers)
    };
    let log_in = |email: &str| {
        bare(&nobody.post("/auth/login", &json!({"email": email, "password": "not the one at all"})).expect(401))
    };
    let unknown = log_in("nobody@example.org");
    assert_eq!(unknown, log_in("disabled@example.org"));
    assert_eq!(unknown, log_in("somebody@example.org"));
    let key = admin.post("/api-keys", &json!({"name": "x", "scopes": ["users:read"]})).expect(201).json();
    let revoked = site.holder(key["key"].as_str().unwrap());
    admin.delete(&format!("/api-keys/{}", key["id"].as_str().unwrap())).expect(204);
    let never = site.holder(&format!("{}x", &key["key"].as_str().unwrap()[..key["key"].as_str().unwrap().len() - 1]));
    assert_eq!(bare(&revoked.get("/users")), bare(&never.get("/users")));
    let text = disabled.get("/users").text;
    assert!(!text.contains("disabled"), "{text}");
}

#[test]
fn what_somebody_may_do_can_be_tried() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/city": {"sensitivity": "internal"}});
    admin.post("/entity-types", &json!({"name": "orders", "fields": fields})).expect(201);
    let permissions = json!(["entities.orders:read:own", "users:read"]);
    admin.post("/roles", &json!({"name": "clerk", "permissions": permissions})).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    let id = admin.post("/entities/orders", &json!({"name": "x"})).expect(201).id();
    let path = format!("/users/{}/access", clerk.id);
    let all = admin.get(&path).expect(200).json();
    assert_eq!(all["resources"][0]["name"], "entities.orders");
    assert_eq!(all["resources"][0]["actions"], json!({"read": "own"}));
    let readable: Vec<_> = all["fields"].as_array().unwrap().iter().map(|field| &field["readable"]).collect();
    assert_eq!(readable, [true, false]);

    let tried = |query: &str| admin.get(&format!("{path}?{query}")).expect(200).json();
    let denied = tried("resource=entities.orders&action=delete");
    assert_eq!((denied["allowed"].as_bool(), refused_by(&denied).0), (Some(false), "permission"));
    assert_eq!(tried("resource=users&action=read")["allowed"], true);
    let others = tried(&format!("resource=entities.orders&action=read&id={id}"));
    assert_eq!((others["allowed"].as_bool(), refused_by(&others).0), (Some(false), "ownership"));
    admin.patch(&format!("/entities/orders/{id}"), &json!({"owner_id": clerk.id})).expect(200);
    assert_eq!(tried(&format!("resource=entities.orders&action=read&id={id}"))["allowed"], true);
    admin.patch(&format!("/users/{}", clerk.id), &json!({"status": "disabled"})).expect(200);
    let denied = tried("resource=users&action=read");
    assert_eq!(refused_by(&denied).0, "authentication");
    for wrong in [
        "resource=entities&action=read",
        "resource=users&action=fly",
        "action=read",
        "resource=users",
        "resource=users&action=read&id=x",
    ] {
        admin.get(&format!("{path}?{wrong}")).problem(422, "validation_failed");
    }
    // Trying it on an entity takes seeing the entity, and all of it.
    let reader = site.user(&admin, "reader", &["clerk"]);
    reader.get(&format!("{path}?resource=entities.orders&action=read&id={id}")).problem(404, "not_found");
    let analyst = site.user(&admin, "analyst", &["clerk", "analyst"]);
    analyst.get(&format!("{path}?resource=entities.orders&action=read&id={id}")).problem(403, "forbidden");
}
