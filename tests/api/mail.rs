//! Mail as a real server on loopback gets it: forgotten passwords, invitations, notices, and what is never said.

use crate::{
    sink::{Mail, Sink},
    support::{Actor, Answer, PASSWORD, Site},
};
use serde_json::{Value, json};
use std::{fs, thread, time::Duration};

const NEW: &str = "quiet marble lantern";
pub const MINUTE: i64 = 60_000;

fn site(sink: &Sink) -> Site {
    at(&format!("smtp://127.0.0.1:{}", sink.port), &[])
}

pub fn at(url: &str, further: &[(&str, &str)]) -> Site {
    let mut settings = vec![
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_MAIL__SMTP_URL", url),
        ("PORTCULLIS_MAIL__FROM", "The Gate <gate@example.org>"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
        ("PORTCULLIS_SERVER__PUBLIC_URL", "https://gate.example.org"),
    ];
    settings.extend(further);
    Site::with(&settings)
}

pub fn forget(site: &Site, email: &str) -> Answer {
    site.nobody().post("/auth/password/forgot", &json!({ "email": email })).expect(202)
}

pub fn reset(site: &Site, token: &str) -> Answer {
    site.nobody().post("/auth/password/reset", &json!({"token": token, "new_password": NEW}))
}

pub fn is_about(mail: &Mail, to: &str, subject: &str) {
    assert_eq!((mail.to.as_slice(), mail.header("Subject").as_str()), (&[to.to_owned()][..], subject), "{}", mail.raw);
}

/// The newest event of this action.
pub fn event(admin: &Actor, action: &str) -> Value {
    admin.get(&format!("/audit?action={action}&limit=1")).expect(200).json()["items"][0].clone()
}

#[test]
fn a_forgotten_password_is_chosen_anew_by_mail() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let user = site.user(&admin, "jo", &["viewer"]);
    assert_eq!(forget(&site, "JO@Example.org ").text, "");
    let mail = sink.next();
    is_about(&mail, "jo@example.org", "Choose a new password");
    assert_eq!(
        (mail.header("From").as_str(), mail.from.as_str()),
        ("\"The Gate\" <gate@example.org>", "gate@example.org")
    );
    assert_eq!(mail.header("To"), "jo@example.org");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.text().contains("https://gate.example.org/console/set-password#token="), "{}", mail.text());
    assert!(mail.raw.contains("text/plain") && mail.raw.contains("text/html"), "{}", mail.raw);
    let requested = event(&admin, "user.password_reset_requested");
    assert_eq!((&requested["target"]["id"], &requested["actor"]["type"]), (&json!(user.id), &json!("anonymous")));
    assert_eq!(requested["ip"], "127.0.0.1");

    forget(&site, "jo@example.org");
    let other = sink.next().token();
    let token = mail.token();
    let short = json!({"token": token, "new_password": "short"});
    let problem = site.nobody().post("/auth/password/reset", &short).problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    reset(&site, &token).expect(204);
    is_about(&sink.next(), "jo@example.org", "Your password was changed");
    for used in [&token, &other] {
        reset(&site, used).problem(401, "invalid_credentials");
    }
    user.get("/auth/me").problem(401, "unauthenticated");
    let sign_in =
        |password| site.nobody().post("/auth/login", &json!({"email": "jo@example.org", "password": password}));
    sign_in(PASSWORD).problem(401, "invalid_credentials");
    site.clock.advance(MINUTE);
    sign_in(NEW).expect(200);
    assert_eq!(event(&admin, "user.password_reset")["actor"]["id"], json!(user.id));
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn a_mailed_link_expires_within_half_an_hour() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    site.user(&admin, "jo", &[]);
    forget(&site, "jo@example.org");
    let token = sink.next().token();
    site.clock.advance(31 * MINUTE);
    reset(&site, &token).problem(401, "invalid_credentials");
}

#[test]
fn a_link_goes_with_the_address_it_was_sent_to() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let user = site.user(&admin, "jo", &[]);
    forget(&site, "jo@example.org");
    let token = sink.next().token();
    admin.patch(&format!("/users/{}", user.id), &json!({"email": "joanna@example.org"})).expect(200);
    reset(&site, &token).problem(401, "invalid_credentials");
}

