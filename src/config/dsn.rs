//! Where error reports go, as Sentry and what is compatible with it write it.

use super::setting::Setting;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use toml::Value;
use url::Url;

/// `https://KEY@host/PROJECT`, taken apart once. Never shown.
#[derive(Clone)]
pub struct Dsn {
    /// Where envelopes are posted to.
    pub endpoint: String,
    /// What a report is sent with.
    pub key: SecretString,
    text: SecretString,
}

impl Dsn {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let key = url.username().to_owned();
        let (before, project) = url.path().rsplit_once('/')?;
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let legal =
            plain(&key) && plain(project) && url.query().is_none() && url.host_str().is_some_and(|h| !h.is_empty());
        let path = format!("{before}/api/{project}/envelope/");
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_path(&path);
        legal.then(|| Self { endpoint: url.into(), key: key.into(), text: text.into() })
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Setting for Dsn {
    const SECRET: bool = true;

    fn form() -> String {
        "a DSN such as https://key@errors.example.org/1".into()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.text.expose_secret().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_says_where_reports_go() {
        let endpoint = |text: &str| Dsn::parse(text).map(|dsn| dsn.endpoint);
        assert_eq!(
            endpoint("https://abc@o1.example.org/42").as_deref(),
            Some("https://o1.example.org/api/42/envelope/")
        );
        assert_eq!(
            endpoint("http://abc:old@127.0.0.1:9000/errors/7").as_deref(),
            Some("http://127.0.0.1:9000/errors/api/7/envelope/")
        );
        for bad in [
            "",
            "abc",
            "https://example.org/1",
            "https://abc@example.org/",
            "ftp://abc@example.org/1",
            "https://a-b@x.org/1",
        ] {
            assert_eq!(endpoint(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", Dsn::parse("https://abc@o1.example.org/42").unwrap()), "(hidden)");
    }
}
