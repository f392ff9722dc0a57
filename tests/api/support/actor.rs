//! Somebody who calls the API.

use super::Answer;
use reqwest::{
    Method,
    blocking::{Client, RequestBuilder},
};
use serde_json::Value;

#[derive(Clone)]
pub struct Actor {
    client: Client,
    url: String,
    pub token: Option<String>,
    pub refresh_token: Option<String>,
    /// The user's id; empty for nobody.
    pub id: String,
}

impl Actor {
    pub(super) fn new(client: Client, url: &str, token: Option<String>) -> Self {
        Self { client, url: url.to_owned(), token, refresh_token: None, id: String::new() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    /// A request below `/api/v1`, to be made by hand.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.at(method, &format!("/api/v1{path}"))
    }

    /// A request to a path of the server, not below `/api/v1`.
    pub fn at(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    #[expect(clippy::unused_self, reason = "who sends it is what a test says")]
    pub fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().expect("an answer"))
    }
}
