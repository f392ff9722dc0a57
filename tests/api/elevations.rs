//! Break-glass: everything for a while, for one session, marked, and closed by somebody else.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

pub const MINUTE: i64 = 60_000;
const ON_CALL: [&str; 2] = ["elevations:create", "entities.*:read"];

pub fn elevate(person: &Actor, minutes: u32) -> Answer {
    let reason = "payments are stuck, looking at the queue";
    person.post("/auth/elevate", &json!({"password": PASSWORD, "reason": reason, "minutes": minutes}))
}

/// Somebody on call: hardly any rights, but may break the glass.
pub fn on_call(site: &Site, admin: &Actor) -> Actor {
    admin.post("/roles", &json!({"name": "on_call", "permissions": ON_CALL})).expect(201);
    site.user(admin, "olga", &["on_call"])
}

fn refreshed(site: &Site, person: &Actor) -> Actor {
    let body = json!({"refresh_token": person.refresh_token.as_deref().unwrap()});
    site.bearer(&site.nobody().post("/auth/refresh", &body).expect(200).json())
}

fn is_elevated(person: &Actor) -> bool {
    person.get("/auth/me").expect(200).json().get("elevation").is_some()
}

pub fn events(admin: &Actor, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/audit?limit=200&{query}")).expect(200).json();
    page["items"].as_array().unwrap().clone()
}

#[test]
fn one_session_holds_everything_for_a_while_and_nothing_else_does() {
    let site = Site::new();
    let admin = site.admin();
    let secret = json!({"name": "cards", "fields": {"/number": {"sensitivity": "restricted"}}});
    admin.post("/entity-types", &secret).expect(201);
    let card = admin.post("/entities/cards", &json!({"data": {"number": "4711"}})).expect(201).id();
    let olga = on_call(&site, &admin);
    let elsewhere = site.log_in("olga@example.org");
    let made = olga.post("/api-keys", &json!({"name": "k", "scopes": ["entities.*:read"]})).expect(201).json();
    let key = site.holder(made["key"].as_str().unwrap());
    let card = format!("/entities/cards/{card}");
    assert!(olga.get(&card).expect(200).json()["data"].get("number").is_none());

    let started = elevate(&olga, 30).expect(201).json();
    assert_eq!((&started["state"], &started["user_id"]), (&json!("active"), &json!(olga.id)));
    let me = olga.get("/auth/me").expect(200).json();
    assert_eq!(me["elevation"], json!({"id": started["id"], "expires_at": started["expires_at"]}));
    assert_eq!((&me["permissions"], &me["clearance"]), (&json!(["*"]), &json!("restricted")));
    assert_eq!(olga.get(&card).expect(200).json()["data"]["number"], "4711");
    olga.get("/users").expect(200);
    let again = refreshed(&site, &olga);
    again.get("/users").expect(200);
    for other in [&elsewhere, &key] {
        other.get("/users").problem(403, "forbidden");
        assert!(!is_elevated(other));
        assert!(other.get(&card).expect(200).json()["data"].get("number").is_none());
    }
    site.clock.advance(30 * MINUTE - 5_000);
    refreshed(&site, &again).get("/users").expect(200);
    let left = elsewhere.refresh_token.clone();
    site.clock.advance(6_000);
    let over = site.log_in("olga@example.org");
    over.get("/users").problem(403, "forbidden");
    assert!(left.is_some());
}

#[test]
fn it_ends_on_its_second_in_the_session_that_has_it() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let started = elevate(&olga, 1).expect(201).json();
    site.clock.advance(MINUTE - 3_000);
    olga.get("/users").expect(200);
    site.clock.advance(3_000);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..20).map(|_| scope.spawn(|| olga.get("/users").status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| *status == 403), "{answers:?}");
    assert!(!is_elevated(&olga));
    let path = format!("/elevations/{}", started["id"].as_str().unwrap());
    let shown = admin.get(&path).expect(200).json();
    assert_eq!((&shown["state"], &shown["end_cause"]), (&json!("ended"), &json!("expired")));
    assert_eq!(shown["ended_at"], shown["expires_at"]);
    for _ in 0..50 {
        if !events(&admin, "action=elevation.expired").is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let expired = events(&admin, "action=elevation.expired");
    assert_eq!(expired.len(), 1, "written once, however many met it");
    assert_eq!((&expired[0]["actor"]["type"], &expired[0]["elevation_id"]), (&json!("system"), &started["id"]));
}

