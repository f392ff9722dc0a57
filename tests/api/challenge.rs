//! The work that log-in asks for after failures: alike for every account, good once, and lifting nothing.

use crate::support::{Actor, Answer, PASSWORD, Site};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ASKING: [(&str, &str); 3] = [
    ("PORTCULLIS_LIMITS__ENABLED", "false"),
    ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "3"),
    ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
];
const HERE: &str = "203.0.113.9";
const ELSEWHERE: &str = "198.51.100.7";

/// As `docs/signing-in.md` tells scripts to.
fn solve(challenge: &Value) -> Value {
    let (salt, difficulty) = (challenge["salt"].as_str().unwrap(), challenge["difficulty"].as_u64().unwrap());
    let zeros = |nonce: &u64| {
        let hash = Sha256::digest(format!("{salt}{nonce}"));
        u64::from_be_bytes(hash[..8].try_into().unwrap()).leading_zeros()
    };
    let nonce = (0..u64::MAX).find(|nonce| u64::from(zeros(nonce)) >= difficulty).unwrap();
    json!({"salt": salt, "nonce": nonce.to_string()})
}

fn attempt(site: &Site, address: &str, name: &str, password: &str, answer: &Value) -> Answer {
    let nobody: Actor = site.nobody();
    let mut body = json!({"email": format!("{name}@example.org"), "password": password});
    if !answer.is_null() {
        body["challenge"] = answer.clone();
    }
    let request = nobody.request(reqwest::Method::POST, "/auth/login").header("x-forwarded-for", address);
    nobody.send(request.json(&body))
}

/// So many wrong passwords, each after its wait, with work where it is asked for.
fn fail(site: &Site, address: &str, name: &str, times: usize) {
    for _ in 0..times {
        site.clock.advance(300_000);
        let mut answer = attempt(site, address, name, "wrong", &Value::Null);
        if answer.status == 429 {
            answer = attempt(site, address, name, "wrong", &solve(&asked(answer)));
        }
        answer.problem(401, "invalid_credentials");
    }
    site.clock.advance(300_000);
}

fn asked(answer: Answer) -> Value {
    let problem = answer.problem(429, "challenge_required");
    assert_eq!(problem["challenge"]["algorithm"], "sha256");
    assert!(problem["challenge"]["expires_at"].as_str().unwrap().ends_with('Z'));
    problem["challenge"].clone()
}

#[test]
fn three_failures_ask_for_work_alike_for_known_and_unknown_accounts() {
    let site = Site::with(&ASKING);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    for (name, address) in [("ada", "203.0.113.1"), ("nobody", "203.0.113.2")] {
        fail(&site, address, name, 3);
        let challenge = asked(attempt(&site, address, name, PASSWORD, &Value::Null));
        assert_eq!(challenge["salt"].as_str().unwrap().len(), 69, "{challenge}");
        let body = attempt(&site, address, name, "wrong", &solve(&challenge)).problem(401, "invalid_credentials");
        assert!(body["challenge"].is_null());
    }
    site.clock.advance(300_000);
    let challenge = asked(attempt(&site, "203.0.113.1", "ada", PASSWORD, &Value::Null));
    attempt(&site, "203.0.113.1", "ada", PASSWORD, &solve(&challenge)).expect(200);
    attempt(&site, "203.0.113.1", "ada", PASSWORD, &Value::Null).expect(200);
}

#[test]
fn the_script_in_the_documentation_signs_in_past_a_challenge() {
    let page = include_str!("../../docs/signing-in.md");
    let script = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    let site = Site::with(&ASKING);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    fail(&site, HERE, "ada", 3);
    let sign_in = |password: &str| {
        let call = format!("log_in({:?}, email='ada@example.org', password={password:?})", site.url);
        let program = format!("{script}\nprint({call}['access_token'])\n");
        std::process::Command::new("python3").args(["-c", &program]).output().expect("python3")
    };
    let output = sign_in(PASSWORD);
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.holder(token.trim()).get("/auth/me").expect(200);
    assert!(!sign_in("four copper weathervanes").status.success());
}

#[test]
fn an_answer_is_good_once_for_one_account_and_for_a_while() {
    let site = Site::with(&ASKING);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    site.user(&admin, "bob", &[]);
    fail(&site, HERE, "ada", 3);
    let challenge = asked(attempt(&site, HERE, "ada", PASSWORD, &Value::Null));
    let good = solve(&challenge);
    // From this network every account is asked for work, and each for its own.
    asked(attempt(&site, HERE, "bob", PASSWORD, &good));
    let salt = challenge["salt"].as_str().unwrap();
    let (open, mac) = salt.rsplit_once('.').unwrap();
    let later = format!("9{}.{mac}", &open[1..]);
    for bad in [
        json!({"salt": salt, "nonce": "x"}),
        json!({"salt": "", "nonce": ""}),
        json!({"salt": "....", "nonce": "0"}),
        solve(&json!({"salt": "made up", "difficulty": 17})),
        solve(&json!({"salt": later, "difficulty": 17})),
    ] {
        asked(attempt(&site, HERE, "ada", PASSWORD, &bad));
    }
    for malformed in [
        json!("text"),
        json!({"salt": salt}),
        json!({"salt": salt, "nonce": 7}),
        json!({"salt": salt, "nonce": "1", "more": 1}),
    ] {
        attempt(&site, HERE, "ada", PASSWORD, &malformed).problem(422, "validation_failed");
    }
    attempt(&site, HERE, "ada", "wrong", &good).problem(401, "invalid_credentials");
    site.clock.advance(60_000);
    asked(attempt(&site, HERE, "ada", PASSWORD, &good));
    let late = solve(&asked(attempt(&site, HERE, "ada", PASSWORD, &Value::Null)));
    site.clock.advance(120_001);
    asked(attempt(&site, HERE, "ada", PASSWORD, &late));
    let fresh = solve(&asked(attempt(&site, HERE, "ada", PASSWORD, &Value::Null)));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..6).map(|_| scope.spawn(|| attempt(&site, HERE, "ada", PASSWORD, &fresh).status)).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[test]
