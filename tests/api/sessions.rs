//! Sessions: rotation and reuse of refresh tokens, and credentials that end on the very next request.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::json;

fn refresh(site: &Site, token: &str) -> Answer {
    site.nobody().post("/auth/refresh", &json!({"refresh_token": token}))
}

fn token_of(actor: &Actor) -> String {
    actor.refresh_token.clone().unwrap()
}

/// Signs in as the console does: the cookie and its CSRF token.
fn console(site: &Site, email: &str) -> (String, String) {
    let body = json!({"email": email, "password": PASSWORD, "cookie": true});
    let answer = site.nobody().post("/auth/login", &body).expect(200);
    assert!(answer.json().get("access_token").is_none() && answer.json().get("refresh_token").is_none());
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"));
    (cookie.split(';').next().unwrap().to_owned(), answer.json()["csrf_token"].as_str().unwrap().to_owned())
}

fn by_cookie(site: &Site, method: Method, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let nobody = site.nobody();
    let mut request = nobody.request(method, path).header("cookie", cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    nobody.send(request)
}

#[test]
fn parallel_refreshes_give_one_success_whose_holder_goes_on() {
    let site = Site::new();
    let admin = site.admin();
    let token = token_of(&admin);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(|| refresh(&site, &token))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401)));
    let holder = site.bearer(&good[0].json());
    holder.get("/auth/me").expect(200);
    refresh(&site, &token_of(&holder)).expect(200);
}

#[test]
fn a_refresh_token_that_comes_again_ends_its_family() {
    let site = Site::new();
    let admin = site.admin();
    let other = site.log_in("admin@example.org");
    let first = token_of(&admin);
    let second = site.bearer(&refresh(&site, &first).expect(200).json());
    refresh(&site, &first).problem(401, "invalid_credentials");
    second.get("/auth/me").expect(200);
    site.clock.advance(11_000);
    refresh(&site, &first).problem(401, "invalid_credentials");
    second.get("/auth/me").problem(401, "unauthenticated");
    admin.get("/auth/me").problem(401, "unauthenticated");
    refresh(&site, &token_of(&second)).problem(401, "invalid_credentials");
    let events = other.get("/audit?action=session.refresh_reused").expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
    assert_eq!(events["items"][0]["outcome"], "denied");
}

#[test]
fn a_used_successor_makes_a_replay_theft_also_after_a_restart() {
    let site = Site::new();
    let admin = site.admin();
    let first = token_of(&admin);
    let second = site.bearer(&refresh(&site, &first).expect(200).json());
    let third = site.bearer(&refresh(&site, &token_of(&second)).expect(200).json());
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    refresh(&again, &first).problem(401, "invalid_credentials");
    refresh(&again, &token_of(&third)).problem(401, "invalid_credentials");
}

#[test]
fn one_kind_of_credential_is_not_taken_for_another() {
    let site = Site::new();
    let admin = site.admin();
    let (cookie, _) = console(&site, "admin@example.org");
    let secret = cookie.split_once('=').unwrap().1;
    for wrong in [token_of(&admin), secret.to_owned(), "a.b.c.d.e".into(), "x".repeat(7000)] {
        let nobody = site.nobody();
        nobody.send(nobody.request(Method::GET, "/auth/me").bearer_auth(wrong)).problem(401, "unauthenticated");
    }
    refresh(&site, admin.token.as_deref().unwrap()).problem(401, "invalid_credentials");
    refresh(&site, secret).problem(401, "invalid_credentials");
    let bearer = format!("portcullis={}", admin.token.as_deref().unwrap());
    by_cookie(&site, Method::GET, "/auth/me", &bearer, &[]).problem(401, "unauthenticated");
    let in_query = format!("/auth/me?access_token={}", admin.token.as_deref().unwrap());
    assert_eq!(site.nobody().get(&in_query).status, 401);
}

