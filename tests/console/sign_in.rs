//! Signing in and out, and what Back shows afterwards.

use crate::{
    browser::Browser,
    site::{AFTER_A_FAILURE, Site, sign_in},
    support::{EMAIL, PASSWORD},
};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

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

/// Over plain http a browser takes no cookie that is safe to give; the work is done all the same.
#[test]
fn the_work_is_done_over_plain_http_too() {
    let site = Site::with(&[("PORTCULLIS_AUTH__CHALLENGE_AFTER", "1")]);
    let body = json!({"email": EMAIL, "password": "seven silver turnstiles"});
    let path = site.server.path("/auth/login");
    assert_eq!(site.server.client.post(path).json(&body).send().expect("an answer").status(), 401);
    thread::sleep(AFTER_A_FAILURE);
    let before = site.get("/audit?action=session.created&count=true")["total"].as_u64();
    let port = site.server.url.rsplit_once(':').expect("a port").1.to_owned();
    let browser = Browser::open(&format!("http://plain.example:{port}"));
    browser.visit("/console/sign-in");
    assert_eq!(browser.script("return window.isSecureContext || !!crypto.subtle", Vec::new()), json!(false));
    let watch = "window.workers = 0; const Real = Worker; \
                 window.Worker = class extends Real { constructor(...all) { super(...all); window.workers += 1; } };";
    browser.script(watch, Vec::new());
    let heard = "window.answers = []; const real = fetch; \
                 window.fetch = async (...all) => { const answer = await real(...all); window.answers.push(answer.status); return answer; };";
    browser.script(heard, Vec::new());
    sign_in(&browser, EMAIL, PASSWORD);
    browser.holds("window.answers?.includes(200) ?? true");
    let after = site.get("/audit?action=session.created&count=true")["total"].as_u64();
    assert_eq!(after, before.map(|count| count + 1), "the right password with the work done opened a session");
    assert_eq!(browser.script("return window.workers ?? 1", Vec::new()), json!(1));
}

#[test]
fn nothing_secret_is_where_a_script_could_take_it() {
    let site = Site::new();
    let browser = site.console();
    for page in ["/console/", "/console/users", "/console/api-keys", "/console/account"] {
        browser.visit(page);
        browser.holds("document.querySelector('main h1')");
        let kept = "return [document.cookie, Object.keys(localStorage), Object.keys(sessionStorage), window.name]";
        assert_eq!(browser.script(kept, Vec::new()), json!(["", [], [], ""]), "{page}");
    }
    browser.visit("/console/account");
    browser.choose("Colours", "Dark");
    assert_eq!(browser.script("return Object.entries(localStorage)", Vec::new()), json!([["theme", "dark"]]));
    let stores = "const done = arguments[0]; indexedDB.databases().then(async (databases) => \
                  done([databases.length, (await caches.keys()).length, \
                  (await navigator.serviceWorker.getRegistrations()).length]))";
    assert_eq!(browser.script_later(stores), json!([0, 0, 0]));
}

/// A page of somebody else that shows `inside` in a frame, served once for each request.
fn page_around(inside: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://localhost:{}", listener.local_addr().expect("an address").port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let body = format!("<!doctype html><title>Win a prize</title><iframe id=frame src=\"{inside}\"></iframe>");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length";
            let _ = write!(stream, "{head}: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

#[test]
fn no_other_site_shows_the_console_in_a_frame() {
    let site = Site::new();
    let around = page_around(format!("{}/console/", site.server.url));
    let browser = Browser::open(&around);
    browser.visit("/");
    browser.holds("document.readyState === 'complete'");
    let said = browser.complaints();
    let blocked = said.iter().any(|line| line.contains("frame-ancestors") || line.contains("X-Frame-Options"));
    assert!(blocked, "Chromium says why it shows nothing: {said:?}");
}
