//! One conversation with the mail server.

use crate::{
    config::{SmtpTls, SmtpUrl},
    error::{Error, Result},
    outbound::Outbound,
};
use lettre::{
    Message,
    transport::smtp::{
        Error as Cause,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;
use std::{net::SocketAddr, time::Duration};
use tokio::time::timeout;

/// To make the connection.
const CONNECT: Duration = Duration::from_secs(3);
/// For all that is said; within the time of a job.
const WHOLE: Duration = Duration::from_secs(20);
/// Characters of the server's words that are kept.
const WORDS: usize = 300;

/// Hands `message` to the server, over the encryption that its address asks for or not at all. A server may repeat
/// what it refuses: where that is `secret`, its words are not quoted.
pub(super) async fn send(server: &SmtpUrl, outbound: &Outbound, message: &Message, secret: bool) -> Result<()> {
    let addresses = outbound.resolve(&server.host, server.port).await?;
    let spoken = async {
        let mut connection = connect(server, &addresses).await?;
        if server.tls == SmtpTls::StartTls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Error::unavailable(
                    "The mail server does not offer STARTTLS, and without encryption nothing is sent to it. \
                     See mail.smtp_url.",
                ));
            }
            let started = connection.starttls(encryption(server)?, &ClientId::default()).await;
            started.map_err(|cause| told("did not begin encryption", &cause))?;
        }
        if let Some((user, password)) = &server.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            signed_in.map_err(|cause| told("did not take the user and password", &cause))?;
        }
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(|cause| match cause.status() {
            Some(status) if secret => {
                Error::unavailable(format!("The mail server did not take the message ({status})."))
            }
            _ if secret => Error::unavailable("The mail server did not take the message."),
            _ => told("did not take the message", &cause),
        })?;
        // It is sent, whatever is said at parting.
        let _ = connection.quit().await;
        Ok(())
    };
    let late = |_| Error::unavailable(format!("The mail server was not done after {} seconds.", WHOLE.as_secs()));
    timeout(WHOLE, spoken).await.map_err(late)?
}

async fn connect(server: &SmtpUrl, addresses: &[SocketAddr]) -> Result<AsyncSmtpConnection> {
    let implicit = if server.tls == SmtpTls::Implicit { Some(encryption(server)?) } else { None };
    let mut failure = Error::unavailable("The mail server has no address.");
    for address in addresses {
        let hello = ClientId::default();
        match AsyncSmtpConnection::connect_tokio1(*address, Some(CONNECT), &hello, implicit.clone(), None).await {
            Ok(connection) => return Ok(connection),
            Err(cause) => failure = told(&format!("cannot be reached at {address}"), &cause),
        }
    }
    Err(failure)
}

/// For the host's name, whatever address is connected to.
fn encryption(server: &SmtpUrl) -> Result<TlsParameters> {
    TlsParameters::new(server.host.clone()).map_err(Error::internal)
}

/// What happened, with the server's words.
fn told(what: &str, cause: &Cause) -> Error {
    // Its own words and those of its sources repeat each other.
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(cause);
    while let Some(error) = next {
        for part in error.to_string().split(": ").map(str::to_owned) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        next = error.source();
    }
    let words = parts.join(": ");
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    Error::unavailable(format!("The mail server {what} ({words})."))
}
