//! The doctor as a gate.

use crate::place::Place;

#[test]
fn a_score_below_the_least_fails() {
    let place = Place::new();
    let plain = place.run(&["doctor"]);
    assert_eq!(plain.status, Some(0), "{}", plain.talk);
    assert!(plain.out.contains(" of 100\n") && plain.out.contains("[not probed]"), "{}", plain.out);
    assert_eq!(place.run(&["doctor", "--min-score", "0"]).status, Some(0));
    let gate = place.run(&["doctor", "--min-score", "100"]);
    assert_eq!(gate.status, Some(1));
    assert!(gate.talk.contains("is below 100"), "{}", gate.talk);
    let _server = place.serve();
    let beside: serde_json::Value = serde_json::from_str(&place.run(&["doctor", "--json"]).out).unwrap();
    let probed = beside["passed"].as_array().unwrap().iter().any(|passed| passed["id"] == "headers");
    assert!(probed && beside["findings"].is_array(), "{beside}");
    assert_eq!(place.run(&["doctor", "--min-score", "101"]).status, Some(2));
}
