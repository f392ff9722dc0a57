//! The types that only configuration has: choices, origins, route patterns, tokens, limits by role.

use super::setting::{Setting, Shape};
use crate::validate::{Email, WebUrl, is_host_name};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::BTreeMap, fmt, ops::Deref};
use toml::Value;

/// Declares an enum whose values are the words that a configuration may hold.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Setting for $name {
            fn form() -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn shape() -> Shape {
                Shape::Choice { of: vec![$($word),+] }
            }

            fn read(value: &Value) -> Option<Self> {
                match value.as_str()?.trim() { $($word => Some(Self::$variant),)+ _ => None }
            }

            fn write(&self) -> Option<Value> {
                Some(Value::String(self.as_str().to_owned()))
            }
        }
    };
}

choice!(
    /// What the instance is for. Production refuses what is only fit for trying out.
    Environment { Development = "development", Staging = "staging", Production = "production" }
);
choice!(
    /// Who may make an account.
    Signup { Closed = "closed", Open = "open", Approval = "approval" }
);
choice!(
    /// Whether a refusal refuses, or is only counted.
    Enforcement { Enforce = "enforce", Observe = "observe" }
);
choice!(
    /// What request inspection does with what it finds.
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    InspectionMode { Off = "off", Observe = "observe", Block = "block" }
);
choice!(
    /// How log lines look.
    LogFormat { Json = "json", Text = "text" }
);
choice!(
    /// The least serious lines that are logged.
    LogLevel { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" }
);

/// Text that was checked once; reads as the text.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $form:literal, $legal:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Setting for $name {
            fn form() -> String {
                $form.into()
            }

            fn read(value: &Value) -> Option<Self> {
                let legal: fn(&str) -> bool = $legal;
                value.as_str().map(str::trim).filter(|text| legal(text)).map(|text| Self(text.to_owned()))
            }

            fn write(&self) -> Option<Value> {
                Some(Value::String(self.0.clone()))
            }
        }
    };
}

pub(super) use checked_text;

checked_text!(
    /// Scheme, host and port under which browsers reach the server.
    WebOrigin,
    "an origin such as https://app.example.org, without path or final slash",
    is_origin
);
checked_text!(
    /// An origin that browsers may call from, or `*` for any.
    AllowedOrigin,
    "an origin such as https://app.example.org, without path or final slash, or *",
    |text| text == "*" || is_origin(text)
);
checked_text!(
    /// An address that the server calls.
    CallUrl,
    "an http or https URL such as https://anchor.example.org/heads, without user name or password",
    is_call_url
);
checked_text!(
    /// Whom to tell about a vulnerability (RFC 9116, section 2.5.3).
    Contact,
    "an address such as mailto:security@example.org, https://example.org/security or tel:+1-201-555-0123",
    is_contact
);
checked_text!(
    /// An address that mail is sent to.
    MailAddress,
    "an e-mail address such as ops@example.org",
    |text| text.parse::<Email>().is_ok()
);
checked_text!(
    /// A host name, in lower case.
    HostName,
    "a host name such as gate.example.org, in lower case",
    is_host_name
);
checked_text!(
    /// The name of a file that lies in a folder itself.
    FileInFolder,
    "the name of a file in that folder, such as index.html",
    |text| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\\', '%']) && !text.contains(char::is_control)
);
checked_text!(
    /// The value of a header.
    HeaderText,
    "text of letters, digits and signs that a header can have",
    |text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
);
checked_text!(
    /// A route as the route list writes it, with or without its method.
    RoutePattern,
    "a route such as /api/v1/overview or GET /api/v1/users/{id}",
    is_route
);
checked_text!(
    /// Which engine keeps the data.
    StorageUrl,
    "sqlite",
    |text| text == "sqlite" || text.starts_with("postgres://")
);

impl StorageUrl {
    pub fn sqlite() -> Self {
        Self("sqlite".to_owned())
    }
}

fn is_origin(text: &str) -> bool {
    text.parse::<WebUrl>().is_ok_and(|url| url.url().origin().ascii_serialization() == text)
}

pub(super) fn is_route(text: &str) -> bool {
    let path = match text.split_once(' ') {
        Some((method, path)) if ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&method) => path,
        Some(_) => return false,
        None => text,
    };
    path.starts_with('/') && !path.contains("//") && path.bytes().all(|b| b.is_ascii_graphic())
}

/// A route pattern as the route list writes it: `GET /api/v1/users` is `GET /users`, and HEAD is GET.
pub fn route_of(pattern: &str) -> String {
    let (method, path) = pattern.split_once(' ').map_or((None, pattern), |(method, path)| (Some(method), path));
    let below =
        ["/api/v1", "/api"].iter().find_map(|base| path.strip_prefix(base).filter(|rest| rest.starts_with('/')));
    let path = below.unwrap_or(path);
    match method {
        Some("HEAD") => format!("GET {path}"),
        Some(method) => format!("{method} {path}"),
        None => path.to_owned(),
    }
}

