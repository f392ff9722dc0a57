//! What may change while the server runs.

use crate::support::Site;
use reqwest::Method;
use serde_json::{Value, json};

fn setting<'a>(outline: &'a Value, key: &str) -> &'a Value {
    outline["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap_or(&Value::Null)
}

fn pointers(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let mut named: Vec<String> = errors
        .iter()
        .map(|fault| format!("{} {}", fault["pointer"].as_str().unwrap(), fault["code"].as_str().unwrap()))
        .collect();
    named.sort();
    named
}

#[test]
fn what_may_change_is_told_with_its_source() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__PASSWORD_MIN", "13")]);
    let admin = site.admin();
    let outline = admin.get("/settings").expect(200).json();
    assert_eq!(outline["values"]["limits"]["public_per_minute"], 20);
    assert_eq!(outline["values"]["limits"]["routes"], json!({}));
    let own = setting(&outline, "limits.public_per_minute");
    assert_eq!((&own["source"], &own["locked"], &own["default"]), (&json!("default"), &json!(false), &json!(20)));
    assert_eq!((&own["kind"], &own["legal"]), (&json!("number"), &json!("a whole number from 1 to 1000000")));
    let from_outside = setting(&outline, "auth.password_min");
    assert_eq!((&from_outside["source"], &from_outside["locked"]), (&json!("environment"), &json!(true)));
    assert_eq!(*setting(&outline, "server.listen"), Value::Null);
    admin.patch("/settings", &json!({"limits": {"public_per_minute": 30}})).expect(200);
    let outline = admin.get("/settings").expect(200).json();
    let own = setting(&outline, "limits.public_per_minute");
    assert_eq!((&own["value"], &own["source"]), (&json!(30), &json!("database")));
    let back = admin.patch("/settings", &json!({"limits": {"public_per_minute": null}})).expect(200).json();
    assert_eq!(setting(&back, "limits.public_per_minute")["source"], "default");
    assert_eq!(back["values"]["limits"]["public_per_minute"], 20);
}

#[test]
fn a_change_holds_on_the_next_request_and_after_a_restart() {
    let site = Site::new();
    let admin = site.admin();
    let someone = json!({"email": "new@example.org", "password": "an open door for all"});
    site.nobody().post("/auth/signup", &someone).expect(403);
    admin
        .patch("/settings", &json!({"auth": {"signup": "open", "password_min": 15}, "flags": {"a.b": true}}))
        .expect(200);
    let short = json!({"email": "short@example.org", "password": "Fourteen-chars"});
    site.nobody().post("/auth/signup", &short).expect(422);
    site.nobody().post("/auth/signup", &someone).expect(201);
    admin.patch("/settings", &json!({"inspection": {"mode": "block"}})).expect(200);
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    admin.post("/entities/notes", &json!({"name": "<script>alert(1)</script>"})).expect(422);
    let again = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = again.log_in("admin@example.org");
    let outline = admin.get("/settings").expect(200).json();
    assert_eq!(outline["values"]["auth"]["signup"], "open");
    assert_eq!(outline["values"]["flags"], json!({"a.b": true}));
    assert_eq!(outline["values"]["inspection"]["mode"], "block");
    admin.patch("/settings", &json!({"flags": null, "auth": null, "inspection": {"mode": "off"}})).expect(200);
    again
        .nobody()
        .post("/auth/signup", &json!({"email": "x@example.org", "password": "an open door for all"}))
        .expect(403);
    admin.post("/entities/notes", &json!({"name": "<script>alert(1)</script>"})).expect(201);
}

#[test]
fn the_environment_wins_over_what_was_changed() {
    let site = Site::new();
    site.admin().patch("/settings", &json!({"auth": {"lockout_failures": 7}})).expect(200);
    let again =
        Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__LOCKOUT_FAILURES", "5")]);
    let outline = again.log_in("admin@example.org").get("/settings").expect(200).json();
    let setting = setting(&outline, "auth.lockout_failures");
    assert_eq!((&setting["value"], &setting["source"]), (&json!(5), &json!("environment")));
}

