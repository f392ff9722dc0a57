//! Signing in: one refusal for every bad credential, waiting and locks, passwords, the first administrator.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

fn attempt(actor: &Actor, email: &str, password: &str) -> Answer {
    actor.post("/auth/login", &json!({"email": email, "password": password}))
}

/// From an address that a trusted proxy names.
fn attempt_from(actor: &Actor, address: &str, email: &str, password: &str) -> Answer {
    let request = actor.request(reqwest::Method::POST, "/auth/login").header("x-forwarded-for", address);
    actor.send(request.json(&json!({"email": email, "password": password})))
}

/// What may differ between two refusals taken away: their ids, the time, and what is left of a wait.
fn shape(answer: &Answer) -> (u16, Value, BTreeSet<(String, String)>) {
    let mut problem = answer.json();
    for own in ["request_id", "decision_id"] {
        problem.as_object_mut().unwrap().remove(own);
    }
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        let of_its_own = matches!(name.as_str(), "x-request-id" | "date" | "retry-after");
        (name.to_string(), if of_its_own { String::new() } else { format!("{value:?}") })
    };
    (answer.status, problem, answer.headers.iter().map(header).collect())
}

#[test]
fn every_bad_credential_is_refused_alike() {
    let site = Site::new();
    let admin = site.admin();
    for (name, status) in [("active", "active"), ("disabled", "disabled"), ("pending", "pending")] {
        let body = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "status": status});
        admin.post("/users", &body).expect(201);
    }
    admin.post("/users", &json!({"email": "unset@example.org"})).expect(201);
    let gone = site.user(&admin, "gone", &[]);
    admin.delete(&format!("/users/{}", gone.id)).expect(204);
    let nobody = site.nobody();
    let unknown = attempt(&nobody, "unknown@example.org", PASSWORD);
    assert_eq!(unknown.status, 401);
    for (email, password) in [
        ("active@example.org", "not the password"),
        ("disabled@example.org", PASSWORD),
        ("pending@example.org", PASSWORD),
        ("unset@example.org", ""),
        ("gone@example.org", PASSWORD),
        ("no address at all", PASSWORD),
    ] {
        assert_eq!(shape(&attempt(&nobody, email, password)), shape(&unknown), "{email}");
    }
    let refused = |email: &str, failures: u32| {
        for _ in 0..failures {
            site.clock.advance(600_000);
            attempt(&nobody, email, "not the password").expect(401);
        }
        let answer = attempt(&nobody, email, PASSWORD);
        assert!(!answer.header("retry-after").is_empty());
        (shape(&answer), answer.problem(429, "login_delayed")).0
    };
    // Four more make it wait, and five more than those lock it.
    let waiting = refused("unknown@example.org", 4);
    let locked = refused("unknown@example.org", 5);
    for email in ["active@example.org", "disabled@example.org", "gone@example.org"] {
        assert_eq!(refused(email, 4), waiting, "{email}");
        assert_eq!(refused(email, 5), locked, "{email}");
    }
}

#[test]
fn unknown_accounts_take_as_long_as_known_ones() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "known", &[]);
    let nobody = site.nobody();
    let timed = |email: &str| {
        let began = Instant::now();
        attempt(&nobody, email, "not the password").expect(401);
        began.elapsed()
    };
    // In turns, and the fastest of each: other work on the machine slows both.
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..6 {
        site.clock.advance(60_000);
        for (fastest, email) in fastest.iter_mut().zip(["known@example.org", "unknown@example.org"]) {
            *fastest = timed(email).min(*fastest);
        }
    }
    let [known, unknown] = fastest;
    assert!(known < unknown * 3 && unknown < known * 3, "{known:?} and {unknown:?}");
    assert!(unknown > Duration::from_millis(5), "{unknown:?}");
}

