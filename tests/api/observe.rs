//! Observe mode: what a rule would have refused is let through and counted exactly, and refused again on the next
//! request once the rule is enforced; never for administration.

use crate::support::{Actor, PASSWORD, Site};
use portcullis::config::{Config, Sources};
use reqwest::Method;
use serde_json::{Value, json};
use std::ffi::OsString;

const LIMITS: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");

fn observing(rules: &str) -> [(&str, &str); 2] {
    [LIMITS, ("PORTCULLIS_OBSERVE__RULES", rules)]
}

/// What was counted of a rule.
#[track_caller]
fn seen(admin: &Actor, rule: &str) -> Value {
    let all = admin.get("/observations").expect(200).json();
    let found = all["items"].as_array().unwrap().iter().find(|one| one["rule"] == rule);
    found.unwrap_or_else(|| panic!("no {rule} in {all}")).clone()
}

#[track_caller]
fn count(admin: &Actor, rule: &str) -> u64 {
    seen(admin, rule)["count"].as_u64().unwrap()
}

fn mistakes(settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        directory: folder.path().to_owned(),
        env: settings.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        data_dir: Some(folder.path().join("data")),
        ..Sources::default()
    };
    Config::load(&sources).expect_err("refused").to_string()
}

#[test]
fn a_missing_permission_is_let_through_and_counted_until_it_is_enforced() {
    let rule = "permissions.entities.orders:delete";
    let site = Site::new();
    let admin = site.admin();
    admin.patch("/settings", &json!({"observe": {"rules": [rule]}})).expect(200);
    for name in ["orders", "bills"] {
        admin.post("/entity-types", &json!({"name": name})).expect(201);
    }
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let make = |kind: &str| admin.post(&format!("/entities/{kind}"), &json!({"name": "x"})).expect(201).id();
    for _ in 0..3 {
        viewer.delete(&format!("/entities/orders/{}", make("orders"))).expect(204);
    }
    let bill = make("bills");
    viewer.delete(&format!("/entities/bills/{bill}")).problem(403, "forbidden");
    viewer.post("/entities/orders", &json!({})).problem(403, "forbidden");
    viewer.get("/users").problem(403, "forbidden");
    site.nobody().delete(&format!("/entities/orders/{}", make("orders"))).problem(401, "unauthenticated");
    admin.delete(&format!("/entities/orders/{}", make("orders"))).expect(204);
    let observed = seen(&admin, rule);
    assert_eq!((&observed["count"], &observed["by"]), (&json!(3), &json!("observe.rules")));
    let example = &observed["examples"][0];
    assert_eq!(example["route"], "DELETE /entities/{type}/{id}");
    assert_eq!((&example["caller"], &example["detail"]), (&json!("viewer@example.org"), &json!("viewer, on orders")));

    // What a key leaves out stays out, whatever its owner is let do.
    let reads = json!({"name": "reads", "scopes": ["entities.orders:read"]});
    let key = viewer.post("/api-keys", &reads).expect(201).json();
    let holder = site.holder(key["key"].as_str().unwrap());
    holder.delete(&format!("/entities/orders/{}", make("orders"))).problem(403, "forbidden");
    assert_eq!(count(&admin, rule), 3);

    // Enforced again, the very next request is refused; what was counted stays.
    admin.patch("/settings", &json!({"observe": {"rules": []}})).expect(200);
    viewer.delete(&format!("/entities/orders/{}", make("orders"))).problem(403, "forbidden");
    let observed = seen(&admin, rule);
    assert_eq!((&observed["count"], &observed["by"]), (&json!(3), &Value::Null));
}

#[test]
fn counts_survive_a_restart_and_begin_anew_when_somebody_says_so() {
    let rule = "permissions.entities.*:create";
    let site = Site::with(&observing(rule));
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    for _ in 0..12 {
        viewer.post("/entities/orders", &json!({})).expect(201);
    }
    assert_eq!(seen(&admin, rule)["examples"].as_array().unwrap().len(), 5, "a few examples are kept");
    let site = Site::on(site.close(), &observing(rule));
    let (admin, viewer) = (site.log_in("admin@example.org"), site.log_in("viewer@example.org"));
    assert_eq!(count(&admin, rule), 12);
    viewer.post("/entities/orders", &json!({})).expect(201);
    assert_eq!(count(&admin, rule), 13);

    let reset = format!("/observations/{rule}/reset");
    viewer.post(&reset, &json!({})).problem(403, "forbidden");
    viewer.get("/observations").problem(403, "forbidden");
    admin.post("/observations/limits.public/reset", &json!({})).problem(404, "not_found");
    admin.post(&reset, &json!({})).expect(204);
    let observed = seen(&admin, rule);
    assert_eq!(
        (&observed["count"], &observed["first_seen"], &observed["examples"]),
        (&json!(0), &Value::Null, &json!([]))
    );
    let events = admin.get("/audit?action=observation.reset").expect(200).json();
    assert_eq!(events["items"][0]["changes"]["before"]["count"], 13);
    let site = Site::on(site.close(), &observing(rule));
    assert_eq!(count(&site.log_in("admin@example.org"), rule), 0);
}

