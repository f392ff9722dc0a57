//! The second factor: setting it up, signing in with it, no code twice, roles that must have one, resetting it.

use crate::support::{Actor, Answer, PASSWORD, Site};
use serde_json::{Value, json};
use std::collections::HashSet;
use totp_rs::{Builder, Secret, Totp};

const REQUIRED: [(&str, &str); 2] =
    [("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__REQUIRE_MFA_ROLES", "analyst")];

/// Somebody's authenticator app.
pub struct App(Totp);

impl App {
    fn of(enrolment: &Value) -> Self {
        let secret = Secret::try_from_base32(enrolment["secret"].as_str().expect("a secret")).expect("base 32");
        Self(Builder::new().with_secret(secret).build().expect("an app"))
    }

    pub fn code(&self, site: &Site) -> String {
        self.0.generate((site.clock.now().millis() / 1000) as u64).to_string()
    }

    /// A code that was not shown before.
    pub fn next_code(&self, site: &Site) -> String {
        site.clock.advance(30_000);
        self.code(site)
    }
}

/// Sets a second factor up; answers with the app and the recovery codes.
pub fn enrol(site: &Site, person: &Actor) -> (App, Vec<String>) {
    let app = App::of(&person.post("/auth/mfa/totp", &json!({})).expect(200).json());
    let answer = person.post("/auth/mfa/confirm", &json!({"totp": app.code(site)})).expect(200).json();
    (app, codes(&answer))
}

fn codes(answer: &Value) -> Vec<String> {
    serde_json::from_value(answer["recovery_codes"].clone()).expect("recovery codes")
}

