//! An e-mail address, parsed once: the domain in lower case, and a key by which addresses are equal.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};
use unicode_normalization::UnicodeNormalization;

/// Bytes of an address, however it is typed, at most.
const LONGEST_TYPED: usize = 4096;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    text: String,
    key: String,
}

/// The text was not an e-mail address such as `name@example.com`.
#[derive(Debug, thiserror::Error)]
#[error("not an e-mail address such as name@example.com")]
pub struct NotAnEmail;

impl Email {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What two spellings of one address have in common.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key of what somebody typed, whether it is an address or not.
    pub fn key_of(text: &str) -> String {
        let text = text.trim();
        // No address is so long: it belongs to nobody, and is not worth the time to fold it.
        if text.len() > LONGEST_TYPED {
            return text.to_owned();
        }
        text.parse().map_or_else(|_| text.to_lowercase(), |email: Self| email.key)
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        if text.len() > LONGEST_TYPED {
            return Err(NotAnEmail);
        }
        let text: String = text.nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        if text.len() > 254 || local.len() > 64 || !is_local(local) || !is_domain(domain) {
            return Err(NotAnEmail);
        }
        let text = format!("{local}@{}", domain.to_lowercase());
        let key = text.to_lowercase();
        Ok(Self { text, key })
    }
}

fn is_local(local: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(allowed))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    })
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_key() {
        let one: Email = "Jane.Doe+x@Example.COM".parse().unwrap();
        assert_eq!(one.as_str(), "Jane.Doe+x@example.com");
        assert_eq!(one.key(), "jane.doe+x@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in
            ["", "jane", "@example.com", "jane@", "ja ne@example.com", "jane@exa mple.com", "a\0b@c.d", "a@b@c.d"]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
        for bad in ["jane@-x.example", ".jane@x.example", "jane@x..example", "jane@example.com\n"] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
        assert!(format!("{}@example.com", "x".repeat(65)).parse::<Email>().is_err());
    }
}
