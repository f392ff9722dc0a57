//! The access matrix: read, changed where it stands, refused in words, taken out.

use crate::site::Site;
use reqwest::Method;
use serde_json::json;

fn furnished() -> Site {
    let site = Site::new();
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "iban": {"type": "string"}}});
    let fields = json!({"/iban": {"sensitivity": "restricted", "index": true}});
    site.post("/entity-types", &json!({"name": "customers", "schema": schema, "fields": fields}));
    let permissions = json!(["users:read", "entities.customers:read"]);
    site.post("/roles", &json!({"name": "support", "permissions": permissions, "clearance": "confidential"}));
    site
}

fn cell(role: &str, resource: &str) -> String {
    format!("button.cell[aria-label^='{role}, {resource}:']")
}

#[test]
fn a_cell_is_changed_and_the_difference_is_told_before_it_is_saved() {
    let site = furnished();
    let browser = site.console();
    browser.press("Access matrix");
    browser.shows("What each role may do");
    let support = cell("Support", "Entities: Customers");
    browser.click(&support);
    browser.shows("Support: customers");
    browser.take("[data-action=update]", "Those where …");
    browser.press("Continue");
    browser.shows("Say which records may be updated");
    browser.fill("Update those where", "data.city = @user.data.city");
    browser.take("[data-action=read]", "Own records");
    browser.press("Continue");
    browser.shows("Change what Support may do?");
    browser.shows("No longer");
    browser.shows("Can read customers");
    browser.shows("Can update customers where city is their city");
    browser.picture("access-matrix-difference");
    assert_eq!(site.get("/roles/support")["permissions"].as_array().unwrap().len(), 2, "nothing is saved yet");
    browser.press("Change the role");
    browser.shows("The role was changed.");
    let held = site.get("/roles/support")["permissions"].as_array().unwrap().clone();
    assert!(held.contains(&json!("entities.customers:update:where(data.city = @user.data.city)")), "{held:?}");
    assert!(held.contains(&json!("entities.customers:read:own")) && held.contains(&json!("users:read")), "{held:?}");
    browser.shows("Update: those where city is their");
    browser.click(&cell("Support", "Users"));
    browser.click("[data-action=read]");
    browser.press("Continue");
    browser.press("Change the role");
    browser.loses("Change what Support may do?");
    assert!(!site.get("/roles/support")["permissions"].as_array().unwrap().contains(&json!("users:read")));
}

#[test]
fn a_field_is_made_stricter_and_what_else_it_says_stays() {
    let site = furnished();
    let browser = site.console();
    browser.visit("/console/access-matrix");
    browser.click("button.cell[aria-label^='Customers, iban:']");
    browser.choose("Sensitivity", "Confidential");
    browser.shows("Admin, Analyst, Support, System would read it.");
    browser.press("Continue");
    browser.shows("Make iban confidential?");
    browser.shows("Analyst reads iban of customers");
    browser.press("Change the field");
    browser.shows("The field was changed.");
    let fields = site.get("/entity-types/customers")["fields"].clone();
    assert_eq!((&fields["/iban"]["sensitivity"], &fields["/iban"]["index"]), (&json!("confidential"), &json!(true)));
}

#[test]
fn what_may_not_be_granted_is_refused_in_words() {
    let site = furnished();
    let permissions = json!(["roles:read", "roles:update", "users:read"]);
    site.post("/roles", &json!({"name": "steward", "permissions": permissions, "clearance": "internal"}));
    site.user("grace@example.org", "Grace Hopper", "steward");
    let browser = site.console_of("grace@example.org");
    browser.visit("/console/access-matrix");
    browser.click(&cell("Support", "Users"));
    browser.click("[data-action=delete]");
    browser.press("Continue");
    browser.press("Change the role");
    browser.shows("You cannot grant users:delete, since you do not hold it.");
    assert!(!browser.text().contains("What each API key may do"), "who may not read keys sees none");
    site.send(Method::PATCH, "/roles/steward", &json!({"permissions": ["roles:read"]}));
    browser.visit("/console/access-matrix");
    browser.shows("as it is enforced now");
    assert!(!browser.offers("Support, Users: Read"));
}