#[test]
fn access_tokens_expire() {
    let site = Site::new();
    let admin = site.admin();
    site.clock.advance(30 * 60_000);
    admin.get("/auth/me").expect(200);
    site.clock.advance(31_000);
    admin.get("/auth/me").problem(401, "token_expired");
    let fresh = site.bearer(&refresh(&site, &token_of(&admin)).expect(200).json());
    fresh.get("/auth/me").expect(200);
    site.clock.advance(31 * 24 * 3_600_000);
    refresh(&site, &token_of(&fresh)).problem(401, "invalid_credentials");
}

#[test]
fn signing_out_holds_on_the_next_request() {
    let site = Site::new();
    let admin = site.admin();
    let other = site.log_in("admin@example.org");
    let (cookie, csrf) = console(&site, "admin@example.org");
    admin.post("/auth/logout", &json!({})).expect(204);
    admin.get("/auth/me").problem(401, "unauthenticated");
    refresh(&site, &token_of(&admin)).problem(401, "invalid_credentials");
    other.get("/auth/me").expect(200);
    let own_page = [("x-csrf-token", csrf.as_str()), ("sec-fetch-site", "same-origin")];
    let left = by_cookie(&site, Method::POST, "/auth/logout-all", &cookie, &own_page).expect(204);
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    other.get("/auth/me").problem(401, "unauthenticated");
    by_cookie(&site, Method::GET, "/auth/me", &cookie, &[]).problem(401, "unauthenticated");
}

#[test]
fn a_new_password_ends_every_other_session() {
    let site = Site::new();
    let admin = site.admin();
    let (elsewhere, here) = (site.user(&admin, "jo", &[]), site.log_in("jo@example.org"));
    let change = |new: &str| here.post("/auth/password", &json!({"current_password": PASSWORD, "new_password": new}));
    change("password1234").problem(422, "validation_failed");
    change("quiet marble lantern").expect(204);
    here.get("/auth/me").expect(200);
    elsewhere.get("/auth/me").problem(401, "unauthenticated");
    refresh(&site, &token_of(&elsewhere)).problem(401, "invalid_credentials");
    refresh(&site, &token_of(&here)).expect(200);
    let body = json!({"email": "jo@example.org", "password": PASSWORD});
    site.nobody().post("/auth/login", &body).problem(401, "invalid_credentials");
}

#[test]
fn disabling_deleting_and_revoking_hold_on_the_next_request() {
    let site = Site::new();
    let admin = site.admin();
    for (name, act) in [("disabled", 0), ("deleted", 1), ("revoked", 2)] {
        let user = site.user(&admin, name, &[]);
        user.get("/auth/me").expect(200);
        let path = format!("/users/{}", user.id);
        match act {
            0 => admin.patch(&path, &json!({"status": "disabled"})).expect(200),
            1 => admin.delete(&path).expect(204),
            _ => admin.post(&format!("{path}/sessions/revoke"), &json!({})).expect(200),
        };
        user.get("/auth/me").problem(401, "unauthenticated");
        refresh(&site, &token_of(&user)).problem(401, "invalid_credentials");
    }
}

#[test]
fn who_waits_for_approval_again_is_out_on_the_next_request() {
    let site = Site::new();
    let admin = site.admin();
    let vera = site.user(&admin, "vera", &["viewer"]);
    vera.get("/auth/me").expect(200);
    admin.patch(&format!("/users/{}", vera.id), &json!({"status": "pending"})).expect(200);
    vera.get("/auth/me").problem(401, "unauthenticated");
    refresh(&site, &token_of(&vera)).problem(401, "invalid_credentials");
}

