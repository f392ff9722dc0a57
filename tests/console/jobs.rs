//! Jobs: seen, run again, called off.

use crate::{elevations::look, held_store::HeldStore, site::Site};
use serde_json::json;

#[test]
fn a_letter_that_cannot_be_sent_is_seen_run_again_and_called_off() {
    let site = Site::with(&[
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "The Gate <gate@example.org>"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
    ]);
    site.post("/users", &json!({"email": "ada@example.org", "name": "Ada Lovelace"}));
    let browser = site.console();
    browser.press("Jobs");
    browser.shows("Send a letter");
    browser.shows("To be tried again");
    browser.press("Send a letter");
    browser.shows("Attempt 1");
    browser.shows("1 attempt");
    browser.press("Run now");
    browser.shows("It is due now.");
    browser.shows("Attempt 2");
    browser.press("Cancel job");
    browser.shows("It is not run. It can be run again later.");
    browser.script("document.querySelector('dialog[open]:not(.drawer) .button.danger').click()", Vec::new());
    browser.shows("The job is cancelled.");
    browser.shows("Run again");
    browser.visit("/console/jobs?state=cancelled");
    browser.shows("Send a letter");
    assert!(!browser.text().contains("ada@example.org"));
    browser.visit("/console/audit");
    browser.shows("cancelled a job");
}

#[test]
fn what_comes_by_itself_says_so() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/jobs?state=waiting");
    browser.press("Remove finished jobs");
    browser.shows("Comes by itself");
    browser.shows("Run now");
    assert!(!browser.text().contains("Cancel job"));
}

#[test]
fn a_job_that_runs_shows_how_far_it_is_and_is_ended() {
    let store = HeldStore::start();
    let settings = store.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::with(&settings);
    let id = site.post("/backups", &json!({}))["id"].as_str().expect("a job").to_owned();
    let browser = site.console();
    browser.visit("/console/jobs?state=running");
    browser.shows("Make a backup");
    browser.holds("document.querySelector('progress[aria-label^=\"Progress: \"]')?.max > 1");
    look(&browser, "jobs-running");
    browser.press("Make a backup");
    browser.holds("document.querySelector('dialog[open] progress')");
    browser.press("Cancel job");
    browser.shows("Its attempt is ended as soon as it can be.");
    browser.script("document.querySelector('dialog[open]:not(.drawer) .button.danger').click()", Vec::new());
    browser.shows("It is being ended.");
    browser.shows("Run again");
    assert_eq!(site.get(&format!("/jobs/{id}"))["state"], "cancelled");
}
