//! The audit log: who did what, and that nothing of it was altered.

use crate::site::Site;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

#[test]
fn a_change_is_one_click_from_its_record_and_shows_old_and_new() {
    let site = Site::new();
    let id = site.user("grace@example.org", "Grace Hopper", "viewer");
    site.send(Method::PATCH, &format!("/users/{id}"), &json!({"name": "Rear Admiral Hopper"}));
    let browser = site.console();
    browser.visit(&format!("/console/users?open={id}"));
    browser.press("Audit");
    browser.arrives_at(&format!("/console/audit?target_type=user&target_id={id}"));
    browser.shows("admin@example.org created user Grace Hopper");
    assert!(!browser.text().contains("signed in"), "only what was done with that user");
    browser.press("admin@example.org changed user Rear Admiral Hopper");
    browser.holds("document.querySelector('dialog .diff del')?.innerText.includes('Grace Hopper')");
    browser.holds("document.querySelector('dialog .diff ins')?.innerText.includes('Rear Admiral Hopper')");
    browser.picture("event-difference");
    browser.press("Everything they did");
    browser.shows("signed in");
    assert!(browser.address().starts_with("/console/audit?actor_id="), "{}", browser.address());
}

#[test]
fn the_list_filters_and_the_chain_can_be_verified() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console();
    browser.press("Audit log");
    browser.shows("admin@example.org signed in");
    browser.choose("Object", "Users");
    browser.loses("admin@example.org signed in");
    browser.shows("created user Grace Hopper");
    browser.choose("Outcome", "Denied");
    browser.shows("No event matches");
    browser.press("Clear the filters");
    browser.shows("admin@example.org signed in");
    browser.press("Verify chain");
    browser.shows("The chain is whole.");
    browser.shows("none was altered or removed");
}

#[test]
fn what_one_request_did_is_a_click_away() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console();
    browser.visit("/console/audit");
    browser.shows("admin@example.org signed in");
    browser.press("admin@example.org created user Grace Hopper");
    browser.press("Same request");
    browser.loses("signed in");
    browser.shows("created user Grace Hopper");
    let request = &site.get("/audit?action=user.created")["items"][0]["request_id"];
    browser.arrives_at(&format!("/console/audit?request_id={}", request.as_str().expect("a request")));
}

#[test]
fn the_log_is_taken_out_to_be_read_and_to_be_verified() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console();
    let folder = tempfile::tempdir().expect("a folder");
    browser.keep_downloads_in(folder.path());
    browser.visit("/console/audit");
    let taken = |link: &str, name: &str| {
        browser.press("Export");
        browser.press(link);
        let (path, begun) = (folder.path().join(name), Instant::now());
        while !path.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} does not come");
            thread::sleep(Duration::from_millis(50));
        }
        fs::read_to_string(path).expect("text")
    };
    let csv = taken("CSV, to read", "audit.csv");
    assert!(csv.starts_with("seq,at,actor_type") && csv.contains("user.created"), "{csv}");
    browser.reload();
    let lines = taken("JSON Lines, to verify", "audit.jsonl");
    let last: Value = serde_json::from_str(lines.lines().last().expect("events")).expect("JSON");
    let verdict = site.get(&format!("/audit/verify?head={}:{}", last["seq"], last["hash"].as_str().expect("a hash")));
    assert_eq!(verdict["valid"], true, "{verdict}");
}
