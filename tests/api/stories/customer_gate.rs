//! The bank closes its gate: from the command line beside the running server within a second, from the API at once, and
//! what was closed stays so.

use super::{customer_risk::CUSTOMERS, folder_of};
use crate::process::{self, PASSWORD, Portcullis};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

fn command(folder: &Path, arguments: &[&str]) -> String {
    let mut command = assert_cmd::Command::cargo_bin("portcullis").unwrap();
    let done =
        command.current_dir(folder).arg("--data-dir").arg(folder.join("data")).args(arguments).assert().success();
    String::from_utf8_lossy(&done.get_output().stdout).into_owned()
}

fn customers(server: &Portcullis, token: &str) -> (u16, Value) {
    let request = server.client.get(server.path("/customers?count=true&limit=1")).bearer_auth(token);
    let answer = request.send().expect("an answer");
    (answer.status().as_u16(), answer.json().expect("JSON"))
}

fn flip(server: &Portcullis, token: &str, body: &Value) -> u16 {
    let request = server.client.put(server.path("/kill-switch")).bearer_auth(token).json(body);
    request.send().expect("an answer").status().as_u16()
}

#[test]
fn the_gate_closes_from_the_command_line_and_the_api() {
    let folder = folder_of("customer_risk.toml", "make the entity type customers");
    let data = folder.path().join("data");
    let mut server = process::start(&data);
    let token = server.set_up();
    std::fs::write(folder.path().join("customers.csv"), CUSTOMERS).unwrap();
    let said = command(folder.path(), &["import", "customers", "customers.csv", "--name-column", "customer_no"]);
    assert_eq!(said, "1000 created, 0 updated, 0 failed\n");
    assert_eq!(customers(&server, &token).1["total"], 1000);

    command(folder.path(), &["kill-switch", "enable", "lost laptop", "--expires", "30m"]);
    let begun = Instant::now();
    while customers(&server, &token).0 != 503 {
        assert!(begun.elapsed() < Duration::from_secs(1), "closed within a second");
    }
    assert_eq!(customers(&server, &token).1["code"], "kill_switch_active");
    let state = server.get(&token, "/kill-switch");
    assert_eq!((&state["active"], &state["reason"]), (&json!(true), &json!("lost laptop")));
    assert_eq!(server.client.get(format!("{}/health/ready", server.url)).send().unwrap().status(), 200);
    command(folder.path(), &["kill-switch", "disable", "found again"]);
    assert_eq!(customers(&server, &token).0, 200);

    let mut close = json!({"active": true, "scope": "type:customers", "reason": "an odd export"});
    assert_eq!(flip(&server, &token, &close), 403, "a fresh password is asked for");
    close["password"] = json!(PASSWORD);
    assert_eq!(flip(&server, &token, &close), 200);
    assert_eq!(customers(&server, &token).0, 503);
    let risk = server.client.get(server.path("/risk")).bearer_auth(&token).send().unwrap();
    assert_eq!(risk.status(), 200, "other types go on");
    server.kill();
    let server = process::start(&data);
    assert_eq!(customers(&server, &token).0, 503, "after a crash too");
    assert_eq!(flip(&server, &token, &json!({"active": false, "reason": "looked into", "password": PASSWORD})), 200);
    assert_eq!(customers(&server, &token).1["total"], 1000);
    let flips = server.get(&token, "/audit?target_type=kill_switch");
    let told: Vec<_> = flips["items"].as_array().unwrap().iter().map(|event| event["actor"]["type"].clone()).collect();
    assert_eq!(told, ["user", "user", "cli", "cli"], "{flips}");
    assert_eq!(server.get(&token, "/audit/verify")["valid"], true);
}
