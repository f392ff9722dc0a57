//! Personal data from the console: taken out, anonymised, erased, each meant and said.

use crate::{browser::Browser, site::Site, support::EMAIL};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How it looks in every size and scheme.
fn pictures(browser: &Browser, name: &str) {
    for (width, height) in [(1440, 900), (390, 844)] {
        browser.resize(width, height);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.picture(&format!("{name}-{width}-{scheme}"));
        }
    }
    browser.resize(1440, 900);
    browser.prefer("light");
}

const WAITS: &str = "[...document.querySelectorAll('dialog[open] footer button')].at(-1).disabled";

#[test]
fn a_person_is_erased_once_the_address_is_typed() {
    let site = Site::new();
    let id = site.user("grace@example.org", "Grace Hopper", "viewer");
    site.post("/entity-types", &json!({"name": "notes"}));
    let note = site.post("/entities/notes", &json!({"name": "A note", "owner_id": id}));
    let note = note["id"].as_str().unwrap();
    let browser = site.console();
    browser.visit(&format!("/console/users?open={id}"));
    browser.shows("Personal data");
    browser.holds(&format!("document.querySelector('a[download][href$=\"/users/{id}/export\"]')"));
    browser.press("Erase");
    browser.shows("Erase Grace Hopper?");
    browser.shows("The account cannot be restored.");
    browser.holds(WAITS);
    pictures(&browser, "personal-erase-user");
    browser.choose("What they own", "Somebody else owns it");
    browser.fill("Address of the next owner", "nobody@example.org");
    pictures(&browser, "personal-erase-owned");
    browser.fill("Reason for the audit log", "asked for by letter");
    browser.fill("Type grace@example.org to go on", "grace@example.com");
    browser.holds(WAITS);
    browser.fill("Type grace@example.org to go on", "grace@example.org");
    browser.holds(&format!("!{WAITS}"));
    let go = "[...document.querySelectorAll('dialog[open] footer button')].at(-1).click()";
    browser.script(go, Vec::new());
    browser.shows("There is no account for nobody@example.org.");
    browser.fill("Address of the next owner", EMAIL);
    browser.script(go, Vec::new());
    browser.shows("Grace Hopper was erased. Notes: 1 are being handed over.");
    browser.holds("document.querySelector('h1')");
    let begun = Instant::now();
    while site.get(&format!("/entities/notes/{note}"))["owner_id"] == json!(id) {
        assert!(begun.elapsed() < Duration::from_secs(30), "a job hands it over");
    }
    let user = site.get(&format!("/users/{id}?deleted=include"));
    assert_eq!((&user["name"], user["deleted_at"] == Value::Null), (&Value::Null, false));
    let event = &site.get("/audit?action=user.erased")["items"][0];
    assert_eq!(event["changes"]["after"]["reason"], "asked for by letter");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn an_entity_is_anonymised_and_the_rest_of_it_stays() {
    let site = Site::new();
    let schema = json!({"properties": {"iban": {"type": "string"}, "city": {"type": "string"}}});
    site.post("/entity-types", &json!({"name": "people", "schema": schema, "fields": {"/iban": {"pii": true}}}));
    let made = site.post("/entities/people", &json!({"name": "Ann", "data": {"iban": "DE1", "city": "Delft"}}));
    let id = made["id"].as_str().unwrap();
    let browser = site.console();
    browser.visit(&format!("/console/entities/people?open={id}"));
    browser.shows("Personal data");
    pictures(&browser, "personal-entity");
    browser.press("Anonymise");
    browser.shows("Anonymise Ann?");
    browser.fill("Type Ann to go on", "Ann");
    browser.holds(&format!("!{WAITS}"));
    browser.script("[...document.querySelectorAll('dialog[open] footer button')].at(-1).click()", Vec::new());
    browser.shows("Ann was anonymised.");
    let entity = site.get(&format!("/entities/people/{id}"));
    assert_eq!((&entity["name"], &entity["data"]), (&Value::Null, &json!({"city": "Delft"})));
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}
