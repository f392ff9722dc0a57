//! The real binary as a process of its own: started in a fresh folder on a free port, killed or stopped.

#![allow(dead_code, reason = "each program that shares this uses some of it")]

mod memory;

#[allow(unused_imports, reason = "each program that shares this uses some of it")]
pub use memory::{Memory, added};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

pub const EMAIL: &str = "admin@example.org";
pub const PASSWORD: &str = "seven bronze turnstiles";

/// No limits, and passwords that are quick to check.
pub const PLAIN: &[(&str, &str)] = &[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__BCRYPT_COST", "10")];

pub struct Portcullis {
    child: Child,
    lines: Receiver<String>,
    pub url: String,
    pub setup_token: Option<String>,
    /// From the start of the process to the first good answer.
    pub ready_after: Duration,
    pub client: Client,
}

/// Starts the binary on `folder` and waits until it is ready. Without limits, since one address plays everyone.
pub fn start(folder: &Path) -> Portcullis {
    start_with(folder, PLAIN)
}

pub fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Portcullis {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(folder)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let (sender, lines) = channel();
    let output = BufReader::new(child.stdout.take().expect("piped"));
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut server = Portcullis {
        child,
        lines,
        url: String::new(),
        setup_token: None,
        ready_after: Duration::ZERO,
        client: Client::builder().timeout(Duration::from_secs(30)).build().expect("a client"),
    };
    server.url = server.read_until("serves on ");
    while !server.is_ready() {
        assert!(began.elapsed() < Duration::from_secs(20), "ready within 20 s");
        thread::sleep(Duration::from_millis(2));
    }
    server.ready_after = began.elapsed();
    server
}

impl Portcullis {
    /// What follows `marker` on the first line that holds it.
    fn read_until(&mut self, marker: &str) -> String {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => {
                    if let Some((_, token)) = line.split_once("#token=") {
                        self.setup_token = Some(token.trim().to_owned());
                    }
                    if let Some((_, rest)) = line.split_once(marker) {
                        return rest.trim().to_owned();
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line with {marker:?} within 20 s"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before printing {marker:?}: {:?}", self.child.wait())
                }
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.client.get(format!("{}/health/ready", self.url)).send().is_ok_and(|answer| answer.status() == 200)
    }

    /// The token of the set-up link that it prints at its first start.
    pub fn printed_token(&mut self) -> String {
        if self.setup_token.is_none() {
            self.read_until("#token=");
        }
        self.setup_token.clone().expect("a set-up link")
    }

    /// Makes the first administrator with the link that was printed, and signs in: an access token.
    pub fn set_up(&mut self) -> String {
        let token = self.printed_token();
        let body = json!({"token": token, "email": EMAIL, "password": PASSWORD});
        let answer = self.client.post(self.path("/setup")).json(&body).send().expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().unwrap_or_default());
        self.log_in()
    }

    pub fn log_in(&self) -> String {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let answer = self.client.post(self.path("/auth/login")).json(&body).send().expect("an answer");
        let answer: Value = answer.json().expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub fn path(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.url)
    }

    pub fn post(&self, token: &str, path: &str, body: &Value) -> Response {
        self.post_builder(token, path).json(body).send().expect("an answer")
    }

    pub fn post_builder(&self, token: &str, path: &str) -> RequestBuilder {
        self.client.post(self.path(path)).bearer_auth(token)
    }

    pub fn get(&self, token: &str, path: &str) -> Value {
        let answer = self.client.get(self.path(path)).bearer_auth(token).send().expect("an answer");
        answer.json().expect("JSON")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: as a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.child.wait().expect("reaped")
    }
}

impl Drop for Portcullis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
