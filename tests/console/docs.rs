//! The document of the API as a page.

use crate::{elevations::look, site::Site};

#[test]
fn the_document_is_read_and_searched_as_a_page() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/docs");
    browser.shows("OpenAPI document");
    browser.shows("/users/{id}/restore");
    browser.fill("Find an operation", "api-keys");
    browser.loses("/users/{id}/restore");
    browser.press("POST /api-keys Make an API key; it is shown this once");
    browser.shows("Body");
    browser.shows("curl -X POST");
    look(&browser, "docs");
    browser.fill("Find an operation", "nothing like it");
    browser.shows("Nothing matches");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
