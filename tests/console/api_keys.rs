//! Keys: made for a service account, shown once, rotated, revoked.

use crate::{browser::Browser, site::Site};
use serde_json::json;

fn shown_once(browser: &Browser) -> String {
    let shown = browser.script("return document.querySelector('dialog[open] code').innerText", Vec::new());
    browser.press("Done");
    shown.as_str().expect("a key").trim().to_owned()
}

fn status(site: &Site, key: &str) -> u16 {
    let request = site.server.client.get(site.server.path("/entity-types")).header("x-api-key", key);
    request.send().expect("an answer").status().as_u16()
}

#[test]
fn a_service_account_gets_a_key_that_is_rotated_and_revoked() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/users");
    browser.press("New user");
    browser.fill("Email", "robot@example.org");
    browser.choose("For", "A program: calls with API keys, never signs in");
    browser.tick("Viewer");
    browser.press("Create the user");
    browser.shows("robot@example.org was created.");
    browser.press("robot@example.org");
    browser.press("New API key");
    browser.holds("location.pathname === '/console/api-keys'");
    browser.fill("Name", "Nightly import");
    browser.script("document.querySelector('[data-resource=entity_types] [data-action=read]').click()", Vec::new());
    browser.press("Create the key");
    browser.shows("It is not shown again");
    let first = shown_once(&browser);
    assert!(first.starts_with("ptk_"), "{first}");
    assert_eq!(status(&site, &first), 200);
    browser.shows("Nightly import");
    assert!(!browser.text().contains(&first));
    browser.press("Nightly import");
    browser.shows("robot@example.org");
    browser.press("Rotate");
    browser.press("Rotate key");
    browser.shows("It is not shown again");
    let second = shown_once(&browser);
    assert_eq!((status(&site, &first), status(&site, &second)), (200, 200));
    browser.press("Nightly import");
    browser.shows("works until then");
    browser.press("Revoke");
    browser.press("Revoke key");
    browser.shows("Nightly import was revoked.");
    assert_eq!((status(&site, &first), status(&site, &second)), (401, 401));
    browser.visit("/console/audit");
    browser.shows("revoked API key Nightly import");
}

#[test]
fn a_viewer_makes_a_key_within_their_own_rights() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    site.post("/api-keys", &json!({"name": "Not hers", "scopes": []}));
    let browser = site.console_of("grace@example.org");
    browser.press("API keys");
    browser.shows("No API keys yet");
    browser.press("New API key");
    browser.press("Create the key");
    browser.shows("Give the key a name");
    browser.fill("Name", "Dashboard");
    browser.tick("Can read entity types");
    browser.press("Create the key");
    browser.shows("It is not shown again");
    let key = shown_once(&browser);
    assert_eq!(status(&site, &key), 200);
    browser.shows("1 API key");
}
