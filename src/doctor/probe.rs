//! The server calls itself, as a stranger would, and keeps what it hears.

use crate::clock::Time;
use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, ORIGIN},
};
use serde_json::Value;
use std::time::Duration;

/// Nobody's: a name that is kept for such uses (RFC 2606).
pub(super) const STRANGER: &str = "https://stranger.invalid";
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer's status and headers.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What was heard; an error says why nothing was.
pub(super) struct Answers {
    pub health: Result<Answer, String>,
    pub console: Result<Answer, String>,
    /// A route that is guarded, asked without a credential by a page from elsewhere.
    pub guarded: Result<Answer, String>,
    /// What others are told to call; none where nothing is.
    pub public: Option<Result<Answer, String>>,
    /// Where it answers on this machine.
    pub address: Option<String>,
    /// The head of the audit log that was posted and taken last, and when.
    pub anchored: Option<(i64, Time)>,
}

impl Answers {
    /// Nothing was heard.
    fn none(why: &str) -> Self {
        let why = || Err(why.to_owned());
        Self { health: why(), console: why(), guarded: why(), public: None, address: None, anchored: None }
    }
}

pub(super) async fn probe(address: Option<&str>, public_url: Option<&str>) -> Answers {
    let Some(address) = address else {
        return Answers::none("The server does not run; ask it with `GET /api/v1/doctor` or beside it.");
    };
    // Its own certificate need not name the loopback address.
    let client = Client::builder().timeout(PATIENCE).no_proxy().tls_danger_accept_invalid_certs(true);
    let client = match client.redirect(reqwest::redirect::Policy::none()).build() {
        Ok(client) => client,
        Err(cause) => return Answers::none(&format!("No call could be made: {cause}")),
    };
    Answers {
        health: call(&client, address, "/health/ready").await,
        console: call(&client, address, "/console/").await,
        guarded: call(&client, address, "/api/v1/users").await,
        public: match public_url {
            Some(url) => Some(from_outside(url).await),
            None => None,
        },
        address: Some(address.to_owned()),
        anchored: None,
    }
}

/// As others call it: over the name they use, with a certificate that has to be good.
async fn from_outside(url: &str) -> Result<Answer, String> {
    let client = Client::builder().timeout(PATIENCE).no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|cause| format!("No call could be made: {cause}"))?;
    let path = format!("{}/health/live", url.trim_end_matches('/'));
    let answer = client.get(&path).send().await;
    let answer = answer.map_err(|cause| format!("{url} did not answer from here: {}", whole(&cause)))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{path} answered {}.", answer.status().as_u16()));
    }
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.unwrap_or_default();
    let is_own = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["status"] == "ok");
    is_own.then_some(Answer { status, headers }).ok_or_else(|| format!("{path} was answered by something else."))
}

/// An error and what led to it: the first alone says little.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

async fn call(client: &Client, address: &str, path: &str) -> Result<Answer, String> {
    let answer = client.get(format!("{address}{path}")).header(ORIGIN, STRANGER).send().await;
    answer.map(heard).map_err(|cause| format!("The server did not answer itself at {path}: {cause}"))
}

fn heard(response: Response) -> Answer {
    Answer { status: response.status().as_u16(), headers: response.headers().clone() }
}