#[test]
fn limits_count_instead_of_refusing_on_data_routes_alone() {
    let rules = "limits.public,limits.roles.viewer,limits.routes.GET /api/v1/entities/{type}";
    let site =
        Site::with(&[("PORTCULLIS_OBSERVE__RULES", rules), ("PORTCULLIS_LIMITS__ROLES__VIEWER_PER_MINUTE", "5")]);
    let admin = site.admin();
    let routes = json!({"GET /entities/{type}": 7, "GET /entities/{type}/{id}": 2});
    admin.patch("/settings", &json!({"limits": {"routes": routes}})).expect(200);
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let nobody = site.nobody();
    for _ in 0..40 {
        nobody.get("/entities/orders").expect(401);
    }
    let observed = seen(&admin, "limits.public");
    assert!((15..=25).contains(&observed["count"].as_u64().unwrap()), "{observed}");
    nobody.get("/users").problem(429, "rate_limited");
    nobody.get("/nothing").problem(429, "rate_limited");
    for _ in 0..20 {
        viewer.get("/entities/orders").expect(200);
    }
    let observed = seen(&admin, "limits.roles.viewer");
    assert!((14..=16).contains(&observed["count"].as_u64().unwrap()), "{observed}");
    viewer.get("/auth/me").problem(429, "rate_limited");
    let observed = seen(&admin, "limits.routes.GET /api/v1/entities/{type}");
    assert!(observed["count"].as_u64().unwrap() >= 30, "{observed}");
    // What one limit lets pass, another that is enforced refuses all the same.
    let one = || viewer.get("/entities/orders/01980000-0000-7000-8000-000000000000");
    assert!((0..5).any(|_| one().status == 429));
    // A name with slashes and braces is one segment all the same.
    let path = "/observations/limits.routes.GET%20%2Fapi%2Fv1%2Fentities%2F%7Btype%7D/reset";
    admin.post(path, &json!({})).expect(204);
    // The decision of a later refusal says what let it pass before.
    let refused = nobody.get("/entities/orders").expect(401).json();
    let decision = admin.get(&format!("/decisions/{}", refused["decision_id"].as_str().unwrap())).expect(200).json();
    let limit = decision["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "limit_by_address").unwrap();
    assert_eq!(limit["outcome"], "observed", "{decision}");
}

#[test]
fn inspection_feeds_the_observations_by_mode_by_type_and_by_rule() {
    let attack = json!({"data": {"a": "<script>alert(document.cookie)</script>"}});
    let site = Site::with(&[LIMITS, ("PORTCULLIS_INSPECTION__MODE", "observe")]);
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    admin.post("/entity-types", &json!({"name": "memos", "inspection": "observe"})).expect(201);
    for _ in 0..2 {
        admin.post("/entities/notes", &attack).expect(201);
    }
    admin.post("/entities/memos", &attack).expect(201);
    assert_eq!((count(&admin, "inspection"), count(&admin, "inspection.memos")), (2, 1));
    let example = seen(&admin, "inspection")["examples"][0].clone();
    assert_eq!((&example["route"], &example["detail"]), (&json!("notes"), &json!("xss at /data/a")));
    assert!(!example.to_string().contains("script"), "no value is kept: {example}");

    let settings = [LIMITS, ("PORTCULLIS_INSPECTION__MODE", "block"), ("PORTCULLIS_OBSERVE__RULES", "inspection")];
    let site = Site::on(site.close(), &settings);
    let admin = site.log_in("admin@example.org");
    admin.post("/entities/notes", &attack).expect(201);
    assert_eq!(count(&admin, "inspection"), 3);
    admin.get("/users?limit=1%20union%20select%201,2,3").problem(422, "inspection_blocked");
}

#[test]
fn validators_count_instead_of_refusing() {
    let site = Site::with(&observing("validators.schema.orders,validators.password_common"));
    let admin = site.admin();
    let schema = json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]});
    for name in ["orders", "bills"] {
        admin.post("/entity-types", &json!({"name": name, "schema": schema})).expect(201);
    }
    let id = admin.post("/entities/orders", &json!({"data": {"amount": "much"}})).expect(201).id();
    admin.patch(&format!("/entities/orders/{id}"), &json!({"data": {"amount": null}})).expect(200);
    admin.post("/entities/orders", &json!({"data": {"amount": 1}})).expect(201);
    admin.post("/entities/bills", &json!({"data": {"amount": "much"}})).problem(422, "validation_failed");
    let observed = seen(&admin, "validators.schema.orders");
    assert_eq!(observed["count"], 2);
    assert!(!observed.to_string().contains("much"), "no value is kept: {observed}");
    admin
        .post("/entities/orders", &json!({"data": {"amount": 1}, "name": "a\u{0}b"}))
        .problem(422, "validation_failed");

    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let common = |who: &Actor| {
        who.post("/auth/password", &json!({"current_password": PASSWORD, "new_password": "passwordpassword"}))
    };
    common(&viewer).expect(204);
    assert_eq!(count(&admin, "validators.password_common"), 1);
    common(&admin).problem(422, "validation_failed");
    assert_eq!(count(&admin, "validators.password_common"), 1, "administrators' are always judged");
}

