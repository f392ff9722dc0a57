//! Signing in and out, and what Back shows afterwards.

use crate::{
    site::{AFTER_A_FAILURE, Site, sign_in},
    support::{EMAIL, PASSWORD},
};
use std::thread;

#[test]
fn a_wrong_password_is_said_and_a_deep_link_survives_signing_in() {
    let site = Site::new();
    let browser = site.browser();
    browser.visit("/console/users?search=admin");
    browser.arrives_at("/console/sign-in?to=%2Fconsole%2Fusers%3Fsearch%3Dadmin");
    sign_in(&browser, EMAIL, "seven silver turnstiles");
    browser.shows("The e-mail address or the password is not right.");
    assert_eq!(browser.script("return document.activeElement.name", Vec::new()), "password");
    thread::sleep(AFTER_A_FAILURE);
    sign_in(&browser, EMAIL, PASSWORD);
    browser.arrives_at("/console/users?search=admin");
    browser.shows("1 user");
    browser.shows(EMAIL);
}

#[test]
fn signing_in_never_leads_to_another_site() {
    let site = Site::new();
    let browser = site.browser();
    browser.visit("/console/sign-in?to=https://example.com/console/users");
    sign_in(&browser, EMAIL, PASSWORD);
    browser.arrives_at("/console/");
}

#[test]
fn after_signing_out_back_shows_nothing() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Users");
    browser.shows(EMAIL);
    browser.press("Roles");
    browser.shows("Analyst");
    browser.press("Sign out");
    browser.arrives_at("/console/sign-in");
    browser.back();
    browser.arrives_at("/console/sign-in?to=%2Fconsole%2Fusers");
    assert!(!browser.text().contains(EMAIL), "nothing of the session is left: {}", browser.text());
}

#[test]
fn the_work_that_failures_ask_for_is_done_beside_the_page() {
    let site = Site::with(&[("PORTCULLIS_AUTH__CHALLENGE_AFTER", "1")]);
    let browser = site.browser();
    browser.visit("/console/sign-in");
    sign_in(&browser, EMAIL, "seven silver turnstiles");
    browser.shows("The e-mail address or the password is not right.");
    thread::sleep(AFTER_A_FAILURE);
    sign_in(&browser, EMAIL, PASSWORD);
    browser.arrives_at("/console/");
}
