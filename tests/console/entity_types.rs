//! Entity types, made and changed as a table of properties.

use crate::site::Site;
use serde_json::json;

#[test]
fn a_type_is_made_from_a_table_of_properties() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Entity types");
    browser.shows("No entity types yet");
    browser.press("New type");
    browser.fill("Name", "Projects!");
    browser.press("Create the type");
    browser.shows("Begin with a small letter");
    browser.fill("Name", "projects");
    browser.press("Add a property");
    browser.fill("Name of property 1", "city");
    browser.tick("property 1 is required");
    browser.press("Add a property");
    browser.fill("Name of property 2", "budget");
    browser.choose("Type of property 2", "Whole number");
    browser.choose("Sensitivity of property 2", "Confidential");
    browser.press("Create the type");
    browser.arrives_at("/console/entities/projects");
    browser.shows("No projects yet");
    let made = site.get("/entity-types/projects");
    assert_eq!(made["schema"]["properties"], json!({"city": {"type": "string"}, "budget": {"type": "integer"}}));
    assert_eq!(made["schema"]["required"], json!(["city"]));
    assert_eq!(made["fields"]["/budget"]["sensitivity"], "confidential");
}

#[test]
fn a_type_is_changed_and_a_change_that_its_entities_break_is_refused() {
    let site = Site::new();
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    site.post("/entity-types", &json!({"name": "projects", "schema": schema}));
    site.post("/entities/projects", &json!({"name": "Bridge", "data": {"city": "Delft"}}));
    let browser = site.console();
    browser.visit("/console/entity-types");
    browser.press("Definition of Projects");
    browser.choose("Type of city", "Whole number");
    browser.press("Save");
    browser.holds("document.querySelector('dialog [role=alert], dialog .error:not([hidden])')");
    assert_eq!(site.get("/entity-types/projects")["schema"]["properties"]["city"]["type"], "string");
    browser.choose("Type of city", "Text");
    browser.choose("Sensitivity of city", "Restricted");
    browser.press("Save");
    browser.shows("The type was changed.");
    browser.holds("document.querySelector('main').innerText.includes('Restricted')");
}
