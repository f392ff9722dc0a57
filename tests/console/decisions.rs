//! Why something was refused: from a notice, from the search, from the audit log; and what a person may do.

use crate::{elevations::look, site::Site, support::PASSWORD};
use fantoccini::key::Key;
use serde_json::{Value, json};

/// What somebody with that token is told about users.
fn refused(site: &Site, token: &str) -> Value {
    let answer = site.server.client.get(site.server.path("/users")).bearer_auth(token).send().expect("an answer");
    answer.json().expect("JSON")
}

#[test]
fn a_refusal_is_explained_wherever_its_id_is_known() {
    let site = Site::new();
    let refusal = refused(&site, "not.a.token");
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let login = json!({"email": "grace@example.org", "password": PASSWORD});
    let token = site.post("/auth/login", &login)["access_token"].as_str().expect("a token").to_owned();
    refused(&site, &token);
    let browser = site.console();
    for id in ["decision_id", "request_id"] {
        let id = refusal[id].as_str().expect("an id");
        browser.visit("/console/roles");
        browser.shows("Analyst");
        browser.type_keys("/");
        browser.holds("document.activeElement.getAttribute('role') === 'combobox'");
        browser.type_keys(id);
        browser.press(&format!("Why was {id} refused?"));
        browser.arrives_at(&format!("/console/roles?decision={id}"));
        browser.shows("GET /api/v1/users was refused");
        browser.shows("Someone not signed in");
        browser.shows("Not reached");
    }
    look(&browser, "decision");
    browser.type_keys(&Key::Escape);
    browser.holds("!document.querySelector('dialog')");
    browser.arrives_at("/console/roles");
    browser.visit("/console/roles?decision=01980000-0000-7000-8000-000000000000");
    browser.shows("No refusal is kept under this id");
    look(&browser, "decision-gone");
    browser.press("Look in the audit log");
    browser.shows("No event matches");

    browser.visit("/console/audit?outcome=denied");
    browser.press("grace@example.org was refused GET /users");
    browser.press("Why was this refused?");
    browser.shows("The role Viewer does not allow it.");
    look(&browser, "decision-permission");
    browser.press("Close");
    browser.shows("Place in the chain");
}

#[test]
fn a_notice_of_the_console_leads_to_the_checks_behind_it() {
    let site = Site::new();
    let permissions = json!(["decisions:read", "users:read", "users:create", "roles:read"]);
    site.post("/roles", &json!({"name": "helpdesk", "permissions": permissions}));
    site.user("grace@example.org", "Grace Hopper", "helpdesk");
    let browser = site.console_of("grace@example.org");
    browser.visit("/console/users?open=new");
    browser.fill("Email", "ada@example.org");
    browser.click("input[value=admin]");
    browser.press("Create the user");
    browser.press("Why was this refused?");
    browser.shows("What the act itself asks for");
    browser.shows("grace@example.org");
    look(&browser, "decision-conditions");
    browser.press("Close");
    browser.shows("New user");
    browser.reads("Email", "ada@example.org");
}

#[test]
fn what_a_person_may_do_is_told_and_tried() {
    let site = Site::new();
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/city": {"sensitivity": "internal"}});
    site.post("/entity-types", &json!({"name": "orders", "fields": fields}));
    let permissions = json!(["entities.orders:read:own", "users:read"]);
    site.post("/roles", &json!({"name": "clerk", "permissions": permissions, "clearance": "internal"}));
    let id = site.user("grace@example.org", "Grace Hopper", "clerk");
    let order = site.post("/entities/orders", &json!({"name": "x"}))["id"].as_str().expect("an id").to_owned();
    let browser = site.console();
    browser.visit(&format!("/console/users?open={id}"));
    browser.press("What they can see and do");
    browser.shows("Can read own orders");
    browser.shows("Orders: sees city; does not see iban");
    browser.choose("Resource", "Entities: Orders");
    browser.choose("Action", "Delete");
    browser.press("Try it");
    browser.shows("Grace Hopper may not delete orders.");
    browser.shows("The role Clerk does not allow it.");
    browser.choose("Action", "Read");
    browser.fill("Id of one entity", &order);
    browser.press("Try it");
    browser.shows("beyond their reach");
    browser.shows("The role Clerk allows it for their own.");
    look(&browser, "user-access");
    browser.fill("Id of one entity", "nonsense");
    browser.press("Try it");
    browser.shows("is the id of an entity");
}
