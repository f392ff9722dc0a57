//! Links: an address on the web, and a URI that may stand in data.

use super::is_deceptive;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};
use url::Url;

const LONGEST: usize = 2048;
/// What a browser would run, where a page made a link of it.
const RUN: [&str; 4] = ["javascript", "vbscript", "data", "livescript"];

/// An absolute address with `http` or `https`, without credentials, in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebUrl(Url);

/// The text was not such an address.
#[derive(Debug, thiserror::Error)]
#[error("not an address on the web such as https://example.com/path, without a name or a password in it")]
pub struct NotAWebUrl;

impl WebUrl {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for WebUrl {
    type Err = NotAWebUrl;

    fn from_str(text: &str) -> Result<Self, NotAWebUrl> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| {
            let start = text.get(..scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
        });
        // The parser would mend what is refused here: blanks, backslashes, more slashes than two.
        let rest = rest.filter(|rest| !rest.starts_with('/') && is_clean(text)).ok_or(NotAWebUrl)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains(['@', '\\', '%']) {
            return Err(NotAWebUrl);
        }
        let url = Url::parse(text).map_err(|_| NotAWebUrl)?;
        let is_host = url.host_str().is_some_and(|host| {
            host.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':'))
        });
        let is_plain = is_host && url.username().is_empty() && url.password().is_none() && url.port() != Some(0);
        if is_plain { Ok(Self(url)) } else { Err(NotAWebUrl) }
    }
}

/// A URI of whichever scheme (RFC 3986), in ASCII and with its scheme; one of the web is held to be a [`WebUrl`],
/// and what a browser would run is none.
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme || !text.is_ascii() || RUN.contains(&scheme.as_str()) {
        return false;
    }
    if matches!(scheme.as_str(), "http" | "https") {
        return text.parse::<WebUrl>().is_ok();
    }
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    is_clean(text)
        && !rest.is_empty()
        && !rest.contains(['\\', '^', '`', '{', '}', '|'])
        && has_whole_escapes(rest)
        && authority.is_none_or(|authority| !authority.contains('@'))
        && Url::parse(text).is_ok()
}

fn is_clean(text: &str) -> bool {
    text.len() <= LONGEST
        && text
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && !is_deceptive(c) && !matches!(c, '\\' | '"' | '<' | '>'))
}

/// Every `%` is followed by two digits.
fn has_whole_escapes(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    text.match_indices('%').all(|(at, _)| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2)))
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for WebUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for WebUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_on_the_web() {
        for (text, normal) in [
            ("https://example.com", "https://example.com/"),
            ("HTTP://Example.COM:80/a?b=c#d", "http://example.com/a?b=c#d"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("https://example.com/@name", "https://example.com/@name"),
        ] {
            assert_eq!(text.parse::<WebUrl>().unwrap().as_str(), normal);
        }
        for bad in [
            "",
            "example.com",
            "//example.com",
            "https:/example.com",
            "https:example.com",
            "https:///example.com",
            "https://",
            "https://user@example.com",
            "https://user:pass@example.com/",
            "https://good.example\\@evil.example/",
            "https://exam%70le.com/",
            "ftp://example.com",
            "javascript:alert(1)",
            "file:///etc/passwd",
            " https://example.com",
            "https://example.com/a b",
            "https://example.com/\r\nHost: evil",
            "https://exa\tmple.com",
            "https://example.com/\u{202e}gpj",
            "https://exam\u{200b}ple.com/",
            "https://a..b:99999/",
            "https://a.example:0/",
            "https://*.example.com/",
        ] {
            assert!(bad.parse::<WebUrl>().is_err(), "{bad}");
        }
        assert!(format!("https://example.com/{}", "a".repeat(2048)).parse::<WebUrl>().is_err());
    }

    #[test]
    fn uris_of_any_scheme() {
        for good in [
            "mailto:jane@example.com",
            "urn:isbn:0451450523",
            "https://example.com/a%20b",
            "tel:+49-30-1",
            "ldap://[2001:db8::7]/c=GB?objectClass?one",
        ] {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "",
            "relative/path",
            "urn:",
            "://x",
            "1a:b",
            "javascript:alert(1)",
            "DATA:text/html,x",
            "ftp://user:pass@host/",
            "urn:a b",
            "urn:größe",
            "urn:100%",
            "urn:{x}",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(text in "https?://[a-z0-9.@:/\\\\%-]{1,40}") {
            if let Ok(url) = text.parse::<WebUrl>() {
                prop_assert_eq!(&url.as_str().parse::<WebUrl>().unwrap(), &url);
                prop_assert!(url.url().username().is_empty() && url.url().password().is_none());
                prop_assert!(is_uri(url.as_str()));
            }
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            let _ = (text.parse::<WebUrl>().is_ok(), is_uri(&text));
        }
    }
}
