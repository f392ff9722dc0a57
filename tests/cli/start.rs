//! What a start refuses, makes and shows.

use crate::place::Place;
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

#[test]
fn three_mistakes_are_all_told_and_nothing_is_made() {
    let place = Place::new();
    fs::write(place.path().join("portcullis.toml"), "[server]\nbody_limit_mb = 0\n").unwrap();
    let env = [("PORTCULLIS_AUTH__BCRYPT_COST", "4"), ("PORTCULLIS_SERVER__LISTENN", "x")];
    for command in [&["serve"][..], &["config", "check"], &["audit", "verify"]] {
        let said = place.run_with(command, &env);
        assert_eq!(said.status, Some(2), "{}", said.talk);
        assert_eq!(said.out, "");
        for (key, legal) in [
            ("server.body_limit_mb = 0", "a whole number from 1 to 1024"),
            ("auth.bcrypt_cost = 4", "a whole number from 10 to 15"),
            ("server.listenn", "did you mean PORTCULLIS_SERVER__LISTEN?"),
        ] {
            assert!(said.talk.lines().any(|line| line.contains(key) && line.contains(legal)), "{key}: {}", said.talk);
        }
    }
    assert!(!place.path().join("portcullis-data").exists());
}

#[test]
fn the_version_names_the_commit() {
    let said = Place::new().run(&["--version"]);
    assert_eq!(said.status, Some(0));
    let commit = said.out.trim_end().strip_prefix(concat!("portcullis ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    let commit = commit.strip_suffix(')').unwrap();
    let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown" || std::env::var("PORTCULLIS_COMMIT").is_ok_and(|set| set == commit));
}

#[test]
fn wrong_usage_exits_2() {
    for arguments in [&[][..], &["fly"], &["audit"], &["audit", "export", "--format", "xml"]] {
        assert_eq!(Place::new().run(arguments).status, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_first_command_makes_what_it_needs() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate", "status"]).status, Some(1));
    assert!(!place.path().join("portcullis-data").exists());
    let said = place.run(&["audit", "verify", "--json"]);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    let verdict: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(verdict["valid"], true);
    let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("portcullis-data"), 0o700);
    assert_eq!(mode("portcullis-data/keyring.json"), 0o600);
    assert_eq!(mode("portcullis-data/portcullis.db"), 0o600);
    assert_eq!(place.run(&["migrate", "status"]).status, Some(0));
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let place = Place::new();
    place.run(&["migrate", "run"]);
    let keyring = place.path().join("portcullis-data/keyring.json");
    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o644)).unwrap();
    let said = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.status, Some(2), "{}", said.talk);
    assert!(said.talk.contains("chmod 600"), "{}", said.talk);
}

#[test]
fn keys_that_cannot_be_used_are_a_mistake_of_the_configuration() {
    let place = Place::new();
    place.run(&["migrate", "run"]);
    let keyring = place.path().join("portcullis-data/keyring.json");
    let good = fs::read_to_string(&keyring).unwrap();
    let secret = good.split("\"secret\"").nth(1).unwrap().split('"').nth(1).unwrap();
    let short = good.replacen(secret, "c2hvcnQ", 1);
    for (bad, named) in [
        ("{", "malformed at line 1"),
        ("", "malformed"),
        (&*short, "not 32 bytes"),
        ("{\"version\": 1, \"keys\": []}", "one current key"),
    ] {
        fs::write(&keyring, bad).unwrap();
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"], &["user", "list"]] {
            let said = place.run(command);
            assert_eq!(said.status, Some(2), "{command:?}: {}", said.talk);
            assert!(said.talk.contains("keyring") && said.talk.contains(named), "{command:?}: {}", said.talk);
        }
        assert_eq!(fs::read_to_string(&keyring).unwrap(), bad, "it is left as it was");
    }
    fs::write(&keyring, good).unwrap();
    assert_eq!(place.run(&["config", "check"]).status, Some(0));
}

#[test]
fn settings_change_beside_a_server_and_without_one() {
    let place = Place::new();
    let shown = || {
        let said = place.run(&["config", "show", "--json"]);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap_or_else(|_| panic!("{}", said.talk))
    };
    assert_eq!(shown()["limits.public_per_minute"]["value"], 20);
    assert!(!place.path().join("portcullis-data").exists(), "showing makes nothing");
    let said = place.run(&["config", "set", "limits.public_per_minute", "25"]);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    let mut server = place.serve();
    assert_eq!(shown()["limits.public_per_minute"]["value"], 25);
    assert_eq!(shown()["limits.public_per_minute"]["source"], "the database");
    assert_eq!(place.run(&["config", "set", "limits.routes.POST /entities/{type}", "60"]).status, Some(0));
    assert_eq!(place.run(&["config", "set", "auth.require_mfa_roles", "admin,analyst"]).status, Some(0));
    assert_eq!(shown()["auth.require_mfa_roles"]["value"][1], "analyst");
    for (key, value, named) in [
        ("limits.public_per_minute", "0", "from 1 to 1000000"),
        ("limits.public_per_minut", "1", "did you mean"),
        ("server.listen", "127.0.0.1:1", "cannot change while running"),
        ("limits.routes.POST /entitis/{type}", "1", "POST /entities/{type}"),
    ] {
        let said = place.run(&["config", "set", key, value]);
        assert_eq!(said.status, Some(1), "{key}");
        assert!(said.talk.contains(named), "{key}: {}", said.talk);
    }
    assert_eq!(place.run(&["config", "unset", "limits.public_per_minute"]).status, Some(0));
    assert_eq!(shown()["limits.public_per_minute"]["source"], "default");
    server.stop();
    assert_eq!(shown()["limits.routes"]["value"]["POST /entities/{type}"], 60);
    assert!(place.run(&["audit", "export"]).out.contains("settings.updated"));
}

