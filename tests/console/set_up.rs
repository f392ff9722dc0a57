//! The first administrator, by the link that the server prints.

use crate::{
    browser::Browser,
    support::{self, EMAIL, PASSWORD},
};

fn fill_in(browser: &Browser, password: &str) {
    browser.fill("Name", "Ada Lovelace");
    browser.fill("Email", EMAIL);
    browser.fill("Password", password);
    browser.press("Create the administrator");
}

#[test]
fn the_printed_link_makes_the_administrator_and_signs_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let token = server.printed_token();
    let link = format!("/console/setup#token={token}");
    let browser = Browser::open(&server.url);

    browser.visit(&link);
    browser.shows("Set up Portcullis");
    assert_eq!(browser.address(), "/console/setup", "the token leaves the address");
    fill_in(&browser, "short");
    browser.shows("12 characters");
    assert_eq!(browser.script("return document.activeElement.name", Vec::new()), "password");
    fill_in(&browser, PASSWORD);
    browser.arrives_at("/console/");
    browser.shows("Overview");
    browser.shows("Ada Lovelace");
    assert_eq!(browser.title(), "Overview · Portcullis");
    let kept = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])";
    assert_eq!(browser.script(kept, Vec::new()), r#"[{},{},""]"#, "nothing secret where a script can read it");

    let second = Browser::open(&server.url);
    second.visit(&link);
    fill_in(&second, PASSWORD);
    second.shows("Go to sign-in");
    assert_eq!(second.address(), "/console/setup");
}