/// Whether two routes of [`route_of`] are one, whatever their placeholders are called.
pub fn is_same_route(one: &str, other: &str) -> bool {
    let holds = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    one.split('/').count() == other.split('/').count()
        && one.split('/').zip(other.split('/')).all(|(a, b)| a == b || (holds(a) && holds(b)))
}

/// A secret of at least 32 bytes that is not an example.
#[derive(Clone)]
pub struct Token(SecretString);

const LEAST_TOKEN_BYTES: usize = 32;
const LEAST_DISTINCT_BYTES: usize = 8;
const EXAMPLES: [&str; 9] =
    ["change", "example", "secret", "password", "your", "default", "replace", "insert", "0123456789"];

impl Token {
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let mut distinct: Vec<u8> = text.bytes().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let weak = text.len() < LEAST_TOKEN_BYTES
            || distinct.len() < LEAST_DISTINCT_BYTES
            || EXAMPLES.iter().any(|word| lower.contains(word));
        (!weak).then(|| Self(text.into()))
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Requests a minute by role name, from entries such as `analyst_per_minute = 600`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleLimits(BTreeMap<String, u32>);

const PER_MINUTE: &str = "_per_minute";

impl Deref for RoleLimits {
    type Target = BTreeMap<String, u32>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Setting for RoleLimits {
    const TABLE: bool = true;

    fn form() -> String {
        "named {role}_per_minute, a whole number from 1 to 1000000".into()
    }

    fn shape() -> Shape {
        Shape::Table { of: Box::new(Shape::Number) }
    }

    fn read(value: &Value) -> Option<Self> {
        let entry = |(name, value): (&String, &Value)| {
            let role = name.strip_suffix(PER_MINUTE).filter(|role| is_name(role))?;
            let limit = u32::read(value).filter(|limit| (1..=1_000_000).contains(limit))?;
            Some((role.to_owned(), limit))
        };
        value.as_table()?.iter().map(entry).collect::<Option<_>>().map(Self)
    }

    fn write(&self) -> Option<Value> {
        let entries = self.0.iter().map(|(role, limit)| (format!("{role}{PER_MINUTE}"), i64::from(*limit).into()));
        Some(Value::Table(entries.collect()))
    }

    fn from_text(text: &str) -> Value {
        u32::from_text(text)
    }
}

fn is_contact(text: &str) -> bool {
    match text.split_once(':') {
        Some(("mailto", address)) => address.parse::<Email>().is_ok(),
        Some(("tel", number)) => {
            number.starts_with('+') && number[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        }
        Some(("https", _)) => is_call_url(text),
        _ => false,
    }
}

fn is_call_url(text: &str) -> bool {
    text.parse::<WebUrl>().is_ok()
}

/// Requests a minute by route, from entries such as `"POST /entities/{type}" = 60`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits(BTreeMap<String, u32>);

impl Deref for RouteLimits {
    type Target = BTreeMap<String, u32>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Setting for RouteLimits {
    const TABLE: bool = true;

    fn form() -> String {
        "named by a route such as \"POST /entities/{type}\", a whole number from 1 to 1000000".into()
    }

    fn shape() -> Shape {
        Shape::Table { of: Box::new(Shape::Number) }
    }

    fn read(value: &Value) -> Option<Self> {
        let entry = |(pattern, value): (&String, &Value)| {
            let limit = u32::read(value).filter(|limit| (1..=1_000_000).contains(limit))?;
            is_route(pattern).then(|| (pattern.clone(), limit))
        };
        value.as_table()?.iter().map(entry).collect::<Option<_>>().map(Self)
    }

    fn write(&self) -> Option<Value> {
        let entries = self.0.iter().map(|(pattern, limit)| (pattern.clone(), i64::from(*limit).into()));
        Some(Value::Table(entries.collect()))
    }

    fn from_text(text: &str) -> Value {
        u32::from_text(text)
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://a.example", "http://localhost:3000", "http://127.0.0.1:8080", "https://[::1]:8443"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://u@a.example",
            "ftp://a.example",
            "https://a:0",
            "https://*.a.example",
            "null",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn weak_tokens_are_refused() {
        assert!(Token::parse("1f0c9be27d5a48e3a6b1c4d27e8f9a03").is_some());
        for weak in
            ["", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "change-me-change-me-change-me-1234567890"]
        {
            assert!(Token::parse(weak).is_none(), "{weak}");
        }
    }

    #[test]
    fn routes_may_name_their_method() {
        assert!(is_route("/api/v1/overview") && is_route("GET /api/v1/users/{id}"));
        assert!(!is_route("api/v1/overview") && !is_route("FETCH /x") && !is_route("//x"));
    }
}
