//! One's own name, password and sessions.

use crate::{
    site::{AFTER_A_FAILURE, Site, sign_in},
    support::{EMAIL, PASSWORD},
};
use std::thread;

const NEW: &str = "nine copper weathervanes";

#[test]
fn a_changed_password_ends_the_other_sessions_and_keeps_this_one() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "admin");
    let other = site.console_of("grace@example.org");
    let browser = site.console_of("grace@example.org");
    browser.visit("/console/account");
    browser.fill("Current password", "seven silver turnstiles");
    browser.fill("New password", NEW);
    browser.fill("New password again", "nine copper");
    browser.press("Change the password");
    browser.shows("The two are not the same.");
    browser.fill("New password again", NEW);
    browser.press("Change the password");
    browser.holds("document.querySelector('main .error:not([hidden]), main [role=alert]')");
    thread::sleep(AFTER_A_FAILURE);
    browser.fill("Current password", PASSWORD);
    browser.press("Change the password");
    browser.shows("Your password was changed.");
    other.press("My sessions");
    other.arrives_at("/console/sign-in?to=%2Fconsole%2Fsessions");
    sign_in(&other, "grace@example.org", NEW);
    other.shows("This one");
    browser.fill("Name", "Admiral Hopper");
    browser.press("Save");
    browser.shows("Your profile was saved.");
}

#[test]
fn one_ends_the_session_of_another_device_or_all() {
    let site = Site::new();
    let other = site.console();
    let browser = site.console();
    browser.press("My sessions");
    browser.shows("This one");
    browser.press("End the session of Chrome on Linux");
    browser.press("End session");
    browser.shows("The session has ended.");
    other.press("Users");
    other.arrives_at("/console/sign-in?to=%2Fconsole%2Fusers");
    sign_in(&other, EMAIL, PASSWORD);
    other.shows("1 user");
    browser.press("Sign out everywhere");
    browser.press("Sign out everywhere");
    browser.arrives_at("/console/sign-in");
    other.press("Roles");
    other.arrives_at("/console/sign-in?to=%2Fconsole%2Froles");
}
