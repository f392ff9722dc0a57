//! Jobs from the shell.

use crate::place::Place;
use portcullis::clock::Clock;
use serde_json::Value;
use std::time::{Duration, Instant};

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
