//! A running server with its first administrator, and browsers signed in to it.

use crate::{
    browser::Browser,
    support::{self, EMAIL, PASSWORD, Portcullis},
};
use reqwest::{
    Method,
    blocking::multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

/// How long the server lets one wait after a wrong password.
pub const AFTER_A_FAILURE: Duration = Duration::from_millis(1100);

pub struct Site {
    pub server: Portcullis,
    token: String,
    folder: TempDir,
}

impl Site {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With settings as the environment gives them.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = support::start_with(folder.path(), &[support::PLAIN, environment].concat());
        let token = server.set_up();
        Self { server, token, folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Through the API as the administrator: what must be well for the test to mean anything.
    pub fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.server.client.request(method, self.server.path(path)).bearer_auth(&self.token).json(body);
        let answer = request.send().expect("an answer");
        let (status, text) = (answer.status(), answer.text().expect("a body"));
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.send(Method::POST, path, body)
    }

    /// Uploads a file, of an entity where one is named; answers the file's id.
    pub fn upload(&self, name: &str, content: &[u8], entity: Option<&str>) -> String {
        let part = Part::bytes(content.to_vec()).file_name(name.to_owned());
        let form = Form::new().text("entity_id", entity.unwrap_or_default().to_owned()).part("file", part);
        let request = self.server.client.post(self.server.path("/files")).bearer_auth(&self.token).multipart(form);
        let answer = request.send().expect("an answer");
        let (status, text) = (answer.status(), answer.text().expect("a body"));
        assert!(status.is_success(), "{name}: {status} {text}");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        file["id"].as_str().expect("an id").to_owned()
    }

    pub fn get(&self, path: &str) -> Value {
        self.server.get(&self.token, path)
    }

    /// Makes a user who may sign in with the one password of these tests; answers the id.
    pub fn user(&self, email: &str, name: &str, role: &str) -> String {
        let body = json!({"email": email, "name": name, "password": PASSWORD, "roles": [role]});
        self.post("/users", &body)["id"].as_str().expect("an id").to_owned()
    }

    pub fn browser(&self) -> Browser {
        Browser::open(&self.server.url)
    }

    /// A browser in which the administrator has signed in.
    pub fn console(&self) -> Browser {
        self.console_of(EMAIL)
    }

    pub fn console_of(&self, email: &str) -> Browser {
        let browser = self.browser();
        browser.visit("/console/sign-in");
        sign_in(&browser, email, PASSWORD);
        browser.arrives_at("/console/");
        browser.holds("document.querySelector('h1')");
        browser
    }
}

/// Fills in the form on the sign-in page.
pub fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.fill("Email", email);
    browser.fill("Password", password);
    browser.press("Sign in");
}
