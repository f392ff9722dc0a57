//! The real application on a free port in a fresh folder, with a clock that can be moved, and the people who use it.

mod actor;
mod answer;
mod bucket;
mod contents;
mod receiver;
mod wait;

pub use actor::Actor;
pub use answer::Answer;
pub use bucket::{Bucket, Weather};
pub use contents::{GIF, png};
pub use receiver::{Received, Receiver};
pub use wait::{until, within};

use portcullis::{
    clock::Clock,
    config::{Config, Sources},
    server::{App, start},
};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    sync::mpsc::channel,
    thread::{self, JoinHandle},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const PASSWORD: &str = "seven bronze turnstiles";

/// One running application. It ends with the test.
pub struct Site {
    pub url: String,
    pub clock: Clock,
    pub app: App,
    pub folder: TempDir,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// With the defaults, but no rate limits and no challenges, since one address plays everyone.
    pub fn new() -> Self {
        Self::with(&[("PORTCULLIS_LIMITS__ENABLED", "false")])
    }

    /// With settings as the environment would give them.
    pub fn with(environment: &[(&str, &str)]) -> Self {
        Self::on(tempfile::tempdir().expect("a folder"), environment)
    }

    /// On a folder that may have data already.
    pub fn on(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let plain = [("PORTCULLIS_AUTH__BCRYPT_COST", "10"), ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "0")];
        let own = |name| environment.iter().any(|(given, _)| *given == name);
        let env = environment
            .iter()
            .chain(plain.iter().filter(|(name, _)| !own(*name)))
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let sources = Sources {
            directory: folder.path().to_owned(),
            env: env.collect(),
            data_dir: Some(folder.path().join("data")),
            listen: Some("127.0.0.1:0".into()),
            routes: portcullis::server::routes::patterns(),
            ..Sources::default()
        };
        let loaded = Config::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let clock = Clock::movable();
        let app = App::open(loaded, clock.clone()).expect("the application opens");
        let (ready, started) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = app.clone();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = start(serving).await.expect("the server starts");
                ready.send(server.address).expect("the test waits");
                let _ = stopped.await;
                server.stop().await;
            });
        });
        let address = started.recv_timeout(Duration::from_secs(20)).expect("started");
        let client = Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let url = format!("http://{address}");
        Self { url, clock, app, folder, client, stop: Some(stop), thread: Some(thread) }
    }

    /// Somebody without credentials.
    pub fn nobody(&self) -> Actor {
        Actor::new(self.client.clone(), &self.url, None)
    }

    /// The first administrator, made with the set-up link.
    pub fn admin(&self) -> Actor {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let token =
            runtime.block_on(self.app.identity.setup_token()).expect("an answer").expect("nobody administers yet");
        let body = json!({"token": token, "email": "admin@example.org", "password": PASSWORD, "name": "Ada Admin"});
        self.nobody().post("/setup", &body).expect(201);
        self.log_in("admin@example.org")
    }

    /// A new user with these roles, signed in. The name before the at sign tells users apart.
    pub fn user(&self, admin: &Actor, name: &str, roles: &[&str]) -> Actor {
        let email = format!("{name}@example.org");
        let body = json!({"email": email, "password": PASSWORD, "roles": roles});
        admin.post("/users", &body).expect(201);
        self.log_in(&email)
    }

    pub fn log_in(&self, email: &str) -> Actor {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.nobody().post("/auth/login", &body).expect(200).json();
        self.bearer(&answer)
    }

    /// Another session of somebody.
    pub fn log_in_as(&self, actor: &Actor) -> Actor {
        let me = actor.get("/auth/me").expect(200).json();
        self.log_in(me["email"].as_str().expect("an address"))
    }

    /// Whoever holds the tokens of an answer to a log-in or refresh.
    pub fn bearer(&self, answer: &Value) -> Actor {
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("no access token in {answer}"));
        let mut actor = Actor::new(self.client.clone(), &self.url, Some(token.to_owned()));
        actor.refresh_token = answer["refresh_token"].as_str().map(str::to_owned);
        answer["user"]["id"].as_str().unwrap_or_default().clone_into(&mut actor.id);
        actor
    }

    /// Whoever holds an API key.
    pub fn holder(&self, key: &str) -> Actor {
        Actor::new(self.client.clone(), &self.url, Some(key.to_owned()))
    }

    /// The same person over a connection of their own.
    pub fn another(&self, actor: &Actor) -> Actor {
        let client = Client::builder().timeout(Duration::from_secs(60)).build().expect("a client");
        Actor::new(client, &self.url, actor.token.clone())
    }

    /// Stops the application and keeps its folder.
    pub fn close(mut self) -> TempDir {
        self.shut_down();
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    fn shut_down(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shut_down();
    }
}