const ROLL_OUT: [(&str, &str); 4] = [
    LIMITS,
    ("PORTCULLIS_AUTH__ENFORCEMENT", "observe"),
    ("PORTCULLIS_AUTH__OBSERVE_TYPES", "orders"),
    ("PORTCULLIS_AUTH__OBSERVE_ROLE", "viewer"),
];

#[test]
fn credentials_are_rolled_out_type_by_type() {
    let site = Site::with(&ROLL_OUT);
    let admin = site.admin();
    for name in ["orders", "bills"] {
        let fields = json!({"/iban": {"sensitivity": "restricted"}});
        admin
            .post("/entity-types", &json!({"name": name, "alias": format!("{name}_old"), "fields": fields}))
            .expect(201);
    }
    let order = admin.post("/entities/orders", &json!({"data": {"iban": "x", "city": "y"}})).expect(201).id();
    let nobody = site.nobody();
    let path = format!("/entities/orders/{order}");
    assert_eq!(nobody.get(&path).expect(200).json()["data"], json!({"city": "y"}), "the role's clearance holds");
    nobody.send(nobody.at(Method::GET, "/api/orders_old")).expect(200);
    nobody.send(nobody.request(Method::GET, &path).bearer_auth("not.a.token")).expect(200);
    let observed = seen(&admin, "auth.enforcement");
    assert_eq!((&observed["count"], &observed["by"]), (&json!(3), &json!("auth.enforcement")));
    assert_eq!(observed["examples"][1]["detail"], "no credential, on orders; acts as viewer");
    // Nothing that the role does not hold, no other type, no administration.
    nobody.delete(&path).problem(401, "unauthenticated");
    nobody.post("/entities/orders", &json!({})).problem(401, "unauthenticated");
    nobody.get("/entities/bills").problem(401, "unauthenticated");
    for path in ["/users", "/roles", "/audit", "/entity-types", "/kill-switch", "/auth/me", "/observations"] {
        nobody.get(path).problem(401, "unauthenticated");
    }
    admin.get(&path).expect(200);
    assert_eq!(count(&admin, "auth.enforcement"), 3);
    assert_eq!(admin.get("/auth/me").json()["observing"], json!(["auth.enforcement"]));
    // A role that has grown beyond data stands in for nobody.
    admin.patch("/roles/viewer", &json!({"permissions": ["entities.*:read", "users:read"]})).expect(200);
    nobody.get(&path).problem(401, "unauthenticated");
    nobody.get("/users").problem(401, "unauthenticated");
}

#[test]
fn what_guards_administration_is_never_observed() {
    for (rule, why) in [
        ("limits.login", "the guard at log-in"),
        ("permissions.users:read", "a permission on anything but entities"),
        ("kill_switch.all", "what guards administration"),
        ("limits.routes.POST /api/v1/auth/login", "not for data"),
        ("nonsense", "no rule that can be observed"),
    ] {
        let told = mistakes(&[("PORTCULLIS_OBSERVE__RULES", &format!("limits.public,{rule}"))]);
        assert!(told.contains("observe.rules") && told.contains(rule) && told.contains(why), "{told}");
    }
    let production = ("PORTCULLIS_ENVIRONMENT", "production");
    let told = mistakes(&[&ROLL_OUT[..], &[production]].concat());
    assert!(told.contains("auth.enforcement") && told.contains("production"), "{told}");
    let told = mistakes(&[ROLL_OUT[1]]);
    assert!(told.contains("auth.observe_types") && told.contains("auth.observe_role"), "{told}");
    let told = mistakes(&[&ROLL_OUT[1..3], &[("PORTCULLIS_AUTH__OBSERVE_ROLE", "admin")]].concat());
    assert!(told.contains("auth.observe_role"), "{told}");
}