#[test]
fn waiting_survives_a_restart_and_every_door_shares_it() {
    let site = Site::new();
    let admin = site.admin();
    let victim = site.user(&admin, "victim", &[]);
    let body = json!({"current_password": "not the password", "new_password": "quiet marble lantern"});
    for _ in 0..5 {
        site.clock.advance(60_000);
        victim.post("/auth/password", &body).problem(401, "invalid_credentials");
    }
    attempt(&site.nobody(), "VICTIM@example.org", PASSWORD).problem(429, "login_delayed");
    site.clock.advance(60_000);
    attempt(&site.nobody(), "victim@example.org", "not the password").problem(401, "invalid_credentials");
    victim.post("/auth/password", &body).problem(429, "login_delayed");
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    attempt(&again.nobody(), "victim@example.org", PASSWORD).problem(429, "login_delayed");
}

#[test]
fn nobody_can_lock_somebody_else_out() {
    let site =
        Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1/32")]);
    let admin = site.admin();
    let victim = site.user(&admin, "victim", &[]);
    let own = site.user(&admin, "attacker", &[]);
    let nobody = site.nobody();
    for _ in 0..10 {
        attempt_from(&nobody, "203.0.113.9", "victim@example.org", "not the password").expect(401);
        attempt_from(&nobody, "203.0.113.9", "attacker@example.org", PASSWORD).expect(200);
        site.clock.advance(300_000);
    }
    let locked = attempt_from(&nobody, "203.0.113.9", "victim@example.org", PASSWORD);
    let wait: u64 = locked.header("retry-after").parse().unwrap();
    assert!((500..=900).contains(&wait), "{wait}");
    locked.problem(429, "login_delayed");
    attempt_from(&nobody, "198.51.100.7", "victim@example.org", PASSWORD).expect(200);
    attempt_from(&nobody, "203.0.113.9", "victim@example.org", PASSWORD).problem(429, "login_delayed");
    let admin = site.log_in("admin@example.org");
    assert!(admin.get(&format!("/users/{}", victim.id)).json()["locked_until"].is_string());
    let overview = admin.get("/overview").expect(200).json();
    assert_eq!(overview["users"]["locked"], 1);
    assert!(overview["audit"]["failed_logins_24h"].as_i64().unwrap() > 1);
    assert!(admin.get(&format!("/users/{}", own.id)).json()["locked_until"].is_null());
    admin.post(&format!("/users/{}/unlock", victim.id), &json!({})).expect(200);
    attempt_from(&nobody, "203.0.113.9", "victim@example.org", PASSWORD).expect(200);
}

#[test]
fn passwords_are_taken_as_they_are_typed() {
    let site = Site::new();
    let admin = site.admin();
    let make = |name: &str, password: &str| {
        admin.post("/users", &json!({"email": format!("{name}@example.org"), "password": password}))
    };
    let long = "sixty-four characters with spaces in them, as many as one likes.";
    make("long", long).expect(201);
    attempt(&site.nobody(), "long@example.org", long).expect(200);
    make("emoji", "🦀🌋🎻🧊🛶🧲🪁🧭🪵🧵🧶🪡").expect(201);
    attempt(&site.nobody(), "emoji@example.org", "🦀🌋🎻🧊🛶🧲🪁🧭🪵🧵🧶🪡").expect(200);
    make("form", "Zu\u{308}richer Geschnetzeltes").expect(201);
    attempt(&site.nobody(), "form@example.org", "Z\u{fc}richer Geschnetzeltes").expect(200);
    make("exact", "quiet marble\0lantern ").expect(201);
    for wrong in ["quiet marble", "quiet marble\0lantern", "quiet marble\0lantern  "] {
        site.clock.advance(60_000);
        attempt(&site.nobody(), "exact@example.org", wrong).expect(401);
    }
    site.clock.advance(60_000);
    attempt(&site.nobody(), "exact@example.org", "quiet marble\0lantern ").expect(200);
    let over = format!("{long}12345678901234567890");
    for (password, code) in [
        (over.as_str(), "too_long"),
        ("too-brief", "too_short"),
        ("password1234", "too_common"),
        ("qwertyuiopas", "too_common"),
        ("refused@example.org", "too_personal"),
    ] {
        let problem = make("refused", password).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], code, "{password}");
        assert_eq!(problem["errors"][0]["pointer"], "/password");
        assert!(!problem["detail"].as_str().unwrap().contains(password));
    }
}

