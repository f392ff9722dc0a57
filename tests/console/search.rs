//! Everything is found from the keyboard.

use crate::{browser::Browser, site::Site};
use fantoccini::key::Key;
use serde_json::json;

fn open_with(browser: &Browser, keys: &str) {
    browser.type_keys(keys);
    browser.holds("document.activeElement.getAttribute('role') === 'combobox'");
}

#[test]
fn ctrl_k_or_slash_finds_pages_people_entities_and_requests() {
    let site = Site::new();
    let id = site.user("grace@example.org", "Grace Hopper", "viewer");
    site.post("/entity-types", &json!({"name": "customers"}));
    let acme = site.post("/entities/customers", &json!({"name": "Acme Graces", "data": {}}));
    let browser = site.console();
    browser.visit("/console/roles");
    browser.shows("Analyst");
    open_with(&browser, "/");
    browser.type_keys("grace");
    browser.shows("Grace Hopper");
    browser.shows("Acme Graces");
    browser.type_keys(&Key::Enter);
    browser.arrives_at(&format!("/console/users?open={id}"));
    browser.holds("document.querySelector('dialog[open] h2')?.innerText === 'Grace Hopper'");
    browser.type_keys(&Key::Escape);
    browser.holds("!document.querySelector('dialog')");
    browser.arrives_at("/console/users");

    open_with(&browser, &(Key::Control + "k"));
    browser.type_keys("acme");
    browser.shows("Acme Graces");
    browser.press("Acme Graces Customers");
    browser.arrives_at(&format!("/console/entities/customers?open={}", acme["id"].as_str().unwrap()));

    browser.visit("/console/users");
    browser.shows("2 users");
    open_with(&browser, "/");
    browser.type_keys("kill");
    browser.shows("Kill switch");
    browser.type_keys(&Key::Escape);
    browser.holds("!document.querySelector('dialog')");
    open_with(&browser, "/");
    let request = site.get("/audit?action=entity.created")["items"][0]["request_id"].as_str().unwrap().to_owned();
    browser.type_keys(&request);
    browser.press(&format!("Events of request {request}"));
    browser.arrives_at(&format!("/console/audit?request_id={request}"));
    browser.shows("1 event");
    browser.shows("created entity Acme Graces");
}

#[test]
fn the_first_row_is_few_stops_away_from_the_head_of_the_page() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/users");
    browser.shows("1 user");
    browser.holds("document.activeElement === document.querySelector('h1')");
    let mut stops = 0;
    while browser.script("return document.activeElement.className", Vec::new()) != "row-link" {
        browser.type_keys(&Key::Tab);
        stops += 1;
        assert!(stops <= 8, "the first row is more than eight stops away");
    }
    browser.type_keys(&Key::Enter);
    browser.holds("document.querySelector('dialog[open] h2')?.innerText === 'admin@example.org'");
}
