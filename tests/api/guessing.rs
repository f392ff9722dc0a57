//! Guessing at every door that checks a password, from many places at once, and with the clock set wrong.

use crate::{
    second_factor::enrol,
    support::{Actor, Answer, PASSWORD, Site},
};
use reqwest::Method;
use serde_json::json;
use std::thread;

const WRONG: &str = "four copper weathervanes";
const DAY: i64 = 24 * 3_600_000;

fn attempt(site: &Site, address: &str, email: &str, password: &str) -> Answer {
    let nobody = site.nobody();
    let request = nobody.request(Method::POST, "/auth/login").header("x-forwarded-for", address);
    nobody.send(request.json(&json!({"email": email, "password": password})))
}

/// Several administrators, so that none of them has to wait.
fn administrators(site: &Site) -> Vec<Actor> {
    let first = site.admin();
    (0..5)
        .map(|number| {
            site.clock.advance(60_000);
            let guard = site.user(&first, &format!("guard{number}"), &["admin"]);
            enrol(site, &guard);
            guard
        })
        .collect()
}

#[test]
fn every_door_that_checks_a_password_shares_the_limit_of_its_address() {
    let doors = [
        (Method::PUT, "/kill-switch", json!({"active": true, "reason": "a drill", "password": WRONG}), 403),
        (Method::POST, "/secrets/jwt/rotate", json!({"reason": "a drill", "password": WRONG}), 403),
        (Method::POST, "/auth/elevate", json!({"reason": "a drill", "minutes": 5, "password": WRONG}), 401),
        (Method::POST, "/auth/password", json!({"current_password": WRONG, "new_password": PASSWORD}), 401),
        (Method::POST, "/auth/mfa/disable", json!({"password": WRONG}), 401),
        (Method::POST, "/auth/mfa/recovery-codes", json!({"password": WRONG}), 401),
    ];
    let site = Site::with(&[]);
    let guards = administrators(&site);
    for (method, path, body, status) in doors {
        site.clock.advance(120_000);
        for guard in &guards {
            let answer = guard.send(guard.request(method.clone(), path).json(&body));
            assert_eq!(answer.status, status, "{path}: {}", answer.text);
        }
        let log_in = json!({"email": "admin@example.org", "password": PASSWORD});
        site.nobody().post("/auth/login", &log_in).problem(429, "rate_limited");
    }
    // Guesses close no door that is needed in an emergency.
    site.clock.advance(60_000);
    let wrong = json!({"active": true, "reason": "an intruder", "password": WRONG});
    for guard in &guards[1..] {
        guard.put("/kill-switch", &wrong).problem(403, "reauthentication_required");
    }
    let right = json!({"active": true, "reason": "an intruder", "password": PASSWORD});
    guards[0].put("/kill-switch", &right).expect(200);
}

#[test]
fn a_stolen_list_tried_from_everywhere_makes_log_in_dearer_for_a_while() {
    let asking = [
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "100"),
        ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let site = Site::with(&asking);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    let log_in = |password: &str| attempt(&site, "198.51.100.7", "ada@example.org", password);
    thread::scope(|scope| {
        for part in 0..4_u8 {
            let site = &site;
            scope.spawn(move || {
                for number in 0..50_u8 {
                    let (email, address) =
                        (format!("listed{part}x{number}@example.org"), format!("10.{part}.{number}.1"));
                    attempt(site, &address, &email, WRONG).problem(401, "invalid_credentials");
                }
            });
        }
    });
    // An account that nobody tried, from a network that tried nothing, shows work like everybody.
    log_in(PASSWORD).problem(429, "challenge_required");
    site.app.ledger.unrecorded_blocking("what was noted is written", |_| Ok(())).unwrap();
    let events = admin.get("/audit?action=login.spray_seen").expect(200).json();
    assert!(events.to_string().contains("many networks, many accounts"), "{events}");
    assert!(!events.to_string().contains(WRONG));
    site.clock.advance(10 * 60_000 + 1);
    log_in(PASSWORD).expect(200);
}

