//! Keys from the shell.

use crate::place::Place;

#[test]
fn keys_are_made_rotated_and_revoked_beside_a_server_and_without_one() {
    let place = Place::new();
    place.make_admin();
    let service = ["user", "create", "--email", "robot@team.example", "--service", "--role", "viewer"];
    let made = place.run(&service);
    assert_eq!((made.status, made.out.lines().count()), (Some(0), 1), "{} {}", made.out, made.talk);
    let create = ["api-key", "create", "--email", "robot@team.example", "--name", "nightly"];
    let beyond = place.run(&[&create[..], &["--scope", "users:read"]].concat());
    assert_eq!((beyond.status, beyond.out.as_str()), (Some(1), ""));
    assert!(beyond.talk.contains("does not hold users:read"), "{}", beyond.talk);
    assert_eq!(place.run(&create).status, Some(2), "a key needs a scope");
    let made = place.run(&[&create[..], &["--scope", "entity_types:read", "--expires", "90d"]].concat());
    let [id, first] = made.out.lines().collect::<Vec<_>>()[..] else { panic!("{} {}", made.out, made.talk) };
    assert!(first.starts_with("ptk_") && !made.talk.contains(first));

    let server = place.serve();
    assert_eq!(server.status("/entity-types", first), 200);
    let listed = place.run(&["api-key", "list"]);
    assert!(listed.out.contains("robot@team.example") && !listed.out.contains(first), "{}", listed.out);
    let rotated = place.run(&["api-key", "rotate", id, "--overlap-minutes", "5"]);
    let second = rotated.out.trim();
    assert_eq!((rotated.status, server.status("/entity-types", second)), (Some(0), 200), "{}", rotated.talk);
    assert_eq!(server.status("/entity-types", first), 200);
    let listed: serde_json::Value = serde_json::from_str(&place.run(&["api-key", "list", "--json"]).out).unwrap();
    assert_eq!(listed[0]["scopes"], serde_json::json!(["entity_types:read"]));
    assert_eq!(place.run(&["api-key", "revoke", listed[0]["prefix"].as_str().unwrap()]).status, Some(0));
    assert_eq!((server.status("/entity-types", first), server.status("/entity-types", second)), (401, 401));
    assert_eq!(place.run(&["api-key", "revoke", id]).status, Some(1));
}
