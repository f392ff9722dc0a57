//! The mail server and the sender, checked once.

use super::setting::Setting;
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, net::IpAddr};
use toml::Value;
use url::{Host, Url};

/// How the connection to a mail server is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte.
    Implicit,
    /// The server is asked for it before anything else is said; without it nothing is sent.
    StartTls,
    /// Not at all.
    Off,
}

/// The mail server: address, encryption, and whom to sign in as. Never shown.
#[derive(Clone)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// User and password.
    pub credentials: Option<(String, SecretString)>,
    text: SecretString,
}

impl SmtpUrl {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.fragment().is_none();
        let written = url.host_str().filter(|host| bare && !host.is_empty())?.to_owned();
        // A scheme that the standard does not know keeps its host as it was written.
        let host = match Host::parse(&percent_decode_str(&written).decode_utf8().ok()?).ok()? {
            Host::Domain(name) => name,
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let here = is_loopback(&host);
        let (tls, port) = match (url.scheme(), url.query()) {
            ("smtps", None | Some("tls=required")) => (SmtpTls::Implicit, 465),
            ("smtp", None) if here => (SmtpTls::Off, 25),
            ("smtp", Some("tls=off")) => (SmtpTls::Off, 25),
            ("smtp", None | Some("tls=required")) | ("smtp+starttls", None) => (SmtpTls::StartTls, 587),
            _ => return None,
        };
        let port = url.port().unwrap_or(port);
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() && !password.is_empty() => {
                Some((decoded(user)?, SecretString::from(decoded(password)?)))
            }
            _ => return None,
        };
        let legal = port > 0 && (here || tls != SmtpTls::Off || credentials.is_none());
        legal.then(|| Self { host, port, tls, credentials, text: text.trim().into() })
    }
}

/// Whether what is sent there stays on this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Setting for SmtpUrl {
    const SECRET: bool = true;

    fn form() -> String {
        "smtps://user:password@host, or smtp:// for STARTTLS (port, user and password are optional, special \
         characters percent-encoded); ?tls=off is for servers that take mail without a password"
            .into()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.text.expose_secret().to_owned()))
    }
}

/// Whom mail comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    pub fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl Setting for Sender {
    fn form() -> String {
        "an address such as noreply@example.org or Portcullis <noreply@example.org>".into()
    }

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str().filter(|text| !text.chars().any(char::is_control))?;
        text.trim().parse().ok().map(Self)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.0.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_follows_from_scheme_and_host() {
        for (text, tls, port) in [
            ("smtps://mail.example.org", SmtpTls::Implicit, 465),
            ("smtp://u:p@mail.example.org", SmtpTls::StartTls, 587),
            ("smtp+starttls://u:p@mail.example.org:2525", SmtpTls::StartTls, 2525),
            ("smtp://u:p@localhost", SmtpTls::Off, 25),
            ("smtp://127.0.0.1:1025", SmtpTls::Off, 1025),
            ("smtp://[::1]:1025?tls=required", SmtpTls::StartTls, 1025),
            ("smtp://relay.example.org?tls=off", SmtpTls::Off, 25),
        ] {
            let url = SmtpUrl::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((url.tls, url.port), (tls, port), "{text}");
        }
        let url = SmtpUrl::parse("smtps://ada%40example.org:p%3Aw%2F1@mail.example.org").unwrap();
        let (user, password) = url.credentials.as_ref().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ada@example.org", "p:w/1"));
        assert_eq!(format!("{url:?}"), "(hidden)");
        assert_eq!(SmtpUrl::parse("smtp://[::1]").unwrap().host, "::1");
    }

    #[test]
    fn what_would_not_do_is_refused() {
        for text in [
            "",
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp://:25",
            "smtps://mail.example.org/path",
            "smtps://mail.example.org?tls=off",
            "smtp://mail.example.org?tls=maybe",
            "smtp://mail.example.org?tls=required&x=1",
            "smtps://mail.example.org#x",
            "smtps://user@mail.example.org",
            "smtps://:password@mail.example.org",
            "smtp://u:p@mail.example.org?tls=off",
            "smtp://mail.example.org:0",
            "smtp://mail.example.org:99999",
            "smtp://mail example.org",
        ] {
            assert!(SmtpUrl::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_sender_is_one_address() {
        let sender = |text: &str| Sender::read(&Value::String(text.into()));
        assert!(sender("noreply@example.org").is_some());
        assert!(sender("The Gate <noreply@example.org>").is_some());
        for bad in ["", "nobody", "a@example.org, b@example.org", "x\r\nBcc: a@example.org <b@example.org>"] {
            assert!(sender(bad).is_none(), "{bad}");
        }
    }
}
