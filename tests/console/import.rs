//! A thousand real customers brought in from a file.

use crate::site::Site;
use serde_json::json;
use std::{fs, path::PathBuf, process::Command};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// A site to which the blueprint was applied beside the running server.
fn with_types() -> Site {
    let site = Site::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    program.arg("--data-dir").arg(site.folder()).arg("apply").arg(repository("blueprints/customer_risk.toml"));
    let said = program.current_dir(site.folder()).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    site
}

#[test]
fn wrong_rows_are_named_and_the_right_ones_can_be_browsed() {
    let site = with_types();
    let text = fs::read_to_string(repository("data/german_credit.csv")).unwrap();
    let spoilt: Vec<String> = text
        .lines()
        .map(|line| match &line[..5] {
            "C0017" => line.replacen(",24,", ",999,", 1),
            "C0500" => line.replacen(",A2", ",never", 1),
            _ => line.to_owned(),
        })
        .collect();
    let file = site.folder().join("customers.csv");
    fs::write(&file, spoilt.join("\n")).unwrap();

    let browser = site.console();
    browser.visit("/console/entities/customers");
    browser.press("Import and export");
    browser.press("Import a file");
    browser.shows("Import customers");
    browser.attach("File", &file);
    browser.shows("The first 5 rows");
    browser.shows("C0005");
    browser.picture("import-preview");
    browser.choose("Column with the name", "customer_no");
    browser.press("Import");
    browser.shows("Nothing was imported");
    browser.shows("Row 17");
    browser.shows("duration_months");
    browser.shows("Row 500");
    assert_eq!(site.get("/entities/customers?count=true")["total"], json!(0));

    browser.choose("When a row is wrong", "Skip that row and go on");
    browser.press("Import");
    browser.shows("998 created, 0 updated, 2 failed.");
    browser.shows("Row 500");
    browser.picture("import-outcome");
    browser.press("See the customers");
    browser.shows("998 entities");
    browser.fill("Search", "C0018");
    browser.shows("1 entity");
    browser.press("C0018");
    browser.shows("Age in years");
}

#[test]
fn the_whole_file_goes_in_with_progress() {
    let site = with_types();
    let browser = site.console();
    browser.visit("/console/entities/customers/import");
    browser.attach("File", &repository("data/german_credit.csv"));
    browser.choose("Column with the name", "customer_no");
    let watch = r"
window.seen = [];
new MutationObserver(() => {
  const bar = document.querySelector('progress');
  if (bar) window.seen.push(bar.getAttribute('aria-label'));
}).observe(document.body, { childList: true, subtree: true });";
    browser.script(watch, Vec::new());
    browser.press("Import");
    browser.shows("1,000 created, 0 updated, 0 failed.");
    browser.holds("window.seen.includes('Sending the file')");
    assert_eq!(site.get("/entities/customers?count=true")["total"], json!(1000));
}
