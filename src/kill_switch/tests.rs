use super::*;
use crate::{
    actor::Actor,
    audit::Ledger,
    clock::{Clock, Time},
    config::{Live, Loaded, Stored},
    error::Code,
    jobs::MayRun,
    storage::{Options, open},
};
use actix_web::http::Method;
use std::{fs, path::Path, time::Duration};

fn ledger(folder: &Path) -> Ledger {
    let (db, writer) = open(folder, &Options::default()).unwrap();
    Ledger::new(db, writer, Clock::movable())
}

fn switch(folder: &Path, ledger: &Ledger) -> KillSwitch {
    let allow = ["GET /api/v1/entities/{type}", "/files/*"].map(|route| toml::Value::String(route.to_owned()));
    let stored = Stored::from([("kill_switch.allow".to_owned(), toml::Value::Array(allow.into()))]);
    let config = Live::new(Loaded::default().with_stored(&stored).unwrap());
    KillSwitch::open(ledger.clone(), folder, &config).unwrap()
}

fn visit<'r>(path: &'r str, method: &'r Method) -> Visit<'r> {
    Visit { path, method, entity_type: None, by_key: false }
}

fn because(scope: Scope, reason: &str) -> Activation {
    Activation { scope, reason: reason.into(), expires_at: None }
}

fn events(ledger: &Ledger) -> Vec<serde_json::Value> {
    let all = "SELECT event FROM audit_events ORDER BY seq";
    let texts = ledger.db().read(|r| r.query_all(all, &[], |row| row.get::<String>(0))).unwrap();
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn eventually(good: impl Fn() -> bool) {
    for _ in 0..400 {
        if good() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not happen");
}

#[test]
fn scopes_close_what_they_say_and_the_allowed_routes_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let switch = switch(folder.path(), &ledger);
    let refused = |path: &str, method: &Method| switch.refuses_visit(&visit(path, method)).map(|error| error.code());
    assert_eq!(refused("/users", &Method::POST), None);
    switch.activate(&Actor::cli(), because(Scope::Writes, "audit"));
    assert_eq!(refused("/users", &Method::GET), None);
    assert_eq!(refused("/users", &Method::POST), Some(Code::KillSwitchActive));
    assert!(switch.may_run() && switch.refuses_log_in().is_none());
    switch.activate(&Actor::cli(), because(Scope::All, "a leak"));
    assert!(!switch.may_run());
    let error = switch.refuses_visit(&visit("/users", &Method::GET)).unwrap();
    assert!(error.detail().contains("a leak"), "{error:?}");
    assert_eq!(refused("/entities/{type}", &Method::HEAD), None);
    assert_eq!(refused("/entities/{type}", &Method::POST), Some(Code::KillSwitchActive));
    assert_eq!(refused("/files/{id}", &Method::DELETE), None);
    assert_eq!(refused("/filesystem", &Method::GET), Some(Code::KillSwitchActive));
    switch.deactivate(&Actor::cli(), Some("solved")).unwrap();
    assert_eq!(refused("/users", &Method::POST), None);
    let events = events(&ledger);
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["kill_switch.activated", "kill_switch.activated", "kill_switch.deactivated"]);
    assert_eq!(events[2]["changes"]["before"]["reason"], "a leak");
    assert_eq!(events[2]["changes"]["after"]["off_because"], "solved");
    switch.deactivate(&Actor::cli(), None).unwrap();
    assert_eq!(self::events(&ledger).len(), 3);
}

