//! Roles and accounts from the shell.

use crate::place::{Place, Said};
use assert_cmd::Command;
use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

#[test]
fn roles_are_listed_for_people_and_for_scripts() {
    let place = Place::new();
    let listed = place.run(&["role", "list"]);
    assert!(
        listed.out.lines().any(|line| line.starts_with("analyst") && line.contains("confidential")),
        "{}",
        listed.out
    );
    let shown: serde_json::Value = serde_json::from_str(&place.run(&["role", "show", "admin", "--json"]).out).unwrap();
    assert_eq!((&shown["permissions"][0], &shown["clearance"]), (&"*".into(), &"restricted".into()));
    let absent = place.run(&["role", "show", "nobody"]);
    assert_eq!((absent.status, absent.out.as_str()), (Some(1), ""));
}

#[test]
fn the_access_matrix_is_taken_out_for_an_audit() {
    let place = Place::new();
    let document = place.run(&["matrix"]);
    assert!(document.out.starts_with("# Access matrix\n"), "{}", document.talk);
    assert!(document.out.contains("| entities.* | read | any | any | – | any | any |"), "{}", document.out);
    let matrix: serde_json::Value = serde_json::from_str(&place.run(&["matrix", "--format", "json"]).out).unwrap();
    assert_eq!(matrix["roles"], serde_json::json!(["admin", "analyst", "anonymous", "system", "viewer"]));
    assert_eq!(matrix["keys"], serde_json::json!([]));
    assert_eq!(place.run(&["matrix", "--format", "pdf"]).status, Some(2));
}

#[test]
fn accounts_are_looked_after_beside_a_server_and_without_one() {
    let place = Place::new();
    let user = |arguments: &[&str], password: &str| {
        let mut program = place.program();
        program.env("PORTCULLIS_AUTH__BCRYPT_COST", "10").arg("user").args(arguments);
        let output = Command::from_std(program).write_stdin(format!("{password}\n")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { status: output.status.code(), out: text(output.stdout), talk: text(output.stderr) }
    };
    let ada = ["--email", "ada@example.org"];
    let with = |command: &'static str, rest: &[&'static str]| [&[command], &ada[..], rest].concat();
    let made = user(&with("create", &["--role", "admin", "--password-stdin"]), "seven bronze turnstiles");
    assert_eq!((made.status, made.out.trim().len()), (Some(0), 36), "{}", made.talk);
    for (refused, password) in [
        (with("create", &[]), ""),
        (with("set-password", &["--password-stdin"]), "short"),
        (with("set-roles", &["--role", "ghost"]), ""),
        (with("disable", &[]), ""),
        (vec!["enable", "--email", "nobody@example.org"], ""),
    ] {
        let said = user(&refused, password);
        assert_eq!((said.status, said.out.as_str()), (Some(1), ""), "{refused:?}");
    }
    assert_eq!(user(&["create", "--email", "no address"], "").status, Some(2));
    let mut server = place.serve();
    let linked = user(&["create", "--email", "jo@example.org", "--role", "viewer"], "");
    assert!(linked.out.lines().nth(1).unwrap().contains("/console/set-password#token="), "{}", linked.out);
    assert_eq!(user(&["set-roles", "--email", "jo@example.org", "--role", "analyst"], "").status, Some(0));
    assert_eq!(user(&["disable", "--email", "jo@example.org"], "").status, Some(0));
    assert_eq!(user(&with("set-password", &["--password-stdin"]), "quiet marble lantern").status, Some(0));
    assert_eq!(user(&with("unlock", &[]), "").status, Some(0));
    let log_in = |password: &str| {
        let body = serde_json::json!({"email": "ada@example.org", "password": password});
        let client = reqwest::blocking::Client::new();
        client.post(format!("http://{}/api/v1/auth/login", server.address)).json(&body).send().unwrap().status()
    };
    assert_eq!(log_in("quiet marble lantern"), 200);
    assert_eq!(log_in("seven bronze turnstiles"), 401);
    assert_eq!(log_in("quiet marble lantern"), 429, "it has to wait");
    assert_eq!(user(&with("unlock", &[]), "").status, Some(0));
    assert_eq!(log_in("quiet marble lantern"), 200);
    let listed: serde_json::Value = serde_json::from_str(&user(&["list", "--json"], "").out).unwrap();
    assert_eq!((&listed[1]["status"], &listed[1]["roles"][0]), (&"disabled".into(), &"analyst".into()));
    assert_eq!(user(&["enable", "--email", "jo@example.org"], "").status, Some(0));
    let listed: serde_json::Value = serde_json::from_str(&user(&["list", "--json"], "").out).unwrap();
    assert_eq!(listed[1]["status"], "active");
    assert!(!listed.to_string().contains("$2b$"));
    server.stop();
    assert!(place.run(&["audit", "export"]).out.contains("user.password_set"));
}

