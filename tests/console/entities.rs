//! Entities: made, changed, deleted and found.

use crate::site::Site;
use reqwest::Method;
use serde_json::json;

const LIST: &str = "/console/entities/customers";

fn with_customers(names: &[String]) -> Site {
    let site = Site::new();
    let schema = json!({"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "maxLength": 40},
        "credit": {"type": "integer", "minimum": 0, "title": "Credit in euros"},
        "tier": {"enum": ["gold", "silver"]},
        "active": {"type": "boolean"},
    }});
    site.post("/entity-types", &json!({"name": "customers", "schema": schema}));
    for name in names {
        site.post("/entities/customers", &json!({"name": name, "data": {"city": "Delft", "credit": 500}}));
    }
    site
}

#[test]
fn one_is_made_and_a_wrong_value_is_said_at_its_field() {
    let site = with_customers(&[]);
    let browser = site.console();
    browser.visit(LIST);
    browser.shows("No customers yet");
    browser.press("New entity");
    browser.arrives_at("/console/entities/customers?open=new");
    browser.fill("Name", "Acme");
    browser.fill("City", "Utrecht");
    browser.fill("Credit in euros", "-5");
    browser.choose("Tier", "Gold");
    browser.press("Create");
    browser.holds("document.activeElement.name === 'data.credit'");
    browser.holds("document.activeElement.getAttribute('aria-invalid') === 'true'");
    browser.holds("document.querySelector('[data-pointer=\"/data/credit\"] .error').innerText.length > 5");
    browser.picture("entity-error");
    browser.fill("Credit in euros", "1200");
    browser.press("Create");
    browser.shows("Acme was created.");
    browser.arrives_at(LIST);
    browser.shows("Utrecht");
    browser.shows("1,200");
    let made = &site.get("/entities/customers")["items"][0];
    assert_eq!(made["data"], json!({"city": "Utrecht", "credit": 1200, "tier": "gold"}));
}

#[test]
fn a_change_meanwhile_is_not_overwritten() {
    let site = with_customers(&["Acme".into()]);
    let id = site.get("/entities/customers")["items"][0]["id"].as_str().unwrap().to_owned();
    let browser = site.console();
    browser.visit(LIST);
    browser.press("Acme");
    browser.fill("Credit in euros", "700");
    site.send(Method::PATCH, &format!("/entities/customers/{id}"), &json!({"data": {"credit": 900}}));
    browser.press("Save");
    browser.shows("Someone changed it meanwhile.");
    browser.picture("entity-changed-meanwhile");
    browser.press("Load what it is now");
    browser.loses("Someone changed it meanwhile.");
    browser.reads("Credit in euros", "900");
    browser.fill("Credit in euros", "950");
    browser.press("Save");
    browser.shows("Saved.");
    let entity = site.get(&format!("/entities/customers/{id}"));
    assert_eq!(entity["data"], json!({"city": "Delft", "credit": 950}));
    assert_eq!(entity["version"], 3);
}

#[test]
fn deletion_names_the_object_and_can_be_undone() {
    let site = with_customers(&["Acme".into(), "Bolt".into()]);
    let browser = site.console();
    browser.visit(LIST);
    browser.press("Acme");
    browser.press("Delete");
    browser.shows("Delete Acme?");
    browser.holds("document.activeElement.innerText === 'Cancel'");
    browser.press("Delete");
    browser.shows("Acme was deleted.");
    browser.shows("1 entity");
    browser.picture("entity-undo");
    browser.press("Undo");
    browser.shows("Acme is back.");
    browser.shows("2 entities");
    browser.finds("Acme");
}