fn work_lifts_neither_waiting_nor_lock_and_the_victim_gets_in_from_elsewhere() {
    let site = Site::with(&ASKING);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    site.user(&admin, "bob", &[]);
    fail(&site, HERE, "ada", 3);
    let good = solve(&asked(attempt(&site, HERE, "ada", "wrong", &Value::Null)));
    attempt(&site, HERE, "ada", "wrong", &good).problem(401, "invalid_credentials");
    let delayed = attempt(&site, HERE, "ada", PASSWORD, &good).problem(429, "login_delayed");
    assert!(delayed["challenge"].is_null());
    fail(&site, HERE, "ada", 6);
    attempt(&site, HERE, "ada", PASSWORD, &Value::Null).problem(429, "login_delayed");
    let challenge = asked(attempt(&site, ELSEWHERE, "ada", PASSWORD, &Value::Null));
    attempt(&site, ELSEWHERE, "bob", PASSWORD, &Value::Null).expect(200);
    attempt(&site, ELSEWHERE, "ada", PASSWORD, &solve(&challenge)).expect(200);
    // The victim's success says nothing about the others' failures.
    asked(attempt(&site, ELSEWHERE, "ada", PASSWORD, &Value::Null));
}

#[test]
fn a_spray_over_many_accounts_asks_its_network_for_work_and_a_restart_forgets_nothing() {
    let site = Site::with(&ASKING);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    for name in ["one", "two", "three"] {
        attempt(&site, HERE, name, PASSWORD, &Value::Null).problem(401, "invalid_credentials");
    }
    let challenge = asked(attempt(&site, HERE, "ada", PASSWORD, &Value::Null));
    attempt(&site, ELSEWHERE, "ada", PASSWORD, &Value::Null).expect(200);
    let again = Site::on(site.close(), &ASKING);
    asked(attempt(&again, HERE, "ada", PASSWORD, &Value::Null));
    let good = solve(&challenge);
    attempt(&again, HERE, "ada", PASSWORD, &good).expect(200);
    asked(attempt(&again, HERE, "ada", PASSWORD, &good));
    // Failures are forgotten after a day.
    again.clock.advance(24 * 3_600_000 + 1);
    attempt(&again, HERE, "ada", PASSWORD, &Value::Null).expect(200);
}

#[test]
fn right_passwords_in_parallel_are_no_failures() {
    let site = Site::with(&ASKING);
    site.admin();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..6).map(|_| scope.spawn(|| attempt(&site, HERE, "admin", PASSWORD, &Value::Null).status)).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn who_is_signed_in_is_asked_for_no_work() {
    let site = Site::with(&ASKING);
    let admin = site.admin();
    let ada = site.user(&admin, "ada", &[]);
    fail(&site, HERE, "ada", 4);
    let body = json!({"current_password": PASSWORD, "new_password": "quiet marble lantern"});
    ada.post("/auth/password", &body).expect(204);
}

#[test]
fn a_network_that_tries_many_accounts_works_harder_and_locks_nobody_out() {
    let asking = [ASKING[0], ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "100"), ASKING[2]];
    let site = Site::with(&asking);
    let admin = site.admin();
    site.user(&admin, "ada", &[]);
    for number in 0..10 {
        attempt(&site, HERE, &format!("listed{number}"), "Spring2026!", &Value::Null)
            .problem(401, "invalid_credentials");
    }
    let challenge = asked(attempt(&site, HERE, "ada", PASSWORD, &Value::Null));
    assert_eq!(challenge["difficulty"], 20);
    // Elsewhere nothing has changed, and who knows the password gets in from there as well.
    attempt(&site, ELSEWHERE, "ada", PASSWORD, &Value::Null).expect(200);
    attempt(&site, HERE, "ada", PASSWORD, &solve(&challenge)).expect(200);
    site.app.ledger.settle_notes();
    let events = admin.get("/audit?action=login.spray_seen").expect(200).json();
    let event = &events["items"][0];
    assert_eq!((&event["target"]["id"], &event["ip"]), (&json!(HERE), &json!(HERE)), "{events}");
    assert!(!events.to_string().contains("Spring2026"));
    let again = Site::on(site.close(), &asking);
    assert_eq!(asked(attempt(&again, HERE, "ada", PASSWORD, &Value::Null))["difficulty"], 20);
}
