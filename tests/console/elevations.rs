//! Break-glass: asked for with a reason and a password, seen on every page, reviewed by somebody else.

use crate::{browser::Browser, pages::faults_of_view, site::Site, support::PASSWORD};
use serde_json::json;

/// On a desk and on a phone, light and dark: nothing is wrong with what is open.
pub fn look(browser: &Browser, name: &str) {
    for (width, height) in [(1440, 900), (390, 844)] {
        browser.resize(width, height);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.picture(&format!("{name}-{width}-{scheme}"));
            assert_eq!(faults_of_view(browser), "", "{name} at {width}, {scheme}");
        }
    }
    browser.resize(1440, 900);
    browser.prefer("light");
}

#[test]
fn the_glass_is_broken_with_a_reason_and_somebody_else_reviews_it() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "orders"}));
    site.post("/roles", &json!({"name": "on_call", "permissions": ["elevations:create", "entities.*:read"]}));
    site.user("grace@example.org", "Grace Hopper", "on_call");
    let grace = site.console_of("grace@example.org");
    grace.visit("/console/account");
    grace.press("Break the glass");
    grace.shows("What will happen");
    look(&grace, "break-glass");
    grace.press("Break the glass");
    grace.shows("Say why.");
    grace.fill("Reason", "Payments are stuck");
    grace.fill("Your password", PASSWORD);
    grace.choose("For how long", "5 minutes");
    grace.press("Break the glass");
    grace.shows("You hold every permission for 4:5");
    grace.finds("Users");
    look(&grace, "break-glass-account");
    grace.press("Kill switch");
    grace.shows("Traffic flows.");
    assert!(!grace.text().contains("Your password"), "the proof was given already");
    grace.visit("/console/roles");
    grace.shows("You hold every permission");

    let browser = site.console();
    browser.visit("/console/");
    browser.shows("Break-glass: 1 elevation runs.");
    browser.press("Look at it");
    browser.press("grace@example.org");
    browser.shows("Payments are stuck");
    browser.shows("grace@example.org broke the glass");
    look(&browser, "elevation-running");
    browser.press("End it now");
    browser.shows("Its rights go back");
    browser.press("End it now");
    browser.shows("It was ended by hand");
    grace.visit("/console/");
    grace.loses("You hold every permission");
    assert!(!grace.offers("Users"));

    browser.press("Review");
    browser.shows("That cannot be undone.");
    look(&browser, "elevation-review");
    browser.press("Close it");
    browser.shows("Say what you found.");
    browser.fill("What you found", "Restarted the queue, nothing else.");
    browser.press("Close it");
    browser.shows("The elevation is closed.");
    browser.shows("Restarted the queue, nothing else.");
    browser.visit("/console/elevations");
    browser.shows("Reviewed");
    assert!(!browser.text().contains("Break-glass:"));
    look(&browser, "elevations");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