#[test]
fn an_earlier_version_is_seen_and_comes_back() {
    let site = with_customers(&["Acme".into()]);
    let id = site.get("/entities/customers")["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/entities/customers/{id}");
    site.send(Method::PATCH, &path, &json!({"data": {"city": "Utrecht"}}));
    let browser = site.console();
    browser.visit(LIST);
    browser.press("Acme");
    browser.press("History");
    browser.shows("Version 2");
    browser.holds("document.querySelector('dialog del').innerText.includes('Delft')");
    browser.holds("document.querySelector('dialog ins').innerText.includes('Utrecht')");
    browser.press("Restore version 1");
    browser.shows("Restore version 1 of Acme?");
    browser.press("Restore this version");
    browser.shows("Version 1 is back.");
    browser.reads("City", "Delft");
    assert_eq!(site.get(&path)["version"], 3);
}

#[test]
fn search_filter_and_pages_live_in_the_address_and_back_undoes_one_step() {
    let names: Vec<String> = (1..=45).map(|number| format!("Customer {number:02}")).collect();
    let site = with_customers(&names);
    let browser = site.console();
    browser.visit(&format!("{LIST}?sort=name"));
    browser.shows("45 entities");
    browser.press("Next");
    browser.shows("Customer 45");
    assert!(browser.address().contains("cursor="), "{}", browser.address());
    browser.back();
    browser.arrives_at("/console/entities/customers?sort=name");
    browser.shows("Customer 01");
    browser.fill("Search", "customer 4");
    browser.shows("6 entities");
    browser.arrives_at("/console/entities/customers?sort=name&search=customer+4");
    browser.choose("Deleted entities", "Deleted");
    browser.shows("No entity matches");
    browser.back();
    browser.shows("6 entities");
    browser.back();
    browser.shows("45 entities");
    browser.reads("Search", "");
    browser.press("Name");
    browser.arrives_at("/console/entities/customers?sort=-name");
    browser.shows("Customer 45");
    browser.press("Customer 45");
    browser.holds("document.querySelector('dialog[open] h2')?.innerText === 'Customer 45'");
    browser.back();
    browser.holds("!document.querySelector('dialog')");
    browser.arrives_at("/console/entities/customers?sort=-name");
}

#[test]
fn a_server_that_is_gone_does_not_look_like_an_empty_list() {
    let site = with_customers(&["Acme".into()]);
    let browser = site.console();
    browser.visit(LIST);
    browser.shows("1 entity");
    site.server.kill();
    browser.fill("Search", "Bolt");
    browser.shows("The server does not answer.");
    browser.finds("Retry");
    assert!(browser.offers("Acme"), "the rows that were there stay");
}

#[test]
fn groups_and_filters_live_in_the_address() {
    let site = with_customers(&[]);
    for (name, city, credit) in [("Acme", "Delft", 500), ("Bolt", "Delft", 100), ("Cord", "Utrecht", 900)] {
        let data = json!({"city": city, "credit": credit, "tier": "gold"});
        site.post("/entities/customers", &json!({"name": name, "data": data}));
    }
    let browser = site.console();
    browser.visit(LIST);
    browser.shows("3 entities");
    browser.press("Group by…");
    browser.choose("Group by", "City");
    browser.arrives_at("/console/entities/customers?group=data.city");
    browser.shows("Count by city");
    browser.choose("Measure", "Sum of credit");
    browser.arrives_at("/console/entities/customers?group=data.city&measure=sum%28data.credit%29");
    browser.shows("Sum of credit by city");
    browser.shows("600");
    browser.picture("entity-groups");
    browser.visit(&format!("{LIST}?group=data.city&measure=avg%28data.credit%29"));
    browser.shows("Average of credit by city");
    browser.press("Delft");
    browser.shows("2 entities");
    browser.shows("data.city = \"Delft\"");
    browser.press("Clear the filter");
    browser.shows("3 entities");
    browser.press("Filter");
    browser.fill("Filter", "data.credit > nothing");
    browser.press("Apply");
    browser.shows("at character 15");
    browser.back();
    browser.shows("3 entities");
    browser.press("Close");
    browser.arrives_at(LIST);
}