fn log_in(site: &Site, name: &str, more: &Value) -> Answer {
    let mut body = json!({"email": format!("{name}@example.org"), "password": PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    site.nobody().post("/auth/login", &body)
}

/// After a failure the next attempt waits.
fn wait(site: &Site) {
    site.clock.advance(300_000);
}

#[test]
fn a_second_factor_is_set_up_and_asked_for_from_then_on() {
    let site = Site::new();
    let admin = site.admin();
    let user = site.user(&admin, "ada", &["viewer"]);
    let begun = user.post("/auth/mfa/totp", &json!({})).expect(200).json();
    assert!(begun["otpauth_url"].as_str().unwrap().contains("ada%40example.org"));
    assert!(begun["qr"]["path"].as_str().unwrap().starts_with('M') && begun["qr"]["size"].as_u64().unwrap() > 20);
    log_in(&site, "ada", &json!({})).expect(200);
    user.post("/auth/mfa/confirm", &json!({"totp": "000000"})).problem(422, "validation_failed");
    let again = user.post("/auth/mfa/totp", &json!({})).expect(200).json();
    assert_ne!(begun["secret"], again["secret"]);
    let app = App::of(&again);
    let (tag, path) = (admin.get(&format!("/users/{}", user.id)), format!("/users/{}", user.id));
    let answer = user.post("/auth/mfa/confirm", &json!({"code": app.code(&site)})).expect(200).json();
    assert_eq!(codes(&answer).iter().collect::<HashSet<_>>().len(), 10);
    user.post("/auth/mfa/totp", &json!({})).problem(409, "conflict");
    user.post("/auth/mfa/confirm", &json!({"totp": app.next_code(&site)})).problem(409, "conflict");
    let me = user.get("/auth/me").expect(200).json();
    assert_eq!((&me["mfa_enabled"], &me["recovery_codes_left"]), (&json!(true), &json!(10)));
    let shown = admin.get(&path).expect(200);
    assert_eq!(shown.json()["mfa_enabled"], true);
    assert_ne!(shown.header("etag"), tag.header("etag"));
    let listed = admin.get("/users?fields=mfa_enabled&sort=email").json();
    let enabled = [&listed["items"][0]["mfa_enabled"], &listed["items"][1]["mfa_enabled"]];
    assert_eq!(enabled, [&json!(true), &json!(false)]);

    let asked = log_in(&site, "ada", &json!({}));
    assert!(asked.header("www-authenticate").starts_with("Bearer"));
    asked.problem(401, "mfa_required");
    let code = app.code(&site);
    let signed_in = log_in(&site, "ada", &json!({"totp": code})).expect(200).json();
    assert_eq!(signed_in["user"]["mfa_enabled"], true);
    wait(&site);
    let text = site.nobody().post("/auth/login", &json!({"email": "ada@example.org", "password": "wrong"}));
    text.problem(401, "invalid_credentials");
    let events = admin.get("/audit?action=user.mfa_enabled").expect(200);
    assert_eq!(events.json()["items"].as_array().unwrap().len(), 1);
    assert!(!events.text.contains(again["secret"].as_str().unwrap()));
}

#[test]
fn a_wrong_code_is_a_wrong_password_and_counts_as_one() {
    let site = Site::new();
    let admin = site.admin();
    let (app, recovery) = enrol(&site, &site.user(&admin, "ada", &[]));
    let bare = |answer: Answer| {
        let mut problem = answer.problem(401, "invalid_credentials");
        for own in ["request_id", "decision_id"] {
            problem.as_object_mut().unwrap().remove(own);
        }
        problem
    };
    let wrong_code = bare(log_in(&site, "ada", &json!({"totp": "000000"})));
    let told = admin.get("/audit?action=login.code_failed").expect(200).json();
    assert_eq!(told["items"][0]["outcome"], "failed");
    assert!(!told.to_string().contains("000000"));
    wait(&site);
    assert_eq!(bare(log_in(&site, "ada", &json!({"recovery_code": "00000-00000"}))), wrong_code);
    wait(&site);
    assert_eq!(bare(log_in(&site, "ada", &json!({"password": "wrong", "totp": app.code(&site)}))), wrong_code);
    assert_eq!(bare(log_in(&site, "nobody", &json!({"totp": "000000"}))), wrong_code);
    // The right password without a code is neither a failure nor makes up for one.
    for _ in 0..3 {
        wait(&site);
        log_in(&site, "ada", &json!({})).problem(401, "mfa_required");
    }
    for _ in 3..10 {
        wait(&site);
        bare(log_in(&site, "ada", &json!({"totp": "000000"})));
    }
    log_in(&site, "ada", &json!({"totp": app.code(&site)})).problem(429, "login_delayed");
    log_in(&site, "ada", &json!({})).problem(429, "login_delayed");
    site.clock.advance(900_000);
    log_in(&site, "ada", &json!({"recovery_code": recovery[0]})).expect(200);
}

#[test]
fn no_code_is_taken_twice() {
    let site = Site::new();
    let admin = site.admin();
    let user = site.user(&admin, "ada", &[]);
    let (app, recovery) = enrol(&site, &user);
    log_in(&site, "ada", &json!({"totp": app.code(&site)})).problem(401, "invalid_credentials");
    wait(&site);
    let parallel = |body: &Value| {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..6).map(|_| scope.spawn(|| log_in(&site, "ada", body).status)).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    };
    parallel(&json!({"totp": app.next_code(&site)}));
    wait(&site);
    let earlier = app.code(&site);
    log_in(&site, "ada", &json!({"totp": app.next_code(&site)})).expect(200);
    log_in(&site, "ada", &json!({"totp": earlier})).problem(401, "invalid_credentials");
    wait(&site);
    parallel(&json!({"recovery_code": format!(" {} ", recovery[3].to_uppercase())}));
    wait(&site);
    log_in(&site, "ada", &json!({"recovery_code": recovery[3]})).problem(401, "invalid_credentials");
    wait(&site);
    log_in(&site, "ada", &json!({"recovery_code": recovery[4]})).expect(200);
    assert_eq!(user.get("/auth/me").json()["recovery_codes_left"], 8);
    let events = admin.get("/audit?action=user.recovery_code_used").json();
    assert_eq!(events["items"][0]["changes"]["after"]["recovery_codes_left"], 8);
}

#[test]
fn switching_off_and_new_recovery_codes_take_the_password() {
    let site = Site::new();
    let admin = site.admin();
    let user = site.user(&admin, "ada", &[]);
    for path in ["/auth/mfa/disable", "/auth/mfa/recovery-codes"] {
        user.post(path, &json!({"password": PASSWORD})).problem(409, "conflict");
    }
    let (app, first) = enrol(&site, &user);
    for path in ["/auth/mfa/disable", "/auth/mfa/recovery-codes"] {
        user.post(path, &json!({})).problem(422, "validation_failed");
        user.post(path, &json!({"password": "wrong"})).problem(401, "invalid_credentials");
        user.post(path, &json!({"password": PASSWORD})).problem(429, "login_delayed");
        wait(&site);
    }
    let second = codes(&user.post("/auth/mfa/recovery-codes", &json!({"password": PASSWORD})).expect(200).json());
    log_in(&site, "ada", &json!({"recovery_code": first[0]})).problem(401, "invalid_credentials");
    wait(&site);
    log_in(&site, "ada", &json!({"recovery_code": second[0]})).expect(200);
    user.post("/auth/mfa/disable", &json!({"password": PASSWORD})).expect(204);
    log_in(&site, "ada", &json!({})).expect(200);
    assert_eq!(user.get("/auth/me").json()["mfa_enabled"], false);
    let (again, _) = enrol(&site, &user);
    wait(&site);
    log_in(&site, "ada", &json!({"totp": app.next_code(&site)})).problem(401, "invalid_credentials");
    wait(&site);
    log_in(&site, "ada", &json!({"totp": again.code(&site)})).expect(200);
}

#[test]
fn a_role_that_must_have_one_gets_a_session_that_can_only_set_it_up() {
    let site = Site::with(&REQUIRED);
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let (ada, bob) = (site.user(&admin, "ada", &["analyst"]), site.user(&admin, "bob", &["viewer"]));
    assert_eq!(bob.get("/auth/me").json()["mfa_required"], false);
    let me = ada.get("/auth/me").expect(200).json();
    assert_eq!((&me["mfa_required"], &me["permissions"]), (&json!(true), &json!([])));
    for refused in [
        ada.get("/entities/orders"),
        ada.get("/auth/sessions"),
        ada.patch("/auth/me", &json!({"name": "Ada"})),
        ada.post("/auth/password", &json!({"current_password": PASSWORD, "new_password": "quiet marble lantern"})),
    ] {
        assert_eq!(refused.problem(403, "forbidden")["mfa_required"], true);
    }
    let (app, _) = enrol(&site, &ada);
    ada.get("/entities/orders").expect(200);
    ada.get("/auth/sessions").expect(200);
    admin.patch(&format!("/users/{}", bob.id), &json!({"roles": ["analyst"]})).expect(200);
    bob.get("/entities/orders").problem(403, "forbidden");
    bob.post("/auth/logout", &json!({})).expect(204);
    ada.post("/auth/mfa/disable", &json!({"password": PASSWORD})).expect(204);
    ada.get("/entities/orders").problem(403, "forbidden");
    log_in(&site, "ada", &json!({"totp": app.next_code(&site)})).expect(200);
}

#[test]
fn where_one_is_required_eight_characters_will_do() {
    let site = Site::with(&REQUIRED);
    let admin = site.admin();
    let make = |name: &str, password: &str, role: &str| {
        let email = format!("{name}@example.org");
        admin.post("/users", &json!({"email": email, "password": password, "roles": [role]}))
    };
    make("short", "kx7 vq2!", "analyst").expect(201);
    make("shorter", "kx7 vq2", "analyst").problem(422, "validation_failed");
    make("viewer", "kx7 vq2!", "viewer").problem(422, "validation_failed");
}

#[test]
fn an_administrator_resets_what_somebody_lost() {
    let site = Site::new();
    let admin = site.admin();
    let user = site.user(&admin, "ada", &[]);
    enrol(&site, &user);
    log_in(&site, "ada", &json!({})).problem(401, "mfa_required");
    user.post(&format!("/users/{}/reset-mfa", user.id), &json!({})).problem(403, "forbidden");
    let path = format!("/users/{}/reset-mfa", user.id);
    assert_eq!(admin.post(&path, &json!({})).expect(200).json()["mfa_enabled"], false);
    log_in(&site, "ada", &json!({})).expect(200);
    admin.post(&path, &json!({})).expect(200);
    assert_eq!(admin.get("/audit?action=user.mfa_reset").json()["items"].as_array().unwrap().len(), 1);
    enrol(&site, &admin);
    admin.post(&format!("/users/{}/reset-mfa", admin.id), &json!({})).problem(403, "reauthentication_required");
    let permissions = json!(["users:read", "users:update"]);
    admin.post("/roles", &json!({"name": "desk", "permissions": permissions})).expect(201);
    let desk = site.user(&admin, "desk", &["desk"]);
    desk.post(&format!("/users/{}/reset-mfa", admin.id), &json!({})).problem(403, "forbidden");
    assert_eq!(admin.get("/auth/me").json()["mfa_enabled"], true);
}

#[test]
fn a_second_factor_outlives_a_restart_and_lies_sealed_on_disk() {
    let site = Site::new();
    let admin = site.admin();
    let (app, recovery) = enrol(&site, &admin);
    let secret = app.0.secret().as_bytes().to_vec();
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    log_in(&again, "admin", &json!({})).problem(401, "mfa_required");
    let code = app.next_code(&again);
    log_in(&again, "admin", &json!({"totp": code})).expect(200);
    let again = Site::on(again.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    log_in(&again, "admin", &json!({"totp": code})).problem(401, "invalid_credentials");
    for file in ["portcullis.db", "portcullis.db-wal"] {
        let bytes = std::fs::read(again.folder.path().join("data").join(file)).unwrap_or_default();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
        assert!(!holds(&secret) && !holds(app.0.secret().to_base32().as_bytes()), "{file}");
        assert!(!recovery.iter().any(|code| holds(code.as_bytes())), "{file}");
    }
}
