//! The kill switch: on with a reason and a password, seen on every page, off again.

use crate::{
    site::{AFTER_A_FAILURE, Site},
    support::PASSWORD,
};
use serde_json::json;
use std::thread;

#[test]
fn it_stops_others_calmly_and_is_switched_off_again() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    site.post("/entities/customers", &json!({"name": "Acme", "data": {}}));
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let other = site.console_of("grace@example.org");
    other.visit("/console/entities/customers");
    other.shows("Acme");

    let browser = site.console();
    browser.press("Kill switch");
    browser.shows("Traffic flows.");
    browser.press("Switch on and stop all traffic");
    browser.shows("Say why");
    browser.fill("Reason", "A key has leaked");
    browser.fill("Your password", "seven silver turnstiles");
    browser.press("Switch on and stop all traffic");
    browser.holds("document.querySelector('form [role=alert], form .error:not([hidden])')");
    assert_eq!(site.get("/kill-switch")["active"], false);
    thread::sleep(AFTER_A_FAILURE);
    browser.fill("Your password", PASSWORD);
    browser.press("Switch on and stop all traffic");
    browser.shows("The kill switch is on.");
    for page in ["/console/", "/console/users", "/console/entities/customers", "/console/account"] {
        browser.visit(page);
        browser.shows("All traffic is stopped. A key has leaked");
    }

    browser.picture("kill-switch-on");
    other.fill("Search", "Acme");
    other.shows("The kill switch is on");
    other.shows("A key has leaked");
    assert!(other.offers("Acme"), "the rows that were there stay");
    other.picture("kill-switch-for-others");
    other.reload();
    other.shows("Closed for now");
    other.shows("A key has leaked");
    other.picture("kill-switch-for-others-at-first");

    browser.press("Kill switch");
    browser.fill("Reason", "The key is revoked");
    browser.fill("Your password", PASSWORD);
    browser.press("Switch off and let traffic in");
    browser.shows("Traffic flows again.");
    browser.loses("All traffic is stopped");
    other.visit("/console/entities/customers");
    other.shows("Acme");
    assert!(!other.text().contains("kill switch"));
}
