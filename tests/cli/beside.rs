//! Commands beside a running server, and what a crash leaves.

use crate::place::Place;
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn a_second_server_is_refused_and_commands_go_through_the_first() {
    let place = Place::new();
    let mut first = place.serve();
    let second = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status, Some(1));
    assert!(second.talk.contains("in use"), "{}", second.talk);
    let socket = place.path().join("portcullis-data/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let verified = place.run(&["audit", "verify"]);
    assert_eq!(verified.status, Some(0), "{}", verified.talk);
    assert!(verified.out.starts_with("valid: "), "{}", verified.out);
    let wrong = place.run(&["audit", "verify", "--head", "9999:nonsense"]);
    assert_eq!((wrong.status, wrong.out.as_str()), (Some(1), ""));
    assert!(!first.address.ends_with(":0"));
    first.stop();
    assert!(!socket.exists());
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
}

#[test]
fn what_the_kill_switch_closes_stays_closed() {
    let place = Place::new();
    let state =
        || serde_json::from_str::<serde_json::Value>(&place.run(&["kill-switch", "status", "--json"]).out).unwrap();
    let mut server = place.serve();
    let closed = place.run(&["kill-switch", "enable", "a breach", "--expires", "30m"]);
    assert_eq!(closed.status, Some(0), "{}", closed.talk);
    let ready = reqwest::blocking::get(format!("http://{}/health/ready", server.address)).unwrap();
    assert_eq!(ready.status(), 200);
    let closed = state();
    assert_eq!((&closed["reason"], &closed["scope"]), (&"a breach".into(), &"all".into()));
    server.stop();
    assert_eq!(state(), closed);
    let mut server = place.serve();
    assert_eq!(state(), closed);
    assert_eq!(place.run(&["kill-switch", "disable", "over"]).status, Some(0));
    assert_eq!(state()["active"], false);
    fs::write(place.path().join("portcullis-data/KILL"), "").unwrap();
    assert!(place.run(&["kill-switch", "disable"]).talk.contains("Open"));
    assert!(!place.path().join("portcullis-data/KILL").exists());
    let events = place.run(&["audit", "export"]).out;
    assert!(events.contains("kill_switch.activated") && events.contains("kill_switch.deactivated"), "{events}");
    server.stop();
    assert_eq!(place.run(&["kill-switch", "enable", " "]).status, Some(2));
}

#[test]
fn a_socket_left_by_a_crash_is_in_nobodys_way() {
    let place = Place::new();
    let mut first = place.serve();
    first.server.kill().unwrap();
    first.server.wait().unwrap();
    assert!(place.path().join("portcullis-data/control.sock").exists());
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
    place.serve().stop();
}

#[test]
fn a_deep_data_folder_has_a_control_socket_too() {
    let place = Place::new();
    let deep = ["a-folder-with-a-long-name"; 8].join("/");
    fs::write(place.path().join("portcullis.toml"), format!("data_dir = \"{deep}\"\n")).unwrap();
    let mut server = place.serve();
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
    server.stop();
}
