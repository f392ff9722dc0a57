//! Jobs from the shell.

use crate::{held_store::HeldStore, place::Place};
use portcullis::clock::Clock;
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

#[test]
fn jobs_are_listed_shown_and_run_now() {
    let place = Place::new();
    place.make_admin();
    let server = place.serve();
    let waiting = ["jobs", "list", "--state", "waiting", "--kind", "jobs.clean_up", "--json"];
    let begun = Instant::now();
    let id = loop {
        let listed: Value = serde_json::from_str(&place.run(&waiting).out).unwrap();
        // The first run comes at once; the next one in a while.
        let soon = Clock::system().now().plus(Duration::from_secs(60)).to_string();
        if let (Some(id), Some(due)) = (listed[0]["id"].as_str(), listed[0]["due_at"].as_str())
            && due > soon.as_str()
        {
            break id.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it comes by itself");
    };
    let shown: Value = serde_json::from_str(&place.run(&["jobs", "show", &id]).out).unwrap();
    assert_eq!(shown["title"], "Remove finished jobs");
    let refused = place.run(&["jobs", "cancel", &id]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.talk.contains("comes by itself"), "{}", refused.talk);
    let retried = place.run(&["jobs", "retry", &id]);
    assert_eq!(retried.status, Some(0), "{}", retried.talk);
    drop(server);
    let table = place.run(&["jobs", "list"]);
    assert!(table.out.contains("Remove finished jobs") && table.out.starts_with("ID"), "{}", table.out);
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
}

fn listed(place: &Place, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&place.run(&[&["jobs", "list", "--json"], arguments].concat()).out).unwrap()
}

fn shown(place: &Place, id: &str) -> Value {
    serde_json::from_str(&place.run(&["jobs", "show", id]).out).unwrap()
}

#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a command that goes well tells.
#[track_caller]
fn told(place: &Place, arguments: &[&str]) -> String {
    let said = place.run(arguments);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    said.talk
}

#[test]
fn a_job_that_runs_shows_how_far_it_is_and_is_ended() {
    let store = HeldStore::start();
    let place = Place::new();
    place.make_admin();
    let settings = store.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = place.serve_with(&settings);
    let asked: Value = server.send("/backups", &server.log_in(), json!({})).json().unwrap();
    let id = asked["id"].as_str().unwrap().to_owned();
    // It goes on between two looks, until the store holds it.
    until("the list and the table tell how far it is", || {
        let running = listed(&place, &["--state", "running", "--kind", "backups.create"]);
        let of = running.first()?["progress"]["total"].as_i64()?;
        let table = place.run(&["jobs", "list", "--state", "running"]).out;
        let line = table.lines().find(|line| line.starts_with(&id))?;
        (line.contains("Make a backup") && line.contains(&format!("/{of} "))).then_some(())
    });
    let refused = place.run(&["jobs", "retry", &id]);
    assert_eq!((refused.status, refused.talk.contains("runs now")), (Some(1), true), "{}", refused.talk);
    assert!(told(&place, &["jobs", "cancel", &id]).contains("Make a backup is being ended."));
    until("it is cancelled", || (shown(&place, &id)["state"] == "cancelled").then_some(()));
    let over = place.run(&["jobs", "cancel", &id]);
    assert_eq!((over.status, over.talk.contains("it was cancelled")), (Some(1), true), "{}", over.talk);
}

#[test]
fn a_job_that_was_given_up_shows_its_errors_and_is_run_again_or_called_off() {
    let place = Place::new();
    place.make_admin();
    let server = place.serve_with(&[
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
    ]);
    assert_eq!(server.send("/auth/password/forgot", "", json!({"email": "ada@team.example"})).status(), 202);
    let tried = |id: &str, times: i64| {
        until("it is tried", || {
            let job = shown(&place, id);
            (job["attempts"] == times && job["state"] != "running").then_some(job)
        })
    };
    let mails = ["--kind", "identity.mail_link"];
    let id = until("there is a letter", || Some(listed(&place, &mails).first()?["id"].as_str()?.to_owned()));
    for times in 1..3 {
        tried(&id, times);
        assert!(told(&place, &["jobs", "retry", &id]).contains("is due now."));
    }
    let failed = tried(&id, 3);
    assert_eq!(failed["state"], "failed", "{failed}");
    let errors: Vec<_> =
        failed["history"].as_array().unwrap().iter().map(|one| one["error"].as_str().unwrap()).collect();
    assert!(errors.len() == 3 && errors.iter().all(|error| !error.is_empty()), "{failed}");
    let table = place.run(&["jobs", "list", "--state", "failed"]).out;
    let start: String = errors[2].chars().take(40).collect();
    assert!(table.contains(&id) && table.contains(&start), "{table}");
    assert!(!table.contains("ada@team.example"), "{table}");
    told(&place, &["jobs", "retry", &id]);
    assert_eq!(tried(&id, 4)["state"], "waiting", "it has all its attempts again");
    assert!(told(&place, &["jobs", "cancel", &id]).contains("is cancelled."));
    assert_eq!(shown(&place, &id)["state"], "cancelled");
}