#[test]
fn a_part_is_closed_and_the_rest_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let switch = switch(folder.path(), &ledger);
    let plain = visit("/users", &Method::GET);
    let sign_up = visit("/auth/signup", &Method::POST);
    let by_key = Visit { by_key: true, ..plain };
    let entity = |name: &'static str| Visit { entity_type: Some(name), ..visit("/entities/{type}/{id}", &Method::GET) };
    let asked = [plain, sign_up, by_key, entity("customers"), entity("orders")];
    for (scope, closed) in [
        ("signups", [false, true, false, false, false]),
        ("api_keys", [false, false, true, false, false]),
        ("type:customers", [false, false, false, true, false]),
    ] {
        let scope: Scope = scope.parse().unwrap();
        switch.activate(&Actor::cli(), because(scope.clone(), "a part"));
        assert_eq!(asked.map(|visit| switch.refuses_visit(&visit).is_some()), closed, "{scope}");
        assert!(switch.may_run() && switch.refuses_log_in().is_none());
        let again = self::switch(folder.path(), &ledger);
        assert_eq!(again.state().scope, Some(scope), "one at a time, kept");
    }
    for wrong in ["", "ALL", "type:", "type:Customers", "type:a b", "everything"] {
        assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
    }
}

#[test]
fn it_survives_a_restart_and_ends_when_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let end = ledger.clock().now().plus(Duration::from_secs(60));
    let activation = Activation { expires_at: Some(Time(end.0)), ..because(Scope::All, "for a minute") };
    let (state, kept) = switch(folder.path(), &ledger).activate(&Actor::cli(), activation);
    assert!(kept && state.active);
    let switch = switch(folder.path(), &ledger);
    assert_eq!(switch.state(), state);
    assert!(switch.refuses_visit(&visit("/users", &Method::GET)).unwrap().wait().is_some());
    switch.watch().unwrap();
    ledger.clock().advance(61_000);
    assert!(!switch.state().active && switch.refuses_visit(&visit("/users", &Method::GET)).is_none());
    eventually(|| events(&ledger).len() == 2);
    assert_eq!(events(&ledger)[1]["changes"]["after"]["off_because"], "It expired.");
}

#[test]
fn the_file_closes_everything_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let switch = switch(folder.path(), &ledger);
    switch.watch().unwrap();
    fs::write(folder.path().join("KILL"), "intruder\n").unwrap();
    eventually(|| switch.state().active);
    assert_eq!(switch.state().reason.as_deref(), Some("intruder"));
    eventually(|| events(&ledger).len() == 1);
    let again = self::switch(folder.path(), &ledger);
    assert!(again.state().active, "a start finds the file");
    fs::remove_file(folder.path().join("KILL")).unwrap();
    eventually(|| !switch.state().active && events(&ledger).len() == 2);
    fs::write(folder.path().join("KILL"), "").unwrap();
    eventually(|| switch.state().active && events(&ledger).len() == 3);
    switch.deactivate(&Actor::cli(), None).unwrap();
    assert!(!switch.state().active && !folder.path().join("KILL").exists());
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(events(&ledger).len(), 4);
}

/// What a full disk does to every write, without one.
fn refuse_writes(ledger: &Ledger, refuse: bool) {
    let sql = if refuse {
        "CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'full'); END"
    } else {
        "DROP TRIGGER full"
    };
    ledger.unrecorded_blocking("test", move |tx| tx.execute(sql, &[])).unwrap();
}

#[test]
fn switching_on_works_when_nothing_can_be_written_and_is_written_late() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let switch = switch(folder.path(), &ledger);
    refuse_writes(&ledger, true);
    let (state, kept) = switch.activate(&Actor::cli(), because(Scope::All, "full disk"));
    assert!(state.active && !kept && !switch.may_run());
    assert!(folder.path().join("KILL").exists() && self::switch(folder.path(), &ledger).state().active);
    assert!(switch.deactivate(&Actor::cli(), None).is_err(), "opening must be written");
    assert!(switch.state().active);
    refuse_writes(&ledger, false);
    eventually(|| events(&ledger).len() == 1);
    assert_eq!(events(&ledger)[0]["changes"]["after"]["late"], true);
    eventually(|| !folder.path().join("KILL").exists());
    assert_eq!(self::switch(folder.path(), &ledger).state().reason.as_deref(), Some("full disk"));
    switch.deactivate(&Actor::cli(), None).unwrap();
    assert!(!self::switch(folder.path(), &ledger).state().active);
}
