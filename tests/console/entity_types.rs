//! Entity types, made and changed as a table of properties.

use crate::{browser::Browser, site::Site};
use serde_json::{Value, json};

/// How it looks at a desk by day and in a hand by night.
fn pictures(browser: &Browser, name: &str, part: &str) {
    for (width, height, scheme) in [(1440, 900, "light"), (390, 844, "dark")] {
        browser.resize(width, height);
        browser.prefer(scheme);
        browser.script("document.querySelector(arguments[0])?.scrollIntoView({block: 'center'})", vec![json!(part)]);
        // Colours take a moment to change.
        browser.script_later("setTimeout(arguments[0], 300)");
        browser.picture(&format!("entity-type-{name}-{width}-{scheme}"));
    }
    browser.resize(1440, 900);
    browser.prefer("light");
}

fn places(site: &Site, entities: usize, search: &Value) {
    let schema = json!({"type": "object", "properties": {
        "town": {"type": "string"}, "code": {"type": "string"}, "old": {"type": "integer"}}});
    let fields = json!({"/code": {"sensitivity": "restricted", "pii": true}, "/town": {"index": true}});
    site.post("/entity-types", &json!({"name": "places", "schema": schema, "fields": fields, "search": search}));
    let numbers: Vec<_> = (0..entities).collect();
    for some in numbers.chunks(100) {
        let create = |number: &usize| {
            let data = json!({"town": format!("Town {number}"), "code": format!("code-{number}"), "old": 1});
            json!({"op": "create", "type": "places", "name": format!("Place {number}"), "data": data})
        };
        site.post("/batch", &json!({"operations": some.iter().map(create).collect::<Vec<_>>()}));
    }
}

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

#[test]
fn a_property_is_marked_personal_indexed_unique_and_searched() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/entity-types?open=new");
    browser.fill("Name", "people");
    for (number, name, marks) in
        [(1, "iban", &["is personal", "is indexed"][..]), (2, "no", &["is unique"]), (3, "city", &["is searched"])]
    {
        browser.press("Add a property");
        browser.fill(&format!("Name of property {number}"), name);
        for mark in marks {
            browser.tick(&format!("property {number} {mark}"));
        }
    }
    browser.holds("document.querySelector('[aria-label=\"property 1 is searched\"]').disabled");
    browser.reads("Search", "index");
    pictures(&browser, "marks", ".properties");
    browser.press("Create the type");
    browser.arrives_at("/console/entities/people");
    let made = site.get("/entity-types/people");
    let mark = |pii, index, unique| json!({"sensitivity": "internal", "pii": pii, "index": index, "unique": unique});
    assert_eq!(made["fields"]["/iban"], mark(true, true, false));
    assert_eq!(made["fields"]["/no"], mark(false, false, true));
    assert_eq!((&made["fields"]["/city"], &made["search"]), (&mark(false, false, false), &json!(["/city"])));
    for city in ["Delft", "Delft"] {
        site.post("/entities/people", &json!({"data": {"iban": "DE1", "city": city}}));
    }
    browser.visit("/console/entity-types?open=people");
    browser.tick("city is unique");
    browser.press("Save");
    browser.shows("1 entity has a value of /city that another has too.");
    browser.holds("document.querySelector('dialog [role=alert] a[href*=\"/entities/people?open=\"]')");
    assert!(!browser.offers("Migrate and save"), "no migration makes values differ");
    browser.tick("city is unique");
    browser.tick("iban is personal");
    browser.press("Save");
    browser.holds(
        "document.querySelector('[data-pointer=\"/fields/~1iban\"] .error').textContent.includes('stays sealed')",
    );
    browser.tick("iban is personal");
    browser.tick("city is personal");
    browser.press("Save");
    browser.shows("The type was changed.");
    let changed = site.get("/entity-types/people");
    assert_eq!((&changed["fields"]["/city"], &changed["search"]), (&mark(true, false, false), &json!([])));
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|one| one.contains("422")), "{complaints:?}");
}

#[test]
fn what_stands_in_the_way_is_shown_and_migrated_from_there() {
    let site = Site::new();
    places(&site, 7, &json!(["/town"]));
    let browser = site.console();
    browser.visit("/console/entity-types?open=places");
    browser.fill("Name of code", "secret");
    browser.press("Take old away");
    browser.press("Add a property");
    browser.fill("Name of property 3", "tier");
    browser.tick("property 3 is required");
    browser.choose("Stored values of code", "Leave them under code");
    browser.press("Save");
    browser.shows("7 entities do not fit the new schema.");
    browser.shows("These are the first 5 of 7.");
    assert_eq!(site.get("/entity-types/places")["version"], 1);
    browser.choose("Stored values of code", "Move to secret");
    browser.choose("Stored values of old", "Remove them");
    browser.fill("Where tier is missing", "new");
    pictures(&browser, "refused", "fieldset[data-pointer='/migration']");
    browser.press("Migrate and save");
    browser.shows("The entities were migrated.");
    browser.holds("document.querySelector('[aria-label=\"secret is personal\"]')?.checked");
    let moved = site.get("/entities/places?sort=name&limit=1")["items"][0].clone();
    assert_eq!(moved["data"], json!({"town": "Town 0", "secret": "code-0", "tier": "new"}));
    let changed = site.get("/entity-types/places");
    assert_eq!(changed["fields"]["/secret"], changed["fields"]["/code"]);
    assert_eq!((&changed["fields"]["/town"]["index"], &changed["search"]), (&json!(true), &json!(["/town"])));
}

#[test]
fn a_migration_and_an_index_are_followed_until_they_are_done() {
    let site = Site::new();
    places(&site, 4000, &Value::Null);
    let browser = site.console();
    browser.visit("/console/entity-types?open=places");
    browser.fill("Name of town", "city");
    browser.press("Schema as JSON");
    browser.shows("Move to city");
    browser.press("Save");
    browser.shows("The entities are being migrated:");
    browser.holds("document.querySelector('dialog progress').value > 0");
    assert!(!browser.offers("Save"), "nothing is changed meanwhile");
    browser.holds("document.querySelector('main').innerText.includes('Being migrated')");
    pictures(&browser, "migrating", "dialog progress");
    browser.shows("The entities were migrated.");
    browser.holds("document.querySelector('[aria-label=\"city is indexed\"]')?.checked");
    browser.loses("being migrated");
    browser.holds("!document.querySelector('main').innerText.includes('Being migrated')");
    assert_eq!(site.get("/entities/places?count=true&filter=data.city%20%3D%20%22Town%207%22")["total"], 1);
    browser.choose("Search", "By an index of the name and of what is searched");
    browser.holds("document.querySelector('[aria-label=\"city is searched\"]').checked");
    browser.press("Save");
    browser.shows("The indexes are being made:");
    pictures(&browser, "indexing", "dialog progress");
    browser.loses("The indexes are being made:");
    let whole = site.get("/entity-types/places");
    assert_eq!((&whole["indexing"], &whole["search"]), (&Value::Null, &json!(["/city"])));
}
