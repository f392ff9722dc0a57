//! Roles: what they allow, in sentences.

use crate::site::Site;
use serde_json::json;

#[test]
fn a_custom_role_reads_as_sentences_and_its_change_is_shown_before_it_is_saved() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    let browser = site.console();
    browser.press("Roles");
    browser.press("New role");
    browser.fill("Name", "support_team");
    browser.click("[data-resource=users] [data-action=read]");
    browser.take("[data-resource='entities.customers'] [data-action=read]", "Any record");
    browser.take("[data-resource='entities.customers'] [data-action=update]", "Own records");
    browser.shows("Can read users");
    browser.shows("Can update own customers");
    browser.press("Create the role");
    browser.shows("Support team was created.");
    let mut permissions = site.get("/roles/support_team")["permissions"].as_array().unwrap().clone();
    permissions.sort_by_key(ToString::to_string);
    assert_eq!(json!(permissions), json!(["entities.customers:read", "entities.customers:update:own", "users:read"]));

    browser.press("Support team");
    browser.click("[data-resource=users] [data-action=read]");
    browser.take("[data-resource='entities.customers'] [data-action=update]", "Any record");
    browser.press("Save");
    browser.shows("Change what Support team may do?");
    browser.shows("No longer");
    browser.shows("Can read users");
    browser.shows("From now on");
    browser.picture("role-difference");
    browser.shows("Can update customers");
    assert!(!browser.text().contains("read customers"), "what stays is not told");
    assert_eq!(site.get("/roles/support_team")["permissions"].as_array().unwrap().len(), 3, "nothing is saved yet");
    browser.press("Change the role");
    browser.shows("The role was changed.");
    assert_eq!(site.get("/roles/support_team")["permissions"].as_array().unwrap().len(), 2);
}

#[test]
fn the_administrators_role_cannot_be_changed() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/roles?open=admin");
    browser.shows("Can do everything");
    assert!(!browser.offers("Save"));
    assert!(!browser.offers("Delete"));
}
