//! Why something was refused, told in the shell.

use crate::place::Place;
use serde_json::Value;

#[test]
fn a_refusal_is_explained_by_its_decision_or_its_request() {
    let place = Place::new();
    place.make_admin();
    let server = place.serve();
    let refused: Value = server.send("/users", "not.a.token", serde_json::json!({})).json().unwrap();
    let (id, request) = (refused["decision_id"].as_str().unwrap(), refused["request_id"].as_str().unwrap());
    let told = place.run(&["decision", id]);
    assert_eq!(told.status, Some(0), "{}", told.talk);
    for words in ["POST /api/v1/users", "anonymous from 127.0.0.1", "answered 401 unauthenticated", request] {
        assert!(told.out.contains(words), "{words} is not in {}", told.out);
    }
    assert!(told.out.contains("passed       route: /api/v1/users"), "{}", told.out);
    assert!(told.out.contains("REFUSED      authentication: "), "{}", told.out);
    assert!(told.out.contains("not reached  permission:\n"), "{}", told.out);
    assert_eq!(place.run(&["decision", request]).out, told.out);
    let json: Value = serde_json::from_str(&place.run(&["decision", id, "--json"]).out).unwrap();
    assert_eq!((&json["id"], &json["status"]), (&refused["decision_id"], &401.into()));
    let unknown = place.run(&["decision", "01980000-0000-7000-8000-000000000000"]);
    assert_eq!((unknown.status, &*unknown.out), (Some(1), ""));
    assert!(unknown.talk.contains("no decision 01980000"), "{}", unknown.talk);
}
