//! Settings: a difference before saving, a mistake at its field, what the environment sets is locked.

use crate::{elevations::look, site::Site};
use serde_json::json;

#[test]
fn a_setting_is_changed_after_its_difference_was_seen() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Settings");
    browser.shows("Requests a minute without signing in");
    browser.shows("Locked: set by");
    look(&browser, "settings");
    let route = "Requests a minute by route";
    browser.press("Add a route");
    browser.choose(&format!("{route}: method"), "GET");
    browser.fill(&format!("{route}: path"), "/user");
    browser.fill(&format!("{route}: requests a minute"), "60");
    browser.press("Save changes");
    browser.shows("Change 1 setting?");
    browser.press("Save");
    browser.shows("did you mean GET /users");
    browser.picture("settings-mistake");
    browser.fill(&format!("{route}: path"), "/users");
    browser.fill(&format!("{route}: requests a minute"), "600");
    browser.fill("Requests a minute without signing in", "30");
    browser.press("Save changes");
    browser.shows("Change 2 settings?");
    look(&browser, "settings-difference");
    browser.press("Save");
    browser.shows("The settings were saved.");
    browser.shows("Changed here");
    let values = &site.get("/settings")["values"]["limits"];
    assert_eq!((&values["public_per_minute"], &values["routes"]["GET /users"]), (&30.into(), &600.into()));
    browser.press("Go back: Requests a minute without signing in");
    browser.press("Go back");
    browser.shows("The file or the default holds again.");
    assert_eq!(site.get("/settings")["values"]["limits"]["public_per_minute"], 20);
}

#[test]
fn what_inspection_does_by_route_is_chosen_and_taken_off_again() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/settings");
    let routes = "What happens with a finding, by route";
    browser.shows(routes);
    browser.click("[data-pointer='/inspection/routes'] .row button");
    browser.choose(&format!("{routes}: method"), "POST");
    browser.fill(&format!("{routes}: path"), "/users");
    browser.choose(&format!("{routes}: what happens"), "Block");
    browser.press("Save changes");
    browser.shows("Change 1 setting?");
    browser.press("Save");
    browser.shows("The settings were saved.");
    assert_eq!(site.get("/settings")["values"]["inspection"]["routes"], json!({"POST /users": "block"}));
    browser.press("Dismiss");
    look(&browser, "settings-by-route");
    browser.press("Remove POST /users");
    browser.holds("document.querySelectorAll('.entry').length === 0");
    browser.press("Save changes");
    browser.press("Save");
    browser.shows("The settings were saved.");
    browser.loses("POST /users");
    assert_eq!(site.get("/settings")["values"]["inspection"]["routes"], json!({}));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
