//! Lists that hear of changes.

use crate::site::Site;
use reqwest::Method;
use serde_json::json;
use std::{thread, time::Duration};

/// A list begins to listen a moment after its rows are there.
const LISTENING: Duration = Duration::from_secs(2);

#[test]
fn changes_elsewhere_are_offered_and_no_row_moves_by_itself() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    let acme = site.post("/entities/customers", &json!({"name": "Acme", "data": {}}))["id"].clone();
    let browser = site.console();
    browser.visit("/console/entities/customers");
    browser.shows("1 entity");
    thread::sleep(LISTENING);
    for name in ["Bolt", "Crane"] {
        site.post("/entities/customers", &json!({"name": name, "data": {}}));
    }
    browser.shows("2 new");
    browser.picture("list-with-news");
    assert!(!browser.text().contains("Bolt"), "what one reads stays where it is");
    browser.press("2 new. Show the list as it is now");
    browser.shows("3 entities");
    assert!(browser.text().contains("Crane") && !browser.text().contains("2 new"));
    site.send(Method::PATCH, &format!("/entities/customers/{}", acme.as_str().unwrap()), &json!({"name": "Apex"}));
    browser.shows("1 changed");
    // One's own changes are in the list already.
    browser.press("1 changed. Show the list as it is now");
    browser.press("New entity");
    browser.fill("Name", "Own");
    browser.press("Create");
    browser.shows("4 entities");
    thread::sleep(LISTENING);
    assert!(!browser.text().contains("1 new"), "{}", browser.text());
    browser.visit("/console/audit");
    browser.shows("Verify chain");
    thread::sleep(LISTENING);
    site.post("/roles", &json!({"name": "team", "permissions": []}));
    browser.shows("1 new");
}
