//! What a page may cost on a first visit.

use crate::{browser::Browser, site::Site, support::EMAIL};
use serde_json::{Value, json};

const KB: u64 = 1000;

/// Requests and bytes of the page that is open, as the network carried them.
fn cost(browser: &Browser) -> (u64, u64, Value) {
    let seen = browser.script(
        r"
const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
return entries.map(({ name, transferSize }) => [new URL(name).pathname, transferSize]);",
        Vec::new(),
    );
    let sizes = seen.as_array().unwrap().iter().map(|entry| entry[1].as_u64().unwrap());
    (sizes.clone().count() as u64, sizes.sum(), seen)
}

fn costs_at_most(browser: &Browser, page: &str, requests: u64, bytes: u64) {
    let (count, size, seen) = cost(browser);
    assert!(count <= requests && size <= bytes, "{page}: {count} requests, {size} bytes: {seen}");
    assert!(count > 2 && size > 10 * KB, "{page} was measured cold: {seen}");
}

#[test]
fn a_list_costs_150_kb_and_12_requests_and_sign_in_60_and_6() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    for number in 1..=40 {
        let data = json!({"city": "Delft", "credit": number * 100});
        site.post("/entities/customers", &json!({"name": format!("Customer {number}"), "data": data}));
    }
    let browser = site.console();
    browser.forget_files();
    browser.visit("/console/sign-in");
    browser.shows("To the administration console");
    costs_at_most(&browser, "/console/sign-in", 6, 60 * KB);
    for (page, words) in [
        ("/console/users", EMAIL),
        ("/console/entities/customers", "Customer 40"),
        ("/console/entity-types", "Customers"),
        ("/console/roles", "Analyst"),
        ("/console/api-keys", "No API keys yet"),
        ("/console/webhooks", "No webhooks yet"),
        ("/console/jobs", "Remove finished jobs"),
        ("/console/backups", "No backups yet"),
        ("/console/audit", "signed in"),
    ] {
        browser.forget_files();
        browser.visit(page);
        browser.holds(&format!("document.querySelector('main')?.innerText.includes('{words}')"));
        costs_at_most(&browser, page, 12, 150 * KB);
    }
}