#[test]
fn whatever_ends_it_holds_on_the_next_request() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let path = format!("/users/{}", olga.id);
    let elevated = |person: &Actor| {
        site.clock.advance(15 * MINUTE);
        let person = if person.id.is_empty() { site.log_in("olga@example.org") } else { refreshed(&site, person) };
        let id = elevate(&person, 5).expect(201).id();
        person.get("/users").expect(200);
        (person, format!("/elevations/{id}"))
    };
    let cause = |path: &str| {
        let shown = site.log_in("admin@example.org").get(path).expect(200).json();
        assert_eq!(shown["state"], "ended");
        shown["end_cause"].as_str().unwrap().to_owned()
    };

    let (olga, id) = elevated(&olga);
    olga.post(&format!("{id}/end"), &json!({})).expect(200);
    olga.get("/users").problem(403, "forbidden");
    assert_eq!(cause(&id), "ended");
    olga.post(&format!("{id}/end"), &json!({})).problem(409, "conflict");

    let (olga, id) = elevated(&olga);
    let admin = site.log_in("admin@example.org");
    admin.post(&format!("{id}/end"), &json!({})).expect(200);
    olga.get("/users").problem(403, "forbidden");

    let (olga, id) = elevated(&olga);
    let admin = site.log_in("admin@example.org");
    admin.patch("/roles/on_call", &json!({"permissions": ["entities.*:read"]})).expect(200);
    olga.get("/users").problem(403, "forbidden");
    admin.patch("/roles/on_call", &json!({"permissions": ON_CALL})).expect(200);
    olga.get("/users").problem(403, "forbidden");
    assert_eq!(cause(&id), "right_lost");

    let (olga, id) = elevated(&olga);
    let admin = site.log_in("admin@example.org");
    admin.patch(&path, &json!({"roles": []})).expect(200);
    admin.patch(&path, &json!({"roles": ["on_call"]})).expect(200);
    olga.get("/users").problem(403, "forbidden");
    assert_eq!(cause(&id), "right_lost");

    let (olga, id) = elevated(&olga);
    let new = json!({"current_password": PASSWORD, "new_password": "quiet marble lantern"});
    olga.post("/auth/password", &new).expect(204);
    olga.get("/users").problem(403, "forbidden");
    assert_eq!(cause(&id), "password_changed");
    let back = json!({"current_password": "quiet marble lantern", "new_password": PASSWORD});
    olga.post("/auth/password", &back).expect(204);

    let (olga, id) = elevated(&olga);
    olga.post("/auth/logout", &json!({})).expect(204);
    olga.get("/users").problem(401, "unauthenticated");
    assert_eq!(cause(&id), "session_ended");

    let (olga, id) = elevated(&site.nobody());
    site.log_in("admin@example.org").patch(&path, &json!({"status": "disabled"})).expect(200);
    olga.get("/users").problem(401, "unauthenticated");
    assert_eq!(cause(&id), "session_ended");
    let verdict = site.log_in("admin@example.org").get("/audit/verify").expect(200).json();
    assert_eq!(verdict["valid"], true, "{verdict}");
}

#[test]
fn it_takes_a_session_the_right_a_reason_and_a_proof() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let good = json!({"password": PASSWORD, "reason": "payments are stuck"});
    let made = admin.post("/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201).json();
    site.holder(made["key"].as_str().unwrap()).post("/auth/elevate", &good).problem(403, "forbidden");
    site.user(&admin, "vera", &["viewer"]).post("/auth/elevate", &good).problem(403, "forbidden");
    site.nobody().post("/auth/elevate", &good).problem(401, "unauthenticated");
    for (wrong, pointer) in [
        (json!({"password": PASSWORD}), "/reason"),
        (json!({"password": PASSWORD, "reason": "  "}), "/reason"),
        (json!({"password": PASSWORD, "reason": "because"}), "/reason"),
        (json!({"password": PASSWORD, "reason": "x y".repeat(400)}), "/reason"),
        (json!({"reason": "payments are stuck"}), "/password"),
        (json!({"password": PASSWORD, "reason": "payments are stuck", "minutes": 0}), "/minutes"),
        (json!({"password": PASSWORD, "reason": "payments are stuck", "minutes": 61}), "/minutes"),
        (json!({"password": PASSWORD, "reason": "payments are stuck", "minutes": -5}), "/minutes"),
        (json!({"password": PASSWORD, "reason": "payments are stuck", "user_id": admin.id}), "/user_id"),
        (json!({"totp": "123456", "reason": "payments are stuck"}), "/totp"),
    ] {
        let problem = olga.post("/auth/elevate", &wrong).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    assert!(!is_elevated(&olga));
    let fifteen = olga.post("/auth/elevate", &good).expect(201).json();
    let minutes = |text: &Value| text.as_str().unwrap().parse::<portcullis::clock::Time>().unwrap().millis() / MINUTE;
    assert_eq!(minutes(&fifteen["expires_at"]) - minutes(&fifteen["created_at"]), 15);
    assert_eq!(admin.get("/elevations?count=true").expect(200).json()["total"], 1);
}

#[test]
fn a_wrong_password_waits_like_one_at_log_in() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let wrong = json!({"password": "not the password", "reason": "payments are stuck"});
    for _ in 0..4 {
        site.clock.advance(MINUTE);
        olga.post("/auth/elevate", &wrong).problem(401, "invalid_credentials");
    }
    elevate(&olga, 5).problem(429, "login_delayed");
    let log_in = json!({"email": "olga@example.org", "password": PASSWORD});
    site.nobody().post("/auth/login", &log_in).problem(429, "login_delayed");
    assert!(!is_elevated(&olga));
    site.clock.advance(MINUTE);
    elevate(&olga, 5).expect(201);
}

