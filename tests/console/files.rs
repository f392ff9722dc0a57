//! Files: uploaded, found, renamed, deleted and brought back, on their page and at their entity.

use crate::site::Site;
use serde_json::json;
use std::fs;

#[test]
fn a_file_is_uploaded_renamed_deleted_and_brought_back() {
    let site = Site::new();
    let browser = site.console();
    browser.press("Files");
    browser.shows("No files yet");
    let path = site.folder().join("notes.txt");
    fs::write(&path, "one two three\n").unwrap();
    browser.attach("Files to upload", &path);
    browser.shows("notes.txt was uploaded.");
    let page = site.folder().join("page.txt");
    fs::write(&page, "<html><script>alert(1)</script>").unwrap();
    browser.attach("Files to upload", &page);
    browser.shows("page.txt: This file is not taken.");
    browser.visit("/console/files?search=NOTES");
    browser.press("notes.txt");
    browser.shows("1 line, 3 words");
    browser.finds("Download");
    browser.fill("Name", "minutes.txt");
    browser.press("Save");
    browser.visit("/console/files");
    browser.press("minutes.txt");
    browser.press("Delete");
    browser.press("Delete file");
    browser.shows("minutes.txt was deleted.");
    browser.press("Undo");
    browser.shows("minutes.txt is back.");
    browser.visit("/console/files?deleted=only");
    browser.shows("No file matches");
}

#[test]
fn an_entity_shows_its_files_and_takes_more() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "projects"}));
    let project = site.post("/entities/projects", &json!({"name": "Bridge"}))["id"].as_str().unwrap().to_owned();
    site.upload("plan.csv", b"a,b\n1,2\n", Some(&project));
    let browser = site.console();
    browser.visit(&format!("/console/entities/projects?open={project}"));
    browser.shows("plan.csv");
    let path = site.folder().join("notes.txt");
    fs::write(&path, "words\n").unwrap();
    browser.attach("Files to upload", &path);
    browser.shows("notes.txt was uploaded.");
    browser.press("notes.txt");
    browser.shows("Belongs to");
    browser.press("Bridge");
    browser.shows("plan.csv");
}