#[test]
fn who_has_no_account_gets_no_mail_and_the_same_answer() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let known = site.user(&admin, "jo", &[]);
    let told = |email: &str| {
        let answer = forget(&site, email);
        let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        (answer.text, names)
    };
    let answers: Vec<_> =
        ["nobody@example.org", "not an address", "a\u{e9}@example.org"].iter().map(|email| told(email)).collect();
    sink.stays_empty();
    let expected = told("jo@example.org");
    assert_eq!(answers, vec![expected; 3]);
    is_about(&sink.next(), "jo@example.org", "Choose a new password");
    for status in ["disabled", "pending"] {
        site.clock.advance(61 * MINUTE);
        let admin = site.log_in("admin@example.org");
        admin.patch(&format!("/users/{}", known.id), &json!({ "status": status })).expect(200);
        forget(&site, "jo@example.org");
    }
    let admin = site.log_in("admin@example.org");
    admin.post("/users", &json!({"email": "robot@example.org", "kind": "service"})).expect(201);
    forget(&site, "robot@example.org");
    sink.stays_empty();
    let long = json!({"email": "a".repeat(400)});
    site.nobody().post("/auth/password/forgot", &long).problem(422, "validation_failed");
}

#[test]
fn nobody_is_flooded() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    site.user(&admin, "jo", &[]);
    for _ in 0..8 {
        forget(&site, "jo@example.org");
    }
    for _ in 0..3 {
        sink.next();
    }
    sink.stays_empty();
    site.clock.advance(61 * MINUTE);
    forget(&site, "jo@example.org");
    sink.next();
    let limited = at(&format!("smtp://127.0.0.1:{}", sink.port), &[("PORTCULLIS_LIMITS__ENABLED", "true")]);
    let ask = || limited.nobody().post("/auth/password/forgot", &json!({"email": "nobody@example.org"}));
    for _ in 0..5 {
        ask().expect(202);
    }
    ask().problem(429, "rate_limited");
}

#[test]
fn a_mailed_link_does_not_take_the_second_factor_away() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let user = site.user(&admin, "jo", &[]);
    crate::second_factor::enrol(&site, &user);
    forget(&site, "jo@example.org");
    reset(&site, &sink.next().token()).expect(204);
    is_about(&sink.next(), "jo@example.org", "Your password was changed");
    let body = json!({"email": "jo@example.org", "password": NEW});
    site.nobody().post("/auth/login", &body).problem(401, "mfa_required");
    admin.post(&format!("/users/{}/reset-mfa", user.id), &json!({})).expect(200);
    let notice = sink.next();
    is_about(&notice, "jo@example.org", "Your second factor was switched off");
    assert!(notice.text().contains("jo@example.org at https://gate.example.org"), "{}", notice.text());
    site.nobody().post("/auth/login", &body).expect(200);
}

#[test]
fn a_new_account_gets_its_link_by_mail_too() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let made = admin.post("/users", &json!({"email": "new@example.org"})).expect(201).json();
    assert!(made["set_password_url"].as_str().unwrap().starts_with("https://gate.example.org/console/set-password#"));
    let mail = sink.next();
    is_about(&mail, "new@example.org", "Your account is ready");
    assert_eq!(event(&admin, "user.invited")["target"]["id"], made["id"]);
    reset(&site, &mail.token()).expect(204);
    let shown = made["set_password_url"].as_str().unwrap().split_once("#token=").unwrap().1;
    reset(&site, shown).problem(401, "invalid_credentials");
    is_about(&sink.next(), "new@example.org", "Your password was changed");
    admin.post("/users", &json!({"email": "set@example.org", "password": PASSWORD})).expect(201);
    admin.post("/users", &json!({"email": "later@example.org", "status": "pending"})).expect(201);
    sink.stays_empty();
}

#[test]
fn a_device_that_was_not_seen_before_is_told_of() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let sign_in = |agent: &str| {
        let body = json!({"email": "admin@example.org", "password": PASSWORD});
        let request =
            site.nobody().request(reqwest::Method::POST, "/auth/login").header("user-agent", agent).json(&body);
        let answer = site.nobody().send(request).expect(200).json();
        site.bearer(&answer)
    };
    sink.stays_empty();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let newcomer = sign_in(firefox);
    let mail = sink.next();
    is_about(&mail, "admin@example.org", "A new device signed in");
    assert!(mail.text().contains("Device: Firefox on Linux\nAddress: 127.0.0.1\n"), "{}", mail.text());
    let told = event(&admin, "session.new_device");
    assert_eq!(told["changes"]["after"]["device"], "Firefox on Linux");
    let marked = |who: &Actor| {
        let items = who.get("/auth/sessions").expect(200).json()["items"].as_array().unwrap().clone();
        items.iter().filter(|item| item["new_device"] == true).count()
    };
    assert_eq!(marked(&admin), 1);
    sign_in(&firefox.replace("140", "141"));
    sink.stays_empty();
    assert_eq!(marked(&newcomer), 1);
    sign_in("evil.example/<a href=//evil.example>");
    let mail = sink.next();
    assert!(!mail.raw.contains("evil.example"), "{}", mail.raw);
    site.clock.advance(8 * 24 * 60 * MINUTE);
    let again = sign_in(firefox);
    assert_eq!(marked(&again), 0);
}

