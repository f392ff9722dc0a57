//! Break-glass from the shell.

use crate::place::{PASSWORD, Place};
use serde_json::{Value, json};

#[test]
fn a_lone_administrator_is_reviewed_in_the_shell_and_others_by_each_other() {
    let place = Place::new();
    place.make_admin();
    let server = place.serve();
    let token = server.log_in();
    let asked = json!({"password": PASSWORD, "reason": "payments are stuck", "minutes": 5});
    let elevated = server.send("/auth/elevate", &token, asked);
    assert_eq!(elevated.status(), 201);
    let id = elevated.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned();
    let review = ["elevation", "review", &id, "--note", "restarted the queue"];
    let early = place.run(&review);
    assert_eq!(early.status, Some(1));
    assert!(early.talk.contains("still runs"), "{}", early.talk);
    assert_eq!(server.send(&format!("/elevations/{id}/end"), &token, json!({})).status(), 200);
    let own = server.send(&format!("/elevations/{id}/review"), &token, json!({"note": "all well"}));
    assert_eq!(own.status(), 403);
    assert!(own.text().unwrap().contains("portcullis elevation review"));

    let other = ["user", "create", "--email", "ben@team.example", "--role", "admin", "--password-stdin"];
    assert_eq!(place.pipe(&other, &format!("{PASSWORD}\n")).status, Some(0));
    let beside = place.run(&review);
    assert_eq!(beside.status, Some(1));
    assert!(beside.talk.contains("ben@team.example can review this"), "{}", beside.talk);
    assert_eq!(place.run(&["user", "disable", "--email", "ben@team.example"]).status, Some(0));
    let waiting = place.run(&["elevation", "list", "--state", "unreviewed"]);
    assert!(waiting.out.contains(&id) && waiting.out.contains("to be reviewed"), "{}", waiting.out);
    assert_eq!(place.run(&review).status, Some(0));
    let listed: Value = serde_json::from_str(&place.run(&["elevation", "list", "--json"]).out).unwrap();
    assert_eq!((&listed[0]["review_note"], &listed[0]["reviewed_by"]), (&json!("restarted the queue"), &Value::Null));
    assert_eq!(place.run(&["elevation", "list", "--state", "unreviewed"]).out.lines().count(), 1);
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
}