#[test]
fn a_kept_setting_that_became_illegal_is_named_and_left_aside() {
    let place = Place::new();
    assert_eq!(place.run(&["config", "set", "auth.session_idle_minutes", "700"]).status, Some(0));
    fs::write(place.path().join("portcullis.toml"), "[auth]\nsession_max_hours = 2\n").unwrap();
    let mut server = place.serve();
    let shown = place.run(&["config", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["auth.session_idle_minutes"]["value"], 30);
    assert_eq!(place.run(&["config", "set", "auth.password_min", "14"]).status, Some(0), "others can still change");
    assert_eq!(place.run(&["config", "unset", "auth.session_idle_minutes"]).status, Some(0));
    server.stop();
}

#[test]
fn a_database_without_its_keys_gets_no_new_ones() {
    let place = Place::new();
    place.run(&["migrate", "run"]);
    fs::remove_file(place.path().join("portcullis-data/keyring.json")).unwrap();
    let said = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.status, Some(1), "{}", said.talk);
    assert!(said.talk.contains("keyring") && said.talk.contains("backup"), "{}", said.talk);
    assert!(!place.path().join("portcullis-data/keyring.json").exists());
}

#[test]
fn a_damaged_database_is_refused_by_name() {
    let place = Place::new();
    place.run(&["migrate", "run"]);
    let database = place.path().join("portcullis-data/portcullis.db");
    fs::write(&database, "this was a database once, and now it is only this sentence".repeat(100)).unwrap();
    let said = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.status, Some(1), "{}", said.talk);
    assert!(said.talk.contains("portcullis.db"), "{}", said.talk);
    assert!(fs::read_to_string(&database).unwrap().starts_with("this was"));
}

#[test]
fn damage_in_any_part_of_a_database_is_found_at_the_start() {
    const PAGE: usize = 4096;
    let place = Place::new();
    place.run(&["migrate", "run"]);
    let database = place.path().join("portcullis-data/portcullis.db");
    let whole = fs::read(&database).unwrap();
    for page in (1..whole.len() / PAGE).step_by(6) {
        let mut bytes = whole.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        fs::write(&database, &bytes).unwrap();
        let said = place.run(&["user", "list"]);
        assert_eq!(said.status, Some(1), "page {page}: {}", said.talk);
        assert!(said.talk.contains("portcullis.db is damaged"), "page {page}: {}", said.talk);
        assert_eq!(fs::read(&database).unwrap(), bytes, "it is left as it was");
    }
    fs::write(&database, &whole).unwrap();
    assert_eq!(place.run(&["user", "list"]).status, Some(0));
}

#[test]
fn what_holds_is_shown_without_secrets_and_with_its_source() {
    let place = Place::new();
    fs::write(place.path().join(".env"), "PORTCULLIS_AUTH__BCRYPT_COST=10\n").unwrap();
    let said = place.run(&["config", "show", "--json"]);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    let shown: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown["auth.bcrypt_cost"]["value"], 10);
    assert_eq!(shown["auth.bcrypt_cost"]["locked"], true);
    assert_eq!(shown["auth.password_min"]["locked"], false);
    let example = place.run(&["config", "example"]);
    fs::write(place.path().join("portcullis.toml"), example.out).unwrap();
    assert_eq!(place.run(&["config", "check"]).status, Some(0));
}

#[test]
fn where_nothing_may_be_looked_into_there_is_no_configuration() {
    let place = Place::new();
    let folder = place.path().join("another's");
    fs::create_dir(&folder).unwrap();
    // Whoever is root gives up the right to look into everything.
    let script = r#"cd "$0" && chmod 0 . && drop="" && if [ "$(id -u)" = 0 ]; then
        drop="setpriv --bounding-set=-dac_override,-dac_read_search"; fi && exec $drop "$@""#;
    let check = |more: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&folder).arg(env!("CARGO_BIN_EXE_portcullis")).args(more);
        let said = command.args(["config", "check"]).output().unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        (said.status.code(), String::from_utf8(said.stderr).unwrap())
    };
    let data = place.path().join("data").display().to_string();
    assert_eq!(check(&["--data-dir", &data]).0, Some(0));
    let named = folder.join("portcullis.toml").display().to_string();
    let (status, told) = check(&["--data-dir", &data, "--config", &named]);
    assert_eq!(status, Some(2));
    assert!(told.contains("cannot be read: Permission denied"), "{told}");
}
