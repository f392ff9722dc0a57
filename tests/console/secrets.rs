//! The keys of the instance: seen, rotated with a reason and a password, ended in an emergency.

use crate::{
    elevations::look,
    site::{Site, sign_in},
    support::{EMAIL, PASSWORD},
};

#[test]
fn a_key_is_rotated_and_in_an_emergency_everybody_is_signed_out() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console();
    browser.press("Secrets");
    browser.shows("Encrypted values");
    look(&browser, "secrets");
    browser.press("Rotate: Presigned addresses");
    browser.shows("good for another hour");
    browser.press("Rotate the key");
    browser.shows("Say why");
    browser.fill("Reason", "the yearly round");
    browser.fill("Your password", "wrong wrong wrong");
    browser.press("Rotate the key");
    browser.shows("The password is not right.");
    std::thread::sleep(crate::site::AFTER_A_FAILURE);
    browser.fill("Your password", PASSWORD);
    browser.press("Rotate the key");
    browser.shows("a new key is in force");
    browser.shows("Retiring");
    while browser.offers("Dismiss") {
        browser.press("Dismiss");
    }
    look(&browser, "secrets-retiring");
    let keys = site.get("/secrets");
    let retiring = keys["items"].as_array().unwrap().iter().find(|key| key["state"] == "retiring").unwrap();
    assert_eq!(retiring["kind"], "presign");
    browser.press("Rotate: Access tokens");
    browser.choose("Why", "Emergency: somebody may know the key");
    browser.shows("Everybody is signed out at once");
    look(&browser, "secret-emergency");
    browser.fill("Reason", "a leaked keyring");
    browser.fill("Your password", PASSWORD);
    browser.press("Rotate the key");
    browser.shows("To the administration console");
    sign_in(&browser, EMAIL, PASSWORD);
    browser.holds("document.querySelector('h1')?.checkVisibility() && !location.pathname.includes('sign-in')");
    browser.visit("/console/audit?target_type=secret");
    browser.shows("rotated a key of this instance");
    let grace = site.console_of("grace@example.org");
    assert!(!grace.offers("Secrets"));
    let refusals = browser.complaints().into_iter().filter(|said| !said.contains("/secrets/presign/rotate"));
    assert_eq!(refusals.collect::<Vec<_>>(), Vec::<String>::new());
}
