//! What the doctor found, on a page.

use crate::{elevations::look, site::Site};

#[test]
fn findings_are_read_with_evidence_and_remedy() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/doctor");
    browser.shows("of 100");
    browser.shows("Administrators without a second factor");
    browser.shows("Without one: admin@example.org.");
    look(&browser, "doctor");
    browser.press("Look again");
    browser.shows("of 100");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
