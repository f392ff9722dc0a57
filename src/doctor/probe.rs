//! The server calls itself, as a stranger would, and keeps what it hears.

use reqwest::{
    Client, Response,
    header::{HeaderMap, ORIGIN},
};
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
}

pub(super) async fn probe(address: Option<&str>) -> Answers {
    let Some(address) = address else {
        let why = || Err("The server does not run; ask it with `GET /api/v1/doctor` or beside it.".to_owned());
        return Answers { health: why(), console: why(), guarded: why() };
    };
    // Its own certificate need not name the loopback address.
    let client = Client::builder().timeout(PATIENCE).no_proxy().tls_danger_accept_invalid_certs(true);
    let client = match client.redirect(reqwest::redirect::Policy::none()).build() {
        Ok(client) => client,
        Err(cause) => {
            let why = || Err(format!("No call could be made: {cause}"));
            return Answers { health: why(), console: why(), guarded: why() };
        }
    };
    Answers {
        health: call(&client, address, "/health/ready").await,
        console: call(&client, address, "/console/").await,
        guarded: call(&client, address, "/api/v1/users").await,
    }
}

async fn call(client: &Client, address: &str, path: &str) -> Result<Answer, String> {
    let answer = client.get(format!("{address}{path}")).header(ORIGIN, STRANGER).send().await;
    answer.map(heard).map_err(|cause| format!("The server did not answer itself at {path}: {cause}"))
}

fn heard(response: Response) -> Answer {
    Answer { status: response.status().as_u16(), headers: response.headers().clone() }
}