#[test]
fn a_code_of_the_second_factor_will_do_once_and_both_must_be_right() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let begun = olga.post("/auth/mfa/totp", &json!({})).expect(200).json();
    let secret = Secret::try_from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let app = Builder::new().with_secret(secret).build().unwrap();
    let code = || app.generate((site.clock.now().millis() / 1000) as u64).to_string();
    olga.post("/auth/mfa/confirm", &json!({"totp": code()})).expect(200);
    let ask = |more: Value| {
        let mut body = json!({"reason": "payments are stuck", "minutes": 1});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        olga.post("/auth/elevate", &body)
    };
    ask(json!({"totp": code()})).problem(401, "invalid_credentials");
    site.clock.advance(MINUTE);
    let fresh = code();
    ask(json!({"totp": fresh})).expect(201);
    site.clock.advance(5_000);
    ask(json!({"totp": fresh})).problem(401, "invalid_credentials");
    site.clock.advance(2 * MINUTE);
    ask(json!({"password": "not the password", "totp": code()})).problem(401, "invalid_credentials");
    site.clock.advance(2 * MINUTE);
    ask(json!({"password": PASSWORD, "totp": "000000"})).problem(401, "invalid_credentials");
    assert!(!is_elevated(&olga));
    site.clock.advance(2 * MINUTE);
    ask(json!({"password": PASSWORD, "totp": code()})).expect(201);
}

#[test]
fn nobody_grants_by_an_elevation_what_they_do_not_hold_for_good() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    admin.post("/entity-types", &json!({"name": "cards", "fields": {"/number": {"sensitivity": "restricted"}}}));
    let service = json!({"email": "robot@example.org", "kind": "service", "roles": ["system"]});
    let service = admin.post("/users", &service).expect(201).id();
    let vera = site.user(&admin, "vera", &["viewer"]);
    elevate(&olga, 60).expect(201);
    let me = format!("/users/{}", olga.id);
    for (path, body) in [
        (me.clone(), json!({"roles": ["admin"]})),
        (me.clone(), json!({"roles": ["on_call", "analyst"]})),
        (format!("/users/{}", admin.id), json!({"email": "olga2@example.org"})),
        (format!("/users/{}", admin.id), json!({"status": "disabled"})),
        (format!("/users/{}", admin.id), json!({"roles": []})),
        ("/roles/on_call".to_owned(), json!({"permissions": ["elevations:create", "entities.*:read", "users:read"]})),
        ("/roles/on_call".to_owned(), json!({"clearance": "restricted"})),
        ("/entity-types/cards".to_owned(), json!({"fields": {"/number": {"sensitivity": "public"}}})),
    ] {
        olga.patch(&path, &body).problem(403, "forbidden");
    }
    for (path, body) in [
        ("/roles".to_owned(), json!({"name": "mine", "permissions": ["*"]})),
        ("/roles".to_owned(), json!({"name": "mine", "permissions": ["elevations:create"]})),
        ("/users".to_owned(), json!({"email": "friend@example.org", "roles": ["admin"]})),
        ("/api-keys".to_owned(), json!({"name": "k", "scopes": ["*"]})),
        ("/api-keys".to_owned(), json!({"name": "k", "scopes": ["entities.*:update"], "owner_id": service})),
    ] {
        olga.post(&path, &body).problem(403, "forbidden");
    }
    let link = olga.request(Method::POST, &format!("/users/{}/password-link", admin.id));
    olga.send(link).problem(403, "forbidden");
    olga.delete(&format!("/users/{}", admin.id)).problem(403, "forbidden");
    olga.post("/roles", &json!({"name": "readers", "permissions": ["entities.*:read"]})).expect(201);
    assert_eq!(vera.get("/auth/me").json()["roles"], json!(["viewer"]));
}

