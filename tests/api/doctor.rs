//! The instance about itself: what it finds follows from what is really so.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

fn examine(actor: &Actor) -> Value {
    actor.get("/doctor").expect(200).json()
}

fn finding<'r>(report: &'r Value, id: &str) -> Option<&'r Value> {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id)
}

fn passed(report: &Value, id: &str) -> bool {
    report["passed"].as_array().unwrap().iter().any(|passed| passed["id"] == id)
}

#[test]
fn each_finding_has_evidence_and_a_remedy_and_goes_when_it_is_mended() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__BCRYPT_COST", "10")]);
    let admin = site.admin();
    let report = examine(&admin);
    for finding in report["findings"].as_array().unwrap() {
        for member in ["title", "evidence", "remedy", "severity"] {
            assert!(!finding[member].as_str().unwrap().is_empty(), "{finding}");
        }
    }
    assert!(
        finding(&report, "admins_second_factor").unwrap()["evidence"].as_str().unwrap().contains("admin@example.org")
    );
    assert_eq!(finding(&report, "limits").unwrap()["severity"], "high");
    assert!(
        passed(&report, "headers")
            && passed(&report, "cors")
            && passed(&report, "guard")
            && passed(&report, "audit_chain")
    );
    assert!(finding(&report, "passwords").unwrap()["evidence"].as_str().unwrap().contains("bcrypt cost 10"));
    let categories = report["categories"].as_array().unwrap();
    assert_eq!(categories.len(), 5);

    admin.patch("/settings", &json!({"observe": {"rules": ["limits.public"]}})).expect(200);
    let key = admin.post("/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201).id();
    let worse = examine(&admin);
    assert_eq!(finding(&worse, "observed_rules").unwrap()["severity"], "high");
    assert!(finding(&worse, "keys_end").is_some() && finding(&worse, "everything").is_some());
    assert!(worse["score"].as_u64() < report["score"].as_u64(), "{} and {}", worse["score"], report["score"]);
    admin.patch("/settings", &json!({"observe": {"rules": null}})).expect(200);
    admin.delete(&format!("/api-keys/{key}")).expect(204);
    assert_eq!(examine(&admin)["score"], report["score"]);
}

#[test]
fn what_a_stranger_would_be_told_is_asked_of_the_running_server() {
    let site = Site::with(&[("PORTCULLIS_CORS__ORIGINS", "*")]);
    let admin = site.admin();
    let report = examine(&admin);
    assert!(finding(&report, "cors").unwrap()["evidence"].as_str().unwrap().contains("access-control-allow-origin"));
    assert!(passed(&report, "limits"));
    let body = json!({"permissions": ["users:read"]});
    admin.patch("/roles/anonymous", &body).expect(200);
    assert!(finding(&examine(&admin), "guard").unwrap()["evidence"].as_str().unwrap().contains("answered 200"));
}

#[test]
fn what_is_not_looked_at_earns_nothing() {
    let site = Site::new();
    let admin = site.admin();
    let served = examine(&admin)["score"].as_u64().unwrap();
    let folder = site.close();
    let loaded = portcullis::config::Config::load(&portcullis::config::Sources {
        directory: folder.path().to_owned(),
        data_dir: Some(folder.path().join("data")),
        ..Default::default()
    });
    let app = portcullis::server::App::open(loaded.unwrap(), portcullis::clock::Clock::movable()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = serde_json::to_value(runtime.block_on(app.doctor.examine()).unwrap()).unwrap();
    assert_eq!(finding(&report, "headers").unwrap()["severity"], "not_probed");
    assert!(report["score"].as_u64().unwrap() < served, "{} and {served}", report["score"]);
    app.close();
}

#[test]
fn only_those_who_see_the_state_of_the_instance_see_it() {
    let site = Site::new();
    let admin = site.admin();
    let vera = site.user(&admin, "vera", &["viewer"]);
    vera.get("/doctor").problem(403, "forbidden");
    site.nobody().get("/doctor").problem(401, "unauthenticated");
}
