//! Backups: made, checked, downloaded in two clicks, deleted.

use crate::site::Site;

#[test]
fn a_backup_is_made_checked_and_deleted_and_its_key_shown_once() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Backups");
    browser.shows("No backups yet");
    browser.shows("No schedule");
    browser.press("Back up now");
    browser.shows("Your recovery key");
    let shown = browser.script("return document.querySelector('dialog[open] .notice code').innerText", Vec::new());
    let key = shown.as_str().expect("a key").trim().to_owned();
    assert!(key.starts_with("ptrec_"), "{key}");
    browser.press("Done");
    browser.shows("Checked");
    let name = site.get("/backups")["items"][0]["name"].as_str().expect("a name").to_owned();
    // Downloading is the second click.
    browser.holds(&format!("document.querySelector('a[download=\"{name}\"]')"));
    browser.press(&format!("Delete {name}"));
    browser.press("Delete backup");
    browser.shows("The backup was deleted.");
    browser.shows("No backups yet");
    assert!(!browser.text().contains(&key));
    browser.visit("/console/audit");
    browser.shows("made a recovery key");
}
