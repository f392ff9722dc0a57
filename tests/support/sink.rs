//! A real mail server on loopback, and what it was sent.

#![allow(dead_code, reason = "each program that shares this uses some of it")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

pub struct Sink {
    server: Child,
    lines: Receiver<String>,
    pub port: u16,
}

/// A message as the server took it.
pub struct Mail {
    pub to: Vec<String>,
    pub from: String,
    /// With its headers, as it came over the wire.
    pub raw: String,
    pub encrypted: bool,
    pub user: Option<String>,
}

impl Sink {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// Waits until it listens.
    pub fn with(options: &[&str]) -> Self {
        let mut server = Command::new("/usr/bin/python3")
            .args(["-W", "ignore"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_sink.py"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let (sender, lines) = channel();
        let output = BufReader::new(server.stdout.take().expect("piped"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let port = lines.recv_timeout(Duration::from_secs(20)).expect("aiosmtpd is installed (tests/run does that)");
        Self { server, lines, port: port.parse().expect("a port") }
    }

    /// The next message; there must be one soon.
    #[track_caller]
    pub fn next(&self) -> Mail {
        let line = self.lines.recv_timeout(Duration::from_secs(20)).expect("a message within 20 s");
        let seen: Value = serde_json::from_str(&line).expect("JSON");
        let to = seen["to"].as_array().expect("a list").iter();
        Mail {
            to: to.map(|address| address.as_str().expect("text").to_owned()).collect(),
            from: seen["from"].as_str().unwrap_or_default().to_owned(),
            raw: seen["data"].as_str().expect("text").to_owned(),
            encrypted: seen["encrypted"] == true,
            user: seen["user"].as_str().map(str::to_owned),
        }
    }

    /// Nothing comes for a while.
    #[track_caller]
    pub fn stays_empty(&self) {
        if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(700)) {
            panic!("a message came: {line}");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Mail {
    pub fn header(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let found =
            head.lines().filter_map(|line| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name)));
        let values: Vec<&str> = found.map(|(_, value)| value).collect();
        assert!(values.len() <= 1, "{name} stands once: {values:?}");
        values.concat()
    }

    /// The whole message, its soft line breaks undone.
    pub fn text(&self) -> String {
        self.raw.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
    }

    /// The token at the end of its link.
    #[track_caller]
    pub fn token(&self) -> String {
        let text = self.text();
        let rest = text.split_once("#token=").unwrap_or_else(|| panic!("no link in {text}")).1;
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next().expect("a token").to_owned()
    }
}

/// A certificate for `localhost`, its key, and the authority to trust for it.
pub struct Certificate {
    pub path: String,
    pub key: String,
    pub authority: String,
}

impl Certificate {
    pub fn make(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (authority, authority_key) = (path("authority.pem"), path("authority.key"));
        let made = Self { path: path("certificate.pem"), key: path("certificate.key"), authority };
        request(&["/CN=Test authority", &authority_key, &made.authority, "basicConstraints=critical,CA:TRUE"], &[]);
        let signed =
            ["-CA", &made.authority, "-CAkey", &authority_key, "-addext", "basicConstraints=critical,CA:FALSE"];
        request(&["/CN=localhost", &made.key, &made.path, "subjectAltName=DNS:localhost"], &signed);
        made
    }
}

fn request([subject, key, certificate, extension]: &[&str; 4], further: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
        .args(["-subj", subject, "-keyout", key, "-out", certificate, "-addext", extension])
        .args(further)
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
