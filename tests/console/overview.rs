//! The first page: is it well, what came, what was refused.

use crate::site::Site;
use serde_json::json;

#[test]
fn each_tile_tells_a_figure_and_leads_to_its_list() {
    let site = Site::new();
    site.post("/entity-types", &json!({"name": "customers"}));
    site.post("/entity-types", &json!({"name": "notes"}));
    site.post("/entities/customers", &json!({"name": "Acme", "data": {}}));
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let wrong = json!({"email": "grace@example.org", "password": "seven silver turnstiles"});
    let answer = site.server.client.post(site.server.path("/auth/login")).json(&wrong).send().unwrap();
    assert_eq!(answer.status(), 401);

    let browser = site.console();
    browser.shows("Up and answering");
    browser.shows("in 2 types");
    browser.shows("2 active");
    browser.shows("1 failed sign-in");
    browser.shows("Rate limits are off");
    browser.shows("requests in the last hour");
    browser.shows("Last good backup");
    browser.shows("None yet");
    browser.click("a.tile[href='/console/users']");
    browser.shows("2 users");
    browser.back();
    browser.shows("Up and answering");
    browser.press("Notes");
    browser.shows("No notes yet");
}

#[test]
fn the_age_of_the_last_good_backup_is_told_and_leads_to_the_list() {
    let site = Site::new();
    site.post("/backups", &json!({}));
    let begun = std::time::Instant::now();
    while site.get("/backups")["items"][0]["verified"] != true {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it is not checked");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let browser = site.console();
    browser.shows("1 minute old");
    browser.shows("kept beside the data");
    crate::elevations::look(&browser, "overview");
    browser.click("a.tile[href='/console/backups']");
    browser.shows("They lie in the data folder");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
