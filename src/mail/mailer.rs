//! The handle that sends letters, at once or by a job.

use super::{letter::Letter, smtp};
use crate::{
    clock::{Clock, Time},
    config::{self, Sender, SmtpUrl},
    error::{Error, Result},
    ids::Id,
    jobs::{self, Engine},
    outbound::Outbound,
    secrets::{Keyring, Purpose},
    storage::Tx,
};
use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart, header},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;

const SEND: &str = "mail.send";

/// Sends mail, where a server is configured. Clones share everything.
#[derive(Clone)]
pub struct Mailer(Arc<Parts>);

struct Parts {
    route: Option<(SmtpUrl, Sender)>,
    outbound: Outbound,
    keyring: Keyring,
    clock: Clock,
}

/// What a job is about, sealed: whom something is sent to is nobody's business who reads the table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sealed {
    sealed: String,
}

impl Mailer {
    pub fn new(settings: &config::Mail, outbound: Outbound, keyring: Keyring, clock: Clock) -> Self {
        let route = settings.smtp_url.clone().zip(settings.from.clone());
        Self(Arc::new(Parts { route, outbound, keyring, clock }))
    }

    pub fn is_configured(&self) -> bool {
        self.0.route.is_some()
    }

    /// The server's host and port, and the sender.
    pub fn route(&self) -> Option<(String, String)> {
        self.0.route.as_ref().map(|(server, from)| {
            let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
            (format!("{host}:{}", server.port), from.mailbox().to_string())
        })
    }

    /// Sends a letter once the change under way is committed. Without a mail server nothing happens.
    pub fn enqueue(&self, tx: &Tx<'_>, letter: &Letter, now: Time) -> Result<()> {
        if self.is_configured() {
            jobs::enqueue(tx, SEND, &self.seal(SEND, letter)?, now)?;
        }
        Ok(())
    }

    /// Has `engine` send what was enqueued.
    pub fn register(&self, engine: &mut Engine) {
        let mailer = self.clone();
        engine.register(SEND, move |sealed: Sealed, context| {
            let mailer = mailer.clone();
            async move { mailer.send(&mailer.unseal(SEND, &sealed)?, context.id).await }
        });
    }

    /// What a job of this kind is to know.
    pub fn seal(&self, kind: &str, content: &impl Serialize) -> Result<Sealed> {
        let plain = serde_json::to_vec(content).map_err(Error::internal)?;
        Ok(Sealed { sealed: self.0.keyring.seal(Purpose::Fields, kind, &plain)? })
    }

    pub fn unseal<T: DeserializeOwned>(&self, kind: &str, sealed: &Sealed) -> Result<T> {
        let plain = self.0.keyring.unseal(Purpose::Fields, kind, &sealed.sealed, self.0.clock.now())?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }

    /// Sends a letter now. A second try under the same `id` is the same message, should the first have arrived.
    pub async fn send(&self, letter: &Letter, id: Id) -> Result<()> {
        let Some((server, from)) = &self.0.route else {
            return Err(Error::conflict("No mail is sent here. Set mail.smtp_url and mail.from to change that."));
        };
        let message = self.message(letter, from, id)?;
        smtp::send(server, &self.0.outbound, &message, letter.is_secret()).await
    }

    fn message(&self, letter: &Letter, from: &Sender, id: Id) -> Result<Message> {
        let from = from.mailbox();
        let to: Address = letter.to.parse().map_err(|_| Error::conflict("Mail cannot be sent to this address."))?;
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject())
            .date(std::time::UNIX_EPOCH + self.0.clock.now().since(Time(0)))
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Auto-Response-Suppress", "All"))
            .multipart(MultiPart::alternative_plain_html(letter.text(), letter.html()))
            .map_err(Error::internal)
    }
}

fn raw(name: &'static str, value: &str) -> header::HeaderValue {
    header::HeaderValue::new(header::HeaderName::new_from_ascii_str(name), value.to_owned())
}