#[test]
fn handing_out_the_right_to_it_takes_holding_everything() {
    let site = Site::new();
    let admin = site.admin();
    let held = ["roles:read", "roles:create", "roles:update", "users:update", "users:read", "elevations:create"];
    admin.post("/roles", &json!({"name": "lead", "permissions": held})).expect(201);
    let lead = site.user(&admin, "lead", &["lead"]);
    let olga = on_call(&site, &admin);
    lead.post("/roles", &json!({"name": "more", "permissions": ["elevations:create"]})).problem(403, "forbidden");
    lead.post("/roles", &json!({"name": "fine", "permissions": ["users:read"]})).expect(201);
    lead.patch(&format!("/users/{}", lead.id), &json!({"roles": ["lead", "on_call"]})).problem(403, "forbidden");
    let key = json!({"name": "k", "scopes": ["elevations:create"]});
    lead.post("/api-keys", &key).problem(403, "forbidden");
    olga.post("/roles", &json!({"name": "more", "permissions": ["elevations:create"]})).problem(403, "forbidden");
    let link = lead.request(Method::POST, &format!("/users/{}/password-link", olga.id));
    lead.send(link).problem(403, "forbidden");
}

#[test]
fn an_hour_in_a_row_is_the_most() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    let first = elevate(&olga, 40).expect(201).id();
    site.clock.advance(20 * MINUTE);
    elevate(&olga, 41).problem(409, "conflict");
    elevate(&olga, 39).expect(201);
    let shown = admin.get(&format!("/elevations/{first}")).expect(200).json();
    assert_eq!(shown["end_cause"], "replaced");
    let elsewhere = site.log_in("olga@example.org");
    elevate(&elsewhere, 50).problem(409, "conflict");
    elevate(&elsewhere, 30).expect(201);
    olga.get("/users").problem(403, "forbidden");
    elsewhere.post("/auth/logout", &json!({})).expect(204);
    elevate(&site.log_in("olga@example.org"), 60).problem(409, "conflict");
    site.clock.advance(11 * MINUTE);
    elevate(&site.log_in("olga@example.org"), 60).expect(201);
}

#[test]
fn an_elevation_is_proof_enough_for_the_kill_switch() {
    let site = Site::new();
    let admin = site.admin();
    let on = json!({"active": true, "reason": "drill"});
    admin.put("/kill-switch", &on).problem(403, "reauthentication_required");
    let id = elevate(&admin, 5).expect(201).id();
    admin.put("/kill-switch", &on).expect(200);
    admin.put("/kill-switch", &json!({"active": false})).expect(200);
    let flips = events(&admin, &format!("elevation_id={id}"));
    assert_eq!(flips.iter().filter(|event| event["target"]["type"] == "kill_switch").count(), 2);
    site.log_in("admin@example.org").put("/kill-switch", &on).problem(403, "reauthentication_required");
    site.clock.advance(5 * MINUTE);
    admin.put("/kill-switch", &on).problem(403, "reauthentication_required");
    let olga = on_call(&site, &admin);
    olga.put("/kill-switch", &on).problem(403, "forbidden");
    elevate(&olga, 5).expect(201);
    olga.put("/kill-switch", &on).expect(200);
}

#[test]
fn it_survives_a_restart_no_longer_than_its_time() {
    let site = Site::new();
    let admin = site.admin();
    let olga = on_call(&site, &admin);
    elevate(&olga, 5).expect(201);
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let olga = again.holder(olga.token.as_deref().unwrap());
    olga.get("/users").expect(200);
    again.clock.advance(5 * MINUTE);
    olga.get("/users").problem(403, "forbidden");
    // A clock that goes back gives nothing back.
    again.clock.advance(-4 * MINUTE);
    olga.get("/users").problem(403, "forbidden");
}