#[test]
fn every_mistake_is_named_and_nothing_is_changed() {
    let site = Site::new();
    let admin = site.admin();
    let wrong = json!({
        "limits": {"public_per_minute": 0, "enabled": true, "roles": {"viewer": 3}, "login_per_minute": 9, "colour": 1},
        "server": {"listen": "127.0.0.1:1"},
        "auth": {"signup": ["open"], "bcrypt_cost": 11},
        "flags": {"": true, "on": "yes"},
        "inspection": "block",
        "nowhere": {}
    });
    let answer = admin.patch("/settings", &wrong).expect(422).json();
    assert_eq!(
        pointers(&answer),
        [
            "/auth/bcrypt_cost needs_restart",
            "/auth/signup invalid",
            "/flags/ invalid",
            "/flags/on invalid",
            "/inspection wrong_type",
            "/limits/colour unknown_field",
            "/limits/enabled locked",
            "/limits/public_per_minute invalid",
            "/limits/roles/viewer invalid",
            "/nowhere unknown_field",
            "/server/listen needs_restart"
        ]
    );
    assert!(answer.to_string().contains("PORTCULLIS_LIMITS__ENABLED"), "{answer}");
    let outline = admin.get("/settings").expect(200).json();
    assert_eq!(outline["values"]["limits"]["login_per_minute"], 5);
    for body in [
        json!([]),
        json!(null),
        json!({"limits": {"public_per_minute": 1e300}}),
        json!({"auth": {"require_mfa_roles": [null]}}),
    ] {
        admin.patch("/settings", &body).expect(422);
    }
}

#[test]
fn rules_between_keys_hold_as_at_start() {
    let site = Site::new();
    let admin = site.admin();
    let both = json!({"auth": {"session_max_hours": 1, "session_idle_minutes": 61}});
    let answer = admin.patch("/settings", &both).expect(422);
    assert_eq!(pointers(&answer.json()), ["/auth/session_idle_minutes invalid"]);
    admin.patch("/settings", &json!({"auth": {"session_max_hours": 2, "session_idle_minutes": 61}})).expect(200);
    // Going back to the default is checked likewise.
    admin.patch("/settings", &json!({"auth": {"session_max_hours": null}})).expect(200);
    admin.patch("/settings", &json!({"auth": {"session_max_hours": 1, "session_idle_minutes": 60}})).expect(200);
    admin.patch("/settings", &json!({"auth": {"session_idle_minutes": 800}})).expect(422);
}

#[test]
fn a_change_is_audited_with_before_and_after_and_needs_the_right() {
    let site = Site::new();
    let admin = site.admin();
    let auditor = site.user(&admin, "auditor", &["analyst"]);
    auditor.get("/settings").expect(403);
    auditor.patch("/settings", &json!({"flags": {"on": true}})).expect(403);
    site.nobody().get("/settings").expect(401);
    admin.patch("/settings", &json!({"limits": {"public_per_minute": 30}, "flags": {"on": true}})).expect(200);
    admin.patch("/settings", &json!({"limits": {"public_per_minute": 30}})).expect(200);
    let events = admin.get("/audit?action=settings.updated").expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "{events}");
    let changes = &events["items"][0]["changes"];
    assert_eq!(changes["before"], json!({"limits.public_per_minute": 20, "flags.on": null}));
    assert_eq!(changes["after"], json!({"limits.public_per_minute": 30, "flags.on": true}));
}

#[test]
fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let site = Site::new();
    let admin = site.admin();
    let tag = admin.get("/settings").expect(200).header("etag").to_owned();
    admin.send(admin.request(Method::GET, "/settings").header("if-none-match", &tag)).expect(304);
    let change = |on: bool| {
        let request = admin.request(Method::PATCH, "/settings").header("if-match", &tag);
        admin.send(request.json(&json!({"flags": {"on": on}})))
    };
    change(true).expect(200);
    change(false).problem(412, "precondition_failed");
    assert_eq!(admin.get("/settings").expect(200).json()["values"]["flags"]["on"], true);
}

#[test]
fn a_role_that_must_have_a_second_factor_holds_for_who_is_signed_in() {
    let site = Site::new();
    let admin = site.admin();
    let viewer = site.user(&admin, "vera", &["viewer"]);
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    viewer.get("/entities/notes").expect(200);
    admin.patch("/settings", &json!({"auth": {"require_mfa_roles": ["viewer"]}})).expect(200);
    viewer.get("/entities/notes").expect(403);
    admin.patch("/settings", &json!({"auth": {"require_mfa_roles": null}})).expect(200);
    viewer.get("/entities/notes").expect(200);
}
