//! Killed in the middle of a backup, a restore or a job: the old state or the new, and each effect once. A few rounds;
//! `PORTCULLIS_CRASH_ROUNDS` asks for more.

use crate::support::{self, Portcullis};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

pub const ORDERS: usize = 3000;

pub fn rounds(few: u32) -> u32 {
    std::env::var("PORTCULLIS_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("--data-dir").arg(folder).args(arguments).current_dir(folder).stderr(Stdio::piped());
    command.stdout(Stdio::piped());
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    let output = command(folder, arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub fn killed_after(mut child: Child, time: Duration) {
    thread::sleep(time);
    let _ = child.kill();
    child.wait().expect("reaped");
}

pub fn fill(server: &Portcullis, token: &str, count: usize) {
    assert_eq!(server.post(token, "/entity-types", &json!({"name": "orders"})).status(), 201);
    let mut lines = String::new();
    for number in 0..count {
        let order = json!({"name": format!("Order {number}"), "data": {"town": "Delft", "no": number}});
        let _ = writeln!(lines, "{order}");
    }
    let import = server.post_builder(token, "/entities/orders/import").header("content-type", "application/x-ndjson");
    assert_eq!(import.body(lines).send().unwrap().status(), 200);
}

pub fn orders(server: &Portcullis, token: &str) -> u64 {
    server.get(token, "/entities/orders?count=true&limit=1")["total"].as_u64().expect("a count")
}

fn parts(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn is_part(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "part")
}

#[test]
fn a_backup_that_is_cut_short_is_no_backup_and_the_job_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    fill(&server, &token, ORDERS);
    let backups = folder.path().join("backups");
    let (rounds, mut cut) = (rounds(4), 0);
    for round in 0..rounds {
        assert_eq!(server.post(&token, "/backups", &json!({})).status(), 202);
        // At another moment each round, from the copy to the check.
        thread::sleep(Duration::from_millis(30 + 170 * u64::from(round % 8)));
        server.kill();
        cut += parts(&backups).iter().filter(|name| is_part(name)).count();
        for name in parts(&backups).into_iter().filter(|name| name.ends_with(".backup")) {
            run(folder.path(), &["backup", "verify", &name]);
        }
        server = support::start(folder.path());
        token = server.log_in();
        let begun = Instant::now();
        loop {
            let query = |state: &str, kind: &str| format!("/jobs?kind=backups.{kind}&state={state}");
            let waiting: usize =
                [("waiting", "create"), ("running", "create"), ("waiting", "verify"), ("running", "verify")]
                    .iter()
                    .map(|(state, kind)| {
                        server.get(&token, &query(state, kind))["items"].as_array().expect("jobs").len()
                    })
                    .sum();
            let all = server.get(&token, "/backups");
            let all = all["items"].as_array().unwrap();
            let good = !all.is_empty() && all.iter().all(|one| one["verified"] == true);
            if good && waiting == 0 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "round {round}: {all:?} {waiting:?}");
            thread::sleep(Duration::from_millis(50));
        }
        assert!(parts(&backups).iter().all(|name| name.ends_with(".backup")), "{:?}", parts(&backups));
        assert!(parts(&folder.path().join("backup.scratch")).is_empty());
        assert_eq!(server.get(&token, "/audit/verify")["valid"], true, "round {round}");
    }
    println!("{rounds} backups killed, {cut} of them with a file begun");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_state_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let token = server.set_up();
    fill(&server, &token, ORDERS);
    assert!(server.stop().success());
    let made = run(folder.path(), &["backup", "create"]);
    let name = String::from_utf8(made.stdout).unwrap().lines().next().expect("a name").to_owned();
    let restore = ["backup", "restore", &name, "--yes"];
    let begun = Instant::now();
    run(folder.path(), &restore);
    let took = begun.elapsed();
    let rounds = rounds(5);
    let (mut old, mut new) = (0, 0);
    for round in 0..rounds {
        let server = support::start(folder.path());
        let token = server.log_in();
        assert_eq!(server.post(&token, "/entities/orders", &json!({"name": "later"})).status(), 201);
        let before = orders(&server, &token);
        assert!(server.stop().success());
        // The last one has all the time it needs.
        let time = if round + 1 == rounds { took * 3 } else { took * (round + 1) / rounds };
        killed_after(command(folder.path(), &restore).spawn().unwrap(), time);
        let server = support::start(folder.path());
        let fresh = server.log_in();
        let after = orders(&server, &fresh);
        if after == before {
            old += 1;
            assert_eq!(server.get(&token, "/auth/me")["email"], support::EMAIL, "round {round}: nothing was touched");
        } else {
            new += 1;
            assert_eq!(after, ORDERS as u64, "round {round}: all of it came back");
            assert_eq!(server.get(&token, "/auth/me")["code"], "unauthenticated", "round {round}: sessions ended");
        }
        assert_eq!(server.get(&fresh, "/audit/verify")["valid"], true, "round {round}");
        for left in ["restore.new", "restore.json"] {
            assert!(!folder.path().join(left).exists(), "round {round}: {left}");
        }
        assert!(server.stop().success());
    }
    println!("{rounds} restores killed: {old} left the old state, {new} the new; one takes {took:?}");
    assert!(old > 0 && new > 0, "{old} old, {new} new");
}

#[test]
fn a_job_that_is_killed_is_taken_up_again_and_its_effect_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    fill(&server, &token, ORDERS);
    let versions = |server: &Portcullis, token: &str| -> Vec<Value> {
        let page = server.get(token, "/entities/orders?sort=name&limit=100");
        page["items"].as_array().unwrap().iter().map(|order| order["version"].clone()).collect()
    };
    let mut taken_up = 0;
    for round in 0..rounds(3) {
        let steps = if round % 2 == 0 { json!({"/town": "/city"}) } else { json!({"/city": "/town"}) };
        let before = versions(&server, &token);
        let change = json!({"migration": {"rename": steps}});
        let asked = server.client.patch(server.path("/entity-types/orders")).bearer_auth(&token).json(&change);
        let asked = asked.send().unwrap();
        assert_eq!(asked.status(), 202, "{}", asked.text().unwrap());
        thread::sleep(Duration::from_millis(20 + 90 * u64::from(round % 8)));
        server.kill();
        server = support::start(folder.path());
        token = server.log_in();
        let begun = Instant::now();
        let migrating = |server: &Portcullis| server.get(&token, "/entity-types/orders")["migration"] != Value::Null;
        taken_up += u32::from(migrating(&server));
        while migrating(&server) {
            assert!(begun.elapsed() < Duration::from_secs(90), "round {round}: it does not end");
            thread::sleep(Duration::from_millis(50));
        }
        let wanted: Vec<_> = before.iter().map(|version| json!(version.as_u64().unwrap() + 1)).collect();
        assert_eq!(versions(&server, &token), wanted, "round {round}: each was moved once");
        assert_eq!(orders(&server, &token), ORDERS as u64);
        assert_eq!(server.get(&token, "/audit/verify")["valid"], true, "round {round}");
    }
    println!("{taken_up} migrations went on after the crash");
}