#[test]
fn the_first_administrator_is_made_once() {
    let site = Site::new();
    let nobody = site.nobody();
    let body = |token: &str| json!({"token": token, "email": "first@example.org", "password": PASSWORD});
    nobody.post("/setup", &body("guessed")).problem(401, "invalid_credentials");
    let expired = site.app.setup_token().unwrap();
    site.clock.advance(24 * 3_600_000 + 1);
    nobody.post("/setup", &body(&expired)).problem(401, "invalid_credentials");
    let earlier = site.app.setup_token().unwrap();
    let token = site.app.setup_token().unwrap();
    nobody.post("/setup", &body(&earlier)).problem(401, "invalid_credentials");
    let made = nobody.post("/setup", &body(&token)).expect(201);
    assert_eq!(made.json()["roles"], json!(["admin"]));
    assert!(!made.text.contains("$2b$"));
    nobody.post("/setup", &body(&token)).problem(409, "conflict");
    assert_eq!(site.app.setup_token(), None);
}

#[test]
fn nobody_signs_up_unless_it_is_open_and_then_as_nobody_special() {
    let body = json!({"email": "admin@example.org", "password": PASSWORD});
    let site = Site::new();
    site.nobody().post("/auth/signup", &body).problem(403, "forbidden");
    let open = Site::with(&[("PORTCULLIS_AUTH__SIGNUP", "open"), ("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let problem = open
        .nobody()
        .post("/auth/signup", &json!({"email": "a@example.org", "password": PASSWORD, "roles": ["admin"]}))
        .problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/roles");
    assert_eq!(open.nobody().post("/auth/signup", &body).expect(201).json()["roles"], json!([]));
    let me = open.log_in("admin@example.org").get("/auth/me").expect(200).json();
    assert_eq!((&me["permissions"], &me["clearance"]), (&json!([]), &json!("public")));
    let approval = Site::with(&[("PORTCULLIS_AUTH__SIGNUP", "approval"), ("PORTCULLIS_LIMITS__ENABLED", "false")]);
    assert_eq!(approval.nobody().post("/auth/signup", &body).expect(201).json()["status"], "pending");
    attempt(&approval.nobody(), "admin@example.org", PASSWORD).problem(401, "invalid_credentials");
}

#[test]
fn a_link_sets_a_password_once() {
    let site = Site::new();
    let admin = site.admin();
    let made = admin.post("/users", &json!({"email": "new@example.org"})).expect(201).json();
    let link = made["set_password_url"].as_str().unwrap();
    assert!(link.starts_with(&format!("{}/console/set-password#token=", site.url)), "{link}");
    let token = link.split_once("token=").unwrap().1;
    let nobody = site.nobody();
    let reset = |token: &str, password: &str| {
        nobody.post("/auth/password/reset", &json!({"token": token, "password": password}))
    };
    reset(token, "short").problem(422, "validation_failed");
    reset(token, PASSWORD).expect(204);
    reset(token, PASSWORD).problem(401, "invalid_credentials");
    let user = site.log_in("new@example.org");
    let path = format!("/users/{}/password-link", user.id);
    let first = admin.post(&path, &json!({})).expect(201).json();
    let second = admin.post(&path, &json!({})).expect(201).json();
    let token_of =
        |answer: &Value| answer["set_password_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    reset(&token_of(&first), "quiet marble lantern").problem(401, "invalid_credentials");
    reset(&token_of(&second), "quiet marble lantern").expect(204);
    user.get("/auth/me").problem(401, "unauthenticated");
    for email in ["new@example.org", "unknown@example.org"] {
        let answer = nobody.post("/auth/password/forgot", &json!({"email": email})).expect(202);
        assert_eq!(answer.text, "");
    }
}