#[test]
fn a_change_of_rights_holds_on_the_next_request() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "clerk", "permissions": ["users:read"]})).expect(201);
    let clerk = site.user(&admin, "clerk", &["clerk"]);
    clerk.get("/users").expect(200);
    admin.patch("/roles/clerk", &json!({"permissions": ["roles:read"]})).expect(200);
    clerk.get("/users").problem(403, "forbidden");
    clerk.get("/roles").expect(200);
    admin.patch(&format!("/users/{}", clerk.id), &json!({"roles": []})).expect(200);
    clerk.get("/roles").problem(403, "forbidden");
    clerk.get("/auth/me").expect(200);
}

#[test]
fn devices_are_listed_and_ended_by_their_owner_alone() {
    let site = Site::new();
    let admin = site.admin();
    let jo = site.user(&admin, "jo", &[]);
    let phone = site.log_in("jo@example.org");
    let devices = jo.get("/auth/sessions").expect(200).json();
    let devices = devices["items"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let other = devices.iter().find(|device| device["current"] == false).unwrap();
    assert_eq!((&other["kind"], &other["ip"]), (&json!("token"), &json!("127.0.0.1")));
    assert!(other["last_used_at"].is_string(), "{other}");
    let named = phone.request(Method::POST, "/auth/login").header("user-agent", "Telephone/7");
    phone.send(named.json(&json!({"email": "jo@example.org", "password": PASSWORD}))).expect(200);
    assert!(jo.get("/auth/sessions").expect(200).text.contains("Telephone/7"));
    let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
    admin.delete(&path).problem(404, "not_found");
    phone.get("/auth/me").expect(200);
    jo.delete(&path).expect(204);
    jo.delete(&path).problem(404, "not_found");
    phone.get("/auth/me").problem(401, "unauthenticated");
    jo.delete("/auth/sessions/not-an-id").problem(404, "not_found");
}

#[test]
fn writes_by_cookie_come_from_our_own_pages() {
    let site = Site::new();
    site.admin();
    let (cookie, csrf) = console(&site, "admin@example.org");
    let me = by_cookie(&site, Method::GET, "/auth/me", &cookie, &[]).expect(200).json();
    assert_eq!(me["csrf_token"], csrf.as_str());
    let origin = site.url.as_str();
    let attempts: [(&[(&str, &str)], u16); 9] = [
        (&[("x-csrf-token", &csrf), ("sec-fetch-site", "same-origin")], 200),
        (&[("x-csrf-token", &csrf), ("origin", origin)], 200),
        (&[("x-csrf-token", &csrf), ("sec-fetch-site", "same-site"), ("origin", origin)], 403),
        (&[("x-csrf-token", &csrf), ("sec-fetch-site", "cross-site")], 403),
        (&[("x-csrf-token", &csrf), ("origin", "null")], 403),
        (&[("x-csrf-token", &csrf), ("origin", "https://attacker.example")], 403),
        (&[("x-csrf-token", &csrf)], 403),
        (&[("sec-fetch-site", "same-origin")], 403),
        (&[("x-csrf-token", "0000"), ("sec-fetch-site", "same-origin")], 403),
    ];
    for (headers, status) in attempts {
        let nobody = site.nobody();
        let mut request =
            nobody.request(Method::PATCH, "/auth/me").header("cookie", &cookie).json(&json!({"name": "Ada"}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = nobody.send(request);
        assert_eq!(answer.status, status, "{headers:?} {}", answer.text);
    }
}

#[test]
fn console_sessions_end_when_idle_and_in_any_case() {
    let site = Site::new();
    site.admin();
    let (idle, _) = console(&site, "admin@example.org");
    let (busy, _) = console(&site, "admin@example.org");
    assert_ne!(idle, busy);
    for _ in 0..25 {
        site.clock.advance(28 * 60_000);
        by_cookie(&site, Method::GET, "/auth/me", &busy, &[]).expect(200);
    }
    by_cookie(&site, Method::GET, "/auth/me", &idle, &[]).problem(401, "unauthenticated");
    site.clock.advance(21 * 60_000);
    by_cookie(&site, Method::GET, "/auth/me", &busy, &[]).problem(401, "unauthenticated");
}