#[test]
fn a_changed_password_is_told_of() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    admin.post("/auth/password", &json!({"current_password": PASSWORD, "new_password": NEW})).expect(204);
    let mail = sink.next();
    is_about(&mail, "admin@example.org", "Your password was changed");
    assert!(mail.text().contains("Your other sessions have ended."), "{}", mail.text());
}

#[test]
fn nothing_that_somebody_is_called_gets_into_a_head() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    let hostile = "Jo\", <eve@example.org>, \u{2028}Bcc: eve@example.org; <b>&</b> =?utf-8?q?=0D=0ABcc:_eve?=";
    let made = admin.post("/users", &json!({"email": "jo@example.org", "name": hostile})).expect(201).json();
    let mail = sink.next();
    is_about(&mail, "jo@example.org", "Your account is ready");
    assert!(!mail.raw.contains("eve"), "{}", mail.raw);
    for name in ["Jo\r\nBcc: eve@example.org", "Jo\nBcc: eve@example.org"] {
        let answer = admin.patch(&format!("/users/{}", made["id"].as_str().unwrap()), &json!({ "name": name }));
        if answer.status == 200 {
            forget(&site, "jo@example.org");
            let mail = sink.next();
            assert!(mail.header("Bcc").is_empty() && !mail.raw.contains("eve"), "{}", mail.raw);
        }
    }
    for address in
        ["jo@example.org\r\nRCPT TO:<eve@example.org>", "jo@example.org, eve@example.org", "\"a\\\"\"@example.org"]
    {
        admin.post("/users", &json!({ "email": address })).problem(422, "validation_failed");
        forget(&site, address);
    }
    sink.stays_empty();
}

/// Every file of the data folder that holds this.
fn files_with(site: &Site, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(site.folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = fs::read(&path) else { continue };
        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn no_token_stays_behind() {
    let echoing = Sink::with(&["--refuse", "550 echo"]);
    let site = at(&format!("smtp://127.0.0.1:{}", echoing.port), &[]);
    let admin = site.admin();
    site.user(&admin, "jo", &[]);
    forget(&site, "jo@example.org");
    let error = || {
        let sql = "SELECT error FROM jobs WHERE kind = 'identity.mail_link' AND error IS NOT NULL";
        site.app.ledger.db().read(|reader| reader.query_one(sql, &[], |row| row.get::<String>(0))).unwrap()
    };
    for _ in 0..200 {
        if error().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let error = error().expect("the server refuses");
    assert!(error.contains("550") && !error.contains("token="), "{error}");

    let sink = Sink::new();
    let site = self::site(&sink);
    let admin = site.admin();
    site.user(&admin, "jo", &[]);
    forget(&site, "jo@example.org");
    admin.post("/users", &json!({"email": "new@example.org"})).expect(201);
    let tokens = [sink.next().token(), sink.next().token()];
    let audit = admin.get("/audit?limit=200").expect(200).text;
    let jobs: Vec<String> = site
        .app
        .ledger
        .db()
        .read(|reader| reader.query_all("SELECT payload FROM jobs", &[], |row| row.get(0)))
        .unwrap();
    for token in &tokens {
        assert!(!audit.contains(token) && files_with(&site, token).is_empty(), "{:?}", files_with(&site, token));
    }
    assert!(!jobs.concat().contains("example.org"), "{jobs:?}");
    assert!(!files_with(&site, "jo@example.org").is_empty(), "the files are looked at");
}

#[test]
fn administrators_hear_at_once_that_somebody_broke_the_glass() {
    let sink = Sink::new();
    let site = site(&sink);
    let admin = site.admin();
    admin.post("/roles", &json!({"name": "on_call", "permissions": ["elevations:create"]})).expect(201);
    let olga = site.user(&admin, "olga", &["on_call"]);
    let asked = json!({"password": PASSWORD, "reason": "payments <b>stuck</b>\r\nBcc: x@example.org", "minutes": 5});
    let id = olga.post("/auth/elevate", &asked).expect(201).id();
    let mail = sink.next();
    is_about(&mail, "admin@example.org", "Somebody broke the glass");
    let text = mail.text();
    assert!(text.contains("olga@example.org holds every permission at https://gate.example.org until"), "{text}");
    assert!(text.contains("Reason: payments <b>stuck</b>Bcc: x@example.org\n"), "{text}");
    assert!(text.contains(&format!("https://gate.example.org/console/elevations?open={id}")), "{text}");
}
