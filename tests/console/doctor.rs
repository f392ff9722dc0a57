//! What the doctor found, on a page.

use crate::{elevations::look, site::Site};
use rusqlite::Connection;

#[test]
fn findings_are_read_with_evidence_and_remedy() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/doctor");
    browser.shows("of 100");
    browser.shows("Administrators without a second factor");
    browser.shows("Without one: admin@example.org.");
    look(&browser, "doctor");
    browser.press("Look again");
    browser.shows("of 100");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_scores_of_some_days_are_a_picture() {
    let site = Site::new();
    let browser = site.console();
    browser.visit("/console/doctor");
    browser.shows("The picture starts tomorrow.");
    // What the last days would have left.
    let database = Connection::open(site.folder().join("portcullis.db")).expect("the database");
    let sql = "INSERT INTO doctor_scores (day, at, score)
               VALUES (date('now', ?1), 1000 * CAST(strftime('%s', 'now', ?1) AS INTEGER), ?2)";
    for (day, score) in [("-2 days", 41), ("-1 days", 67)] {
        database.execute(sql, rusqlite::params![day, score]).expect("a row");
    }
    browser.press("Look again");
    browser.holds("document.querySelector('main svg.chart path.area')?.getAttribute('d').includes('L')");
    browser.loses("The picture starts tomorrow.");
    for score in [41, 67] {
        browser.holds(&format!("[...document.querySelectorAll('main td')].some((td) => td.textContent === '{score}')"));
    }
    browser.holds("document.querySelectorAll('main .chart-axis span').length === document.querySelectorAll('main .chart-frame + * tbody tr').length");
    look(&browser, "doctor-trend");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
