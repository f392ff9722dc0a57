//! The program as a shell sees it: what it says where, and its exit status.

use assert_cmd::Command;
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
};
use tempfile::TempDir;

/// An empty working directory, in which the program runs without our own environment.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn program(&self) -> std::process::Command {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        program.current_dir(self.path()).env_clear();
        program
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Said {
        let mut program = self.program();
        program.args(arguments).envs(env.iter().copied());
        let output = Command::from_std(program).output().unwrap();
        Said {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a server and waits until it says where it listens.
    fn serve(&self) -> Serving {
        let mut server = self
            .program()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("http://"))).expect("the server starts");
        let address = line.split_once("http://").unwrap().1.split(['/', ' ']).next().unwrap().to_owned();
        Serving { server, address }
    }
}

/// What a command said.
struct Said {
    status: Option<i32>,
    out: String,
    talk: String,
}

struct Serving {
    server: Child,
    address: String,
}

impl Serving {
    fn stop(&mut self) {
        let id = self.server.id().to_string();
        assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.server.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

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
    let listed: serde_json::Value = serde_json::from_str(&user(&["list", "--json"], "").out).unwrap();
    assert_eq!((&listed[1]["status"], &listed[1]["roles"][0]), (&"disabled".into(), &"analyst".into()));
    assert!(!listed.to_string().contains("$2b$"));
    server.stop();
    assert!(place.run(&["audit", "export"]).out.contains("user.password_set"));
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

const PASSWORD: &str = "correct horse battery staple";

impl Place {
    /// Runs a command with this on its standard input.
    fn pipe(&self, arguments: &[&str], input: &str) -> Said {
        let mut program = self.program();
        program.args(arguments).env("PORTCULLIS_AUTH__BCRYPT_COST", "10");
        let output = Command::from_std(program).write_stdin(input).output().unwrap();
        Said {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn make_admin(&self) {
        let arguments = ["user", "create", "--email", "ada@team.example", "--role", "admin", "--password-stdin"];
        let made = self.pipe(&arguments, &format!("{PASSWORD}\n"));
        assert_eq!(made.status, Some(0), "{}", made.talk);
    }
}

impl Serving {
    fn send(&self, path: &str, token: &str, body: serde_json::Value) -> reqwest::blocking::Response {
        let client = reqwest::blocking::Client::new();
        client.post(format!("http://{}/api/v1{path}", self.address)).bearer_auth(token).json(&body).send().unwrap()
    }

    /// The access token of the administrator.
    fn log_in(&self) -> String {
        let body = serde_json::json!({ "email": "ada@team.example", "password": PASSWORD });
        let client = reqwest::blocking::Client::new();
        let answer = client.post(format!("http://{}/api/v1/auth/login", self.address)).json(&body).send().unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    /// What somebody with this token gets to hear.
    fn status(&self, path: &str, token: &str) -> u16 {
        let client = reqwest::blocking::Client::new();
        let answer = client.get(format!("http://{}/api/v1{path}", self.address)).bearer_auth(token).send();
        answer.unwrap().status().as_u16()
    }
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

/// A server with a type `cities` of open shape, and a token.
fn with_cities(place: &Place) -> (Serving, String) {
    place.make_admin();
    let server = place.serve();
    let token = server.log_in();
    let made = server.send("/entity-types", &token, serde_json::json!({ "name": "cities" }));
    assert_eq!(made.status(), 201);
    (server, token)
}

#[test]
fn what_is_imported_can_be_exported_beside_a_server_and_without_one() {
    let place = Place::new();
    let (mut server, _) = with_cities(&place);
    let rows: String = (0..3000).map(|number| format!("Zürich {number},{}\n", "ä".repeat(60))).collect();
    fs::write(place.path().join("cities.csv"), format!("name,note\n{rows}")).unwrap();
    let said = place.run(&["import", "cities", "cities.csv"]);
    assert_eq!((said.status, said.out.as_str()), (Some(0), "3000 created, 0 updated, 0 failed\n"), "{}", said.talk);
    let beside = place.run(&["export", "cities", "--format", "jsonl"]);
    assert_eq!(beside.out.lines().count(), 3000, "{}", beside.talk);
    server.stop();
    let alone = place.run(&["export", "cities", "--format", "jsonl"]);
    assert!(alone.out == beside.out, "{}", alone.talk);
    let piped = place.pipe(&["import", "cities", "-", "--format", "jsonl"], &beside.out);
    assert_eq!(piped.out, "0 created, 3000 updated, 0 failed\n", "{}", piped.talk);
    let wrong = place.pipe(&["import", "cities", "-", "--format", "csv"], "name,confidence\nA,0.5\nB,7\nC,x\n");
    assert_eq!((wrong.status, wrong.out.as_str()), (Some(1), ""));
    assert!(wrong.talk.contains("row 2 /confidence") && wrong.talk.contains("row 3 /confidence"), "{}", wrong.talk);
    assert_eq!(place.run(&["import", "cities", "absent.csv"]).status, Some(2));
    assert_eq!(place.run(&["export", "towns"]).status, Some(1));
    assert!(place.run(&["audit", "export"]).out.contains("entities.exported"));
}

#[test]
fn an_import_whose_caller_is_gone_changes_nothing() {
    use std::{io::Write, os::unix::net::UnixStream};
    let place = Place::new();
    let (mut server, _) = with_cities(&place);
    let command = serde_json::json!({ "import": {
        "entity_type": "cities", "file": "cities.csv", "format": null, "name_column": null,
        "skip_errors": false, "json": false
    }});
    let request = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "command": command });
    let rows = "name\nParis\nRome\n";
    let send = |end: bool| {
        let mut socket = UnixStream::connect(place.path().join("portcullis-data/control.sock")).unwrap();
        writeln!(socket, "{request}").unwrap();
        socket.write_all(&u32::try_from(rows.len()).unwrap().to_be_bytes()).unwrap();
        socket.write_all(rows.as_bytes()).unwrap();
        if end {
            socket.write_all(&[0; 4]).unwrap();
        }
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        BufReader::new(socket).lines().map_while(Result::ok).last().unwrap()
    };
    assert_eq!(send(false), r#"{"exit":1}"#);
    assert_eq!(place.run(&["export", "cities", "--format", "jsonl"]).out, "");
    assert_eq!(send(true), r#"{"exit":0}"#);
    assert_eq!(place.run(&["export", "cities", "--format", "jsonl"]).out.lines().count(), 2);
    server.stop();
}