#[test]
fn a_lost_second_factor_is_reset_in_the_shell() {
    let place = Place::new();
    place.make_admin();
    let mut server = place.serve();
    let token = server.log_in();
    let begun: serde_json::Value = server.send("/auth/mfa/totp", &token, serde_json::json!({})).json().unwrap();
    let secret = totp_rs::Secret::try_from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let code = app.generate(now).to_string();
    assert_eq!(server.send("/auth/mfa/confirm", &token, serde_json::json!({"totp": code})).status(), 200);
    let body = serde_json::json!({"email": "ada@team.example", "password": crate::place::PASSWORD});
    assert_eq!(server.send("/auth/login", "", body).status(), 401);
    assert_eq!(place.run(&["user", "reset-mfa", "--email", "nobody@team.example"]).status, Some(1));
    let reset = place.run(&["user", "reset-mfa", "--email", "ada@team.example"]);
    assert_eq!(reset.status, Some(0), "{}", reset.talk);
    server.log_in();
    server.stop();
    assert!(place.run(&["audit", "export"]).out.contains("user.mfa_reset"));
}

#[test]
fn an_account_made_in_the_shell_signs_in_and_commands_hold_at_once() {
    let place = Place::new();
    place.make_admin();
    let mut server = place.serve();
    let token = server.log_in();
    assert_eq!(server.status("/users", &token), 200);
    let closed = place.run(&["kill-switch", "enable", "drill", "--scope", "all"]);
    assert_eq!(closed.status, Some(0), "{}", closed.talk);
    assert_eq!(server.status("/users", &token), 503);
    assert_eq!(place.run(&["kill-switch", "disable"]).status, Some(0));
    assert_eq!(server.status("/users", &token), 200);
    let second = ["user", "create", "--email", "bo@team.example", "--role", "viewer", "--password-stdin"];
    assert_eq!(place.pipe(&second, "short\n").status, Some(1));
    assert_eq!(place.pipe(&second, "another long passphrase here\n").status, Some(0));
    assert!(place.run(&["user", "list"]).out.contains("bo@team.example"));
    assert_eq!(place.run(&["user", "disable", "--email", "ada@team.example"]).status, Some(1), "the last admin stays");
    let promoted = place.run(&["user", "set-roles", "--email", "bo@team.example", "--role", "admin"]);
    assert_eq!(promoted.status, Some(0), "{}", promoted.talk);
    assert_eq!(place.run(&["user", "disable", "--email", "ada@team.example"]).status, Some(0));
    assert_eq!(server.status("/users", &token), 401);
    assert!(place.run(&["audit", "verify"]).out.starts_with("valid"));
    server.stop();
}

#[test]
fn closing_from_the_shell_holds_within_a_second_while_requests_run_and_after_the_process_is_killed() {
    let place = Place::new();
    place.make_admin();
    let mut server = place.serve();
    let token = server.log_in();
    let closed_at: OnceLock<Instant> = OnceLock::new();
    let late = Mutex::new(Duration::ZERO);
    let (asked, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let client = reqwest::blocking::Client::new();
    let url = format!("http://{}/api/v1/auth/sessions", server.address);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let began = Instant::now();
                    let status = client.get(&url).bearer_auth(&token).send().unwrap().status().as_u16();
                    asked.fetch_add(1, SeqCst);
                    if let Some(after) = closed_at.get().and_then(|at| began.checked_duration_since(*at))
                        && status == 200
                    {
                        let mut late = late.lock().unwrap();
                        *late = after.max(*late);
                    }
                }
            });
        }
        thread::sleep(Duration::from_secs(1));
        assert_eq!(place.run(&["kill-switch", "enable", "an intruder"]).status, Some(0));
        closed_at.set(Instant::now()).unwrap();
        thread::sleep(Duration::from_millis(1500));
        stop.store(true, SeqCst);
    });
    let late = *late.lock().unwrap();
    assert!(late < Duration::from_secs(1), "requests that began {late:?} later were let in");
    assert!(asked.load(SeqCst) > 500, "{asked:?} requests");
    server.kill();
    let again = place.serve();
    assert_eq!(again.status("/users", &token), 503);
    assert!(place.run(&["kill-switch", "status"]).out.contains("an intruder"));
}
