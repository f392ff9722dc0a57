//! People: invited, given roles, signed out.

use crate::{
    browser::Browser,
    site::{Site, sign_in},
    support::PASSWORD,
};
use reqwest::Method;
use serde_json::json;

const EMAIL: &str = "grace@example.org";

#[test]
fn an_invited_viewer_sets_a_password_and_sees_what_a_viewer_may() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    site.post("/entities/customers", &json!({"name": "Acme", "data": {}}));
    let browser = site.console();
    browser.press("Users");
    browser.press("New user");
    browser.fill("Email", "grace");
    browser.press("Create the user");
    browser.holds("document.activeElement.name === 'email'");
    browser.fill("Email", EMAIL);
    browser.fill("Name", "Grace Hopper");
    browser.tick("Viewer");
    browser.press("Create the user");
    browser.shows("A link for grace@example.org");
    let link = browser.script("return document.querySelector('dialog[open] code').innerText", Vec::new());
    browser.press("Done");
    browser.shows("2 users");

    let other = site.browser();
    other.visit(link.as_str().unwrap().strip_prefix(&site.server.url).unwrap());
    other.arrives_at("/console/set-password");
    other.fill("Password", PASSWORD);
    other.press("Set the password");
    other.shows("Your password is set.");
    other.press("Sign in");
    sign_in(&other, EMAIL, PASSWORD);
    other.arrives_at("/console/");
    other.shows("Grace Hopper");
    for hidden in ["Users", "Roles", "Audit log", "Kill switch"] {
        assert!(!other.offers(hidden), "a viewer is not offered {hidden}");
    }
    other.visit("/console/entities/customers");
    other.shows("Acme");
    assert!(!other.offers("New entity"), "a viewer may not create");
    other.visit("/console/users");
    other.holds("document.querySelector('main [role=alert]')");
    assert!(!other.text().contains("admin@example.org"));
}

fn open_grace(site: &Site) -> Browser {
    let browser = site.console();
    browser.visit("/console/users");
    browser.press("Grace Hopper");
    browser.shows("Signing in");
    browser
}

#[test]
fn a_change_of_roles_is_said_before_and_works_on_the_next_request() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    let id = site.user(EMAIL, "Grace Hopper", "viewer");
    let other = site.console_of(EMAIL);
    other.visit("/console/entities/customers");
    other.shows("No customers yet");
    assert!(!other.offers("New entity"));

    let browser = open_grace(&site);
    browser.tick("Analyst");
    browser.tick("Viewer");
    browser.press("Save");
    browser.shows("They gain Analyst and lose Viewer.");
    browser.press("Change roles");
    browser.shows("Saved.");
    assert_eq!(site.get(&format!("/users/{id}"))["roles"], json!(["analyst"]));
    other.reload();
    other.press("New entity");
    other.fill("Name", "Acme");
    other.press("Create");
    other.shows("Acme was created.");
}

#[test]
fn ended_sessions_are_over_on_the_next_request() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    site.user(EMAIL, "Grace Hopper", "viewer");
    let other = site.console_of(EMAIL);
    other.shows("Grace Hopper");
    let browser = open_grace(&site);
    browser.press("End sessions");
    browser.shows("End all sessions of Grace Hopper?");
    browser.press("End sessions");
    browser.shows("Their sessions have ended.");
    other.press("My sessions");
    other.arrives_at("/console/sign-in?to=%2Fconsole%2Fsessions");
    assert!(!other.text().contains("Grace Hopper"));
}

#[test]
fn a_deleted_user_comes_back_with_undo_and_a_disabled_one_is_signed_out() {
    let site = Site::new();
    let id = site.user(EMAIL, "Grace Hopper", "viewer");
    let browser = open_grace(&site);
    browser.press("Delete");
    browser.shows("Delete Grace Hopper?");
    browser.press("Delete user");
    browser.shows("1 user");
    browser.press("Undo");
    browser.shows("2 users");
    let other = site.console_of(EMAIL);
    browser.press("Grace Hopper");
    browser.choose("Status", "Disabled: cannot sign in");
    browser.press("Save");
    browser.shows("Saved.");
    assert_eq!(site.get(&format!("/users/{id}"))["status"], "disabled");
    other.press("My sessions");
    other.arrives_at("/console/sign-in?to=%2Fconsole%2Fsessions");
}

#[test]
fn data_for_row_rules_is_given_and_taken_back() {
    let site = Site::new();
    let id = site.user(EMAIL, "Grace Hopper", "viewer");
    site.send(Method::PATCH, &format!("/users/{id}"), &json!({"data": {"team": {"name": "north", "no": 1}}}));
    let browser = open_grace(&site);
    browser.fill("Data for row rules", r#"{"team": {"name": "south"}, "level": 3}"#);
    browser.press("Save");
    browser.shows("Saved.");
    assert_eq!(site.get(&format!("/users/{id}"))["data"], json!({"team": {"name": "south"}, "level": 3}));
    // Shown anew, as it is kept now.
    browser.holds("document.querySelector('dialog [name=data]').value.split('\\n').length > 2");
    browser.fill("Data for row rules", "{");
    browser.press("Save");
    browser.shows("This is not JSON");
}