#[test]
fn a_clock_set_wrong_by_a_day_neither_unlocks_nor_locks_for_long() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "victim", &[]);
    let from_here = |password: &str| {
        site.nobody().post("/auth/login", &json!({"email": "victim@example.org", "password": password}))
    };
    for _ in 0..10 {
        from_here(WRONG).problem(401, "invalid_credentials");
        site.clock.advance(600_000);
    }
    for wrong_by in [DAY, 400 * DAY, -DAY] {
        site.clock.set_wrong(wrong_by);
        let answer = from_here(PASSWORD);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait} with a clock that is wrong by {wrong_by}");
        answer.problem(429, "login_delayed");
    }
    site.clock.set_wrong(0);
    site.clock.advance(900_000);
    from_here(PASSWORD).expect(200);
}

#[test]
fn a_thousand_guesses_at_once_evaluate_ten_hashes_at_most() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "victim", &[]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let guessers: Vec<_> = (0..25)
            .map(|_| {
                let nobody = site.nobody();
                let body = json!({"email": "victim@example.org", "password": WRONG});
                scope.spawn(move || (0..40).map(|_| nobody.post("/auth/login", &body).status).collect::<Vec<_>>())
            })
            .collect();
        guessers.into_iter().flat_map(|guesser| guesser.join().unwrap()).collect()
    });
    assert_eq!(statuses.len(), 1000);
    let evaluated = statuses.iter().filter(|status| **status == 401).count();
    assert!((1..=10).contains(&evaluated), "{evaluated}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429 | 503)));
}

#[test]
fn a_refused_log_in_while_everything_is_closed_tells_nothing_of_the_password() {
    let site = Site::new();
    let admin = site.admin();
    site.user(&admin, "vera", &["viewer"]);
    admin.put("/kill-switch", &json!({"active": true, "reason": "a leak", "password": PASSWORD})).expect(200);
    let told = |email: &str, password: &str| {
        let answer = site.nobody().post("/auth/login", &json!({"email": email, "password": password}));
        let mut problem = answer.problem(503, "kill_switch_active");
        for own in ["request_id", "decision_id"] {
            problem.as_object_mut().unwrap().remove(own);
        }
        problem
    };
    let right = told("vera@example.org", PASSWORD);
    assert_eq!(told("vera@example.org", WRONG), right);
    assert_eq!(told("nobody@example.org", PASSWORD), right);
}

#[test]
fn links_to_choose_a_password_last_as_long_as_they_say() {
    let site = Site::new();
    let admin = site.admin();
    let token = |answer: Answer| {
        let answer = answer.expect(201).json();
        answer["set_password_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
    };
    let reset =
        |token: &str| site.nobody().post("/auth/password/reset", &json!({"token": token, "password": PASSWORD}));
    let invited = token(admin.post("/users", &json!({"email": "new@example.org"})));
    site.clock.advance(DAY - 60_000);
    reset(&invited).expect(204);
    let admin = site.log_in("admin@example.org");
    let user = site.log_in("new@example.org");
    let late = token(admin.post(&format!("/users/{}/password-link", user.id), &json!({})));
    site.clock.advance(DAY + 1);
    reset(&late).problem(401, "invalid_credentials");
}

#[test]
fn a_hash_of_an_old_cost_is_made_anew_at_log_in() {
    let site = Site::new();
    site.admin();
    let hash = |site: &Site| {
        let read = |reader: &portcullis::storage::Reader<'_>| {
            reader.query_one("SELECT password FROM users", &[], |row| row.get::<String>(0))
        };
        site.app.ledger.db().read(read).unwrap().unwrap()
    };
    assert!(hash(&site).starts_with("$2b$10$"));
    let dearer = [("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__BCRYPT_COST", "11")];
    let site = Site::on(site.close(), &dearer);
    assert!(hash(&site).starts_with("$2b$10$"));
    site.log_in("admin@example.org");
    assert!(hash(&site).starts_with("$2b$11$"));
    site.log_in("admin@example.org");
}
