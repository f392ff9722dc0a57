//! Observe mode: seen on every page, counted by rule, enforced with one change.

use crate::{elevations::look, site::Site, support::PASSWORD};
use reqwest::Method;
use serde_json::json;

#[test]
fn a_rule_in_observe_mode_is_loud_and_enforced_with_one_change() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "orders"}));
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let rules = json!({"observe": {"rules": ["permissions.entities.orders:create", "validators.schema.orders"]}});
    site.send(Method::PATCH, "/settings", &rules);
    let login = json!({"email": "grace@example.org", "password": PASSWORD});
    let token = site.post("/auth/login", &login)["access_token"].as_str().expect("a token").to_owned();
    for _ in 0..3 {
        let create = site.server.client.post(site.server.path("/entities/orders")).bearer_auth(&token);
        assert_eq!(create.json(&json!({})).send().expect("an answer").status(), 201);
    }
    let browser = site.console();
    browser.shows("2 rules are counted and not enforced.");
    browser.press("See what they let through");
    browser.shows("The permission for creating orders");
    browser.shows("Would have refused 3 requests");
    browser.shows("The schema of orders");
    browser.press("The latest 3 examples");
    browser.shows("grace@example.org · POST /entities/{type}");
    look(&browser, "observations");
    browser.press("Enforce: The permission for creating orders");
    browser.shows("It would have refused 3 requests.");
    look(&browser, "observations-enforce");
    browser.press("Enforce");
    browser.shows("The rule is enforced.");
    browser.shows("One rule is counted and not enforced.");
    assert_eq!(site.get("/settings")["values"]["observe"]["rules"], json!(["validators.schema.orders"]));
    browser.press("Reset: The permission for creating orders");
    browser.shows("its examples are forgotten");
    browser.press("Reset");
    browser.shows("It is counted anew.");
    browser.loses("The permission for creating orders");
    browser.press("Enforce: The schema of orders");
    browser.press("Enforce");
    browser.shows("Every rule is enforced");
    browser.loses("Observe mode:");
    while browser.offers("Dismiss") {
        browser.press("Dismiss");
    }
    look(&browser, "observations-none");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let grace = site.console_of("grace@example.org");
    assert!(!grace.offers("Observations"));
}
