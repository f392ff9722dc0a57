//! A working directory of its own, the program in it, and a server that runs there.

use assert_cmd::Command;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Output, Stdio},
};
use tempfile::TempDir;

/// An empty working directory, in which the program runs without our own environment.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn program(&self) -> std::process::Command {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        program.current_dir(self.path()).env_clear();
        program
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Said {
        let mut program = self.program();
        program.args(arguments).envs(env.iter().copied());
        Said::of(&Command::from_std(program).output().unwrap())
    }

    /// Starts a server and waits until it says where it listens.
    pub fn serve(&self) -> Serving {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, env: &[(&str, &str)]) -> Serving {
        let mut server = self
            .program()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .envs(env.iter().copied())
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
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub talk: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: output.status.code(), out: text(&output.stdout), talk: text(&output.stderr) }
    }
}

/// A server that ends with the test.
pub struct Serving {
    pub server: Child,
    pub address: String,
}

impl Serving {
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    pub fn stop(&mut self) {
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

pub const PASSWORD: &str = "correct horse battery staple";

impl Place {
    /// Runs a command with this on its standard input.
    pub fn pipe(&self, arguments: &[&str], input: &str) -> Said {
        let mut program = self.program();
        program.args(arguments).env("PORTCULLIS_AUTH__BCRYPT_COST", "10");
        Said::of(&Command::from_std(program).write_stdin(input).output().unwrap())
    }

    pub fn make_admin(&self) {
        let arguments = ["user", "create", "--email", "ada@team.example", "--role", "admin", "--password-stdin"];
        let made = self.pipe(&arguments, &format!("{PASSWORD}\n"));
        assert_eq!(made.status, Some(0), "{}", made.talk);
    }
}

impl Serving {
    pub fn send(&self, path: &str, token: &str, body: serde_json::Value) -> reqwest::blocking::Response {
        let client = reqwest::blocking::Client::new();
        client.post(format!("http://{}/api/v1{path}", self.address)).bearer_auth(token).json(&body).send().unwrap()
    }

    /// The access token of the administrator.
    pub fn log_in(&self) -> String {
        let body = serde_json::json!({ "email": "ada@team.example", "password": PASSWORD });
        let client = reqwest::blocking::Client::new();
        let answer = client.post(format!("http://{}/api/v1/auth/login", self.address)).json(&body).send().unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn get(&self, path: &str, token: &str) -> serde_json::Value {
        let client = reqwest::blocking::Client::new();
        let answer = client.get(format!("http://{}/api/v1{path}", self.address)).bearer_auth(token).send().unwrap();
        answer.json().unwrap()
    }

    /// What somebody with this token gets to hear.
    pub fn status(&self, path: &str, token: &str) -> u16 {
        let client = reqwest::blocking::Client::new();
        let answer = client.get(format!("http://{}/api/v1{path}", self.address)).bearer_auth(token).send();
        answer.unwrap().status().as_u16()
    }
}
