//! The keys of the instance from a shell: with a server and without.

use crate::place::Place;
use serde_json::Value;
use std::fs;

fn status(place: &Place) -> Vec<Value> {
    let said = place.run(&["secrets", "status", "--json"]);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    serde_json::from_str(&said.out).unwrap()
}

fn current(place: &Place, kind: &str) -> String {
    let keys = status(place);
    let key = keys.iter().find(|key| key["kind"] == kind && key["state"] == "current").unwrap();
    key["id"].as_str().unwrap().to_owned()
}

#[test]
fn keys_are_seen_and_rotated_with_a_server_and_without() {
    let place = Place::new();
    place.make_admin();
    let first = current(&place, "jwt");
    let rotated = place.run(&["secrets", "rotate", "--kind", "jwt", "--reason", "the yearly round"]);
    assert_eq!((rotated.status, rotated.out.as_str()), (Some(0), ""), "{}", rotated.talk);
    assert!(rotated.talk.contains("the one before is good until"), "{}", rotated.talk);
    let second = current(&place, "jwt");
    assert_ne!(first, second);
    let mut server = place.serve();
    assert_eq!(current(&place, "jwt"), second);
    let all = place.run(&["secrets", "rotate"]);
    assert_eq!(all.talk.lines().count(), 4, "{}", all.talk);
    let shown = place.run(&["secrets", "status"]).out;
    assert!(shown.starts_with("kind") && shown.contains("retires when unused"), "{shown}");
    let ring = fs::read_to_string(place.path().join("portcullis-data/keyring.json")).unwrap();
    let ring: Value = serde_json::from_str(&ring).unwrap();
    for key in ring["keys"].as_array().unwrap() {
        assert!(!shown.contains(key["secret"].as_str().unwrap()), "{shown}");
    }
    let emergency = place.run(&["secrets", "rotate", "--kind", "jwt", "--emergency"]);
    assert!(emergency.talk.contains("the one before is gone"), "{}", emergency.talk);
    server.stop();
    let jwt = status(&place).into_iter().filter(|key| key["kind"] == "jwt").count();
    assert_eq!(jwt, 1, "an emergency leaves no older key");
    assert_eq!(place.run(&["secrets", "rotate", "--kind", "sessions"]).status, Some(2));
    assert!(place.run(&["audit", "export"]).out.contains("the yearly round"));
}
