//! An address to call, read once: what it says is what is called.

use super::failure::Refused;
use std::{fmt, net::IpAddr};
use url::{Host, Url};

const LONGEST: usize = 2_000;

/// A URL that may be called as far as it tells by itself: http or https, a host, no credentials. Hosts stand in
/// their one normal form, so that `2130706433`, `0x7f.1` and `127.0.0.1.` are all `127.0.0.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why: &str| Err(Refused(why.to_owned()));
        if text.len() > LONGEST {
            return refused("A URL has at most 2,000 characters.");
        }
        if text.chars().any(char::is_control) {
            return refused("A URL has no control characters.");
        }
        let Ok(mut url) = Url::parse(text.trim()) else {
            return refused("This is not a URL such as https://example.org/hook.");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refused("Only http and https are called.");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("A URL must not carry a user name or password.");
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return refused("This URL names no host and port to call.");
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn host(&self) -> Named<'_> {
        match self.0.host() {
            Some(Host::Ipv4(address)) => Named::Address(address.into()),
            Some(Host::Ipv6(address)) => Named::Address(address.into()),
            Some(Host::Domain(name)) => Named::Name(name),
            None => Named::Name(""),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a host is named.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl<'a> Named<'a> {
    /// A host as people write it outside of URLs, in any form that a URL would take.
    pub fn parse(host: &str, parsed: &'a mut Option<Host>) -> Result<Self, Refused> {
        let bracketed =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let host = Host::parse(&bracketed).map_err(|_| Refused(format!("{host} is not the name of a host.")))?;
        Ok(match &*parsed.insert(host) {
            Host::Ipv4(address) => Self::Address((*address).into()),
            Host::Ipv6(address) => Self::Address((*address).into()),
            Host::Domain(name) => Self::Name(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for (text, host) in [
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f000001", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://017700000001/", "127.0.0.1"),
            ("http://127.1/", "127.0.0.1"),
            ("http://127.0.0.1./", "127.0.0.1"),
            ("http://0/", "0.0.0.0"),
            ("http://①②⑦.⓪.⓪.①/", "127.0.0.1"),
            ("http://127。0。0。1/", "127.0.0.1"),
            ("http:\\\\127.0.0.1\\x", "127.0.0.1"),
            ("http://%31%32%37.0.0.1/", "127.0.0.1"),
            ("http://2852039166/latest/meta-data/", "169.254.169.254"),
            ("http://[::ffff:7f00:1]/", "::ffff:127.0.0.1"),
            ("http://[0:0:0:0:0:ffff:169.254.169.254]/", "::ffff:169.254.169.254"),
        ] {
            match Target::parse(text).unwrap().host() {
                Named::Address(address) => assert_eq!(address.to_string(), host, "{text}"),
                Named::Name(name) => panic!("{text} is the name {name}"),
            }
        }
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        for bad in [
            "",
            "example.org",
            "/hook",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "javascript:alert(1)",
            "http://",
            "http://user@example.org/",
            "http://user:secret@example.org/",
            "http://example.org:0/",
            "http://example.org:99999/",
            "http://256.256.256.256/",
            "http://[::1%25eth0]/",
            "http://exa mple.org/",
            "http://example.org/\nX: 1",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Target::parse("HTTPS://Example.ORG/hook?a=1#top").unwrap().as_str(), "https://example.org/hook?a=1");
    }
}
