//! Settings: a difference before saving, a mistake at its field, what the environment sets is locked.

use crate::site::Site;

#[test]
fn a_setting_is_changed_after_its_difference_was_seen() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Settings");
    browser.shows("Requests a minute without signing in");
    browser.shows("Locked: set by");
    browser.fill("Requests a minute by route", "GET /user = 60");
    browser.press("Save changes");
    browser.shows("Change 1 setting?");
    browser.press("Save");
    browser.shows("did you mean GET /users");
    browser.picture("settings-mistake");
    browser.fill("Requests a minute by route", "GET /users = 600");
    browser.fill("Requests a minute without signing in", "30");
    browser.press("Save changes");
    browser.shows("Change 2 settings?");
    browser.picture("settings-difference");
    browser.press("Save");
    browser.shows("The settings were saved.");
    browser.shows("Changed here");
    let values = &site.get("/settings")["values"]["limits"];
    assert_eq!((&values["public_per_minute"], &values["routes"]["GET /users"]), (&30.into(), &600.into()));
}
