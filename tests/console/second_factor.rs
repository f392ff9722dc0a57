//! The second factor in the console: setting it up, signing in with it, resetting somebody's.

use crate::{
    browser::Browser,
    site::{Site, sign_in},
    support::PASSWORD,
};
use reqwest::Method;
use serde_json::json;
use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use totp_rs::{Builder, Secret, Totp};

const CODE: &str = "Code from your authenticator app";

/// Reads the key off the screen, as somebody does whose app takes no picture.
fn app(browser: &Browser) -> Totp {
    browser.holds("document.querySelector('.qr path')");
    let key = browser.script("return document.querySelector('.copyable code').textContent", Vec::new());
    let secret = Secret::try_from_base32(key.as_str().expect("a key")).expect("base 32");
    Builder::new().with_secret(secret).build().expect("an app")
}

fn code(app: &Totp) -> String {
    app.generate(SystemTime::now().duration_since(UNIX_EPOCH).expect("now").as_secs()).to_string()
}

fn recovery_codes(browser: &Browser) -> Vec<String> {
    let codes = "return [...document.querySelectorAll('.codes code')].map((code) => code.textContent)";
    serde_json::from_value(browser.script(codes, Vec::new())).expect("codes")
}

#[test]
fn one_sets_a_second_factor_up_signs_in_with_it_and_has_it_reset() {
    let site = Site::new();
    let id = site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console_of("grace@example.org");
    browser.visit("/console/account");
    browser.press("Set up");
    let app = app(&browser);
    browser.fill("Code from the app", "000000");
    browser.press("Turn on");
    browser.shows("This is not the code of now.");
    browser.fill("Code from the app", &code(&app));
    browser.press("Turn on");
    browser.shows("Keep these recovery codes");
    let first = recovery_codes(&browser);
    browser.press("I kept them");
    browser.shows("10 codes left");
    browser.press("New recovery codes");
    browser.fill("Your password", PASSWORD);
    browser.press("Get new codes");
    browser.shows("Keep these recovery codes");
    let second = recovery_codes(&browser);
    browser.picture("second-factor-codes");
    assert!(second.len() == 10 && first.iter().all(|code| !second.contains(code)));
    browser.press("I kept them");

    let other = site.browser();
    other.visit("/console/sign-in");
    sign_in(&other, "grace@example.org", PASSWORD);
    other.holds(&format!("document.activeElement.labels?.[0]?.textContent === '{CODE}'"));
    other.picture("second-factor-code");
    other.fill(CODE, &first[0]);
    other.press("Sign in");
    other.shows("The e-mail address, the password or the code is not right.");
    thread::sleep(Duration::from_millis(1100));
    other.fill(CODE, &second[0]);
    other.press("Sign in");
    other.arrives_at("/console/");
    other.visit("/console/account");
    other.shows("9 codes left");

    let admin = site.console();
    admin.visit(&format!("/console/users?open={id}"));
    admin.press("Reset second factor");
    admin.shows("The password alone then signs them in");
    admin.press("Reset second factor");
    admin.shows("Their second factor is off.");
    assert_eq!(site.get(&format!("/users/{id}"))["mfa_enabled"], false);
    other.reload();
    other.shows("Set up");
}

#[test]
fn whose_role_takes_one_sets_it_up_before_anything_else() {
    let site = Site::with(&[("PORTCULLIS_AUTH__REQUIRE_MFA_ROLES", "viewer")]);
    site.send(Method::POST, "/users", &json!({"email": "ada@example.org", "password": PASSWORD, "roles": ["viewer"]}));
    let browser = site.browser();
    browser.visit("/console/sign-in");
    sign_in(&browser, "ada@example.org", PASSWORD);
    browser.shows("Your role takes one beside the password.");
    let app = app(&browser);
    browser.picture("second-factor-gate");
    browser.fill("Code from the app", &code(&app));
    browser.press("Turn on");
    browser.shows("Keep these recovery codes");
    browser.press("I kept them");
    browser.shows("Sign out");
    browser.holds("document.querySelector('nav')");
    browser.visit("/console/account");
    browser.press("Turn off");
    browser.fill("Your password", PASSWORD);
    browser.press("Turn off");
    browser.shows("Your role takes one beside the password.");
}
