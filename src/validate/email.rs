//! An e-mail address, parsed once: what mail servers take in practice of RFC 5321 and 5322 (no comments, no quotes,
//! no address literals), and a key by which addresses are equal.
//!
//! A domain is kept in its ASCII form (IDNA): so its spellings are one, a look-alike is seen as such, and every mail
//! server takes it. The part before the `@` may hold letters of any script.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};
use unicode_normalization::UnicodeNormalization;
use url::Host;

/// Bytes of an address, however it is typed, at most.
const LONGEST_TYPED: usize = 4096;
/// Bytes of an address and of what stands before the `@` (RFC 5321).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    text: String,
    key: String,
}

crate::described::text_schema!(Email, "email", "An address such as ada@example.org.");

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
        if text.len() > LONGEST || local.len() > LONGEST_LOCAL || !is_local(local) || !is_domain(domain) {
            return Err(NotAnEmail);
        }
        let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(NotAnEmail) };
        let text = format!("{local}@{domain}");
        let key = text.to_lowercase().nfc().collect();
        if text.len() > LONGEST || !is_domain(&domain) { Err(NotAnEmail) } else { Ok(Self { text, key }) }
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
    use proptest::prelude::*;

    #[test]
    fn one_address_has_one_key() {
        let one: Email = "Jane.Doe+x@Example.COM".parse().unwrap();
        assert_eq!(one.as_str(), "Jane.Doe+x@example.com");
        assert_eq!(one.key(), "jane.doe+x@example.com");
        for same in ["jürgen@bücher.example", "JU\u{308}RGEN@BU\u{308}CHER.Example", "jürgen@xn--bcher-kva.example"]
        {
            let address: Email = same.parse().unwrap();
            assert_eq!(address.key(), "jürgen@xn--bcher-kva.example", "{same}");
            assert_eq!(Email::key_of(&format!(" {same} ")), address.key());
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "jane",
            "@example.com",
            "jane@",
            "ja ne@example.com",
            "jane@exa mple.com",
            "a\0b@c.d",
            "a@b@c.d",
            "jane@-x.example",
            ".jane@x.example",
            "jane.@x.example",
            "ja..ne@x.example",
            "jane@x..example",
            "jane@x.example.",
            "jane@example.com\n",
            "jane@example.com\r\nBcc: all@example.com",
            "jane\u{202e}@example.com",
            "jane@exam\u{200b}ple.com",
            "jane@1.2.3.4",
            "jane@[1.2.3.4]",
            "jane@127.1",
            "\"jane doe\"@example.com",
            "jane(comment)@example.com",
            "Jane <jane@example.com>",
            "jane@exam_ple.com",
            "jane@xn--a.example",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@example.com", "x".repeat(65)).parse::<Email>().is_err());
        assert!(format!("a@{}.example", "x".repeat(64)).parse::<Email>().is_err());
        let label = "x".repeat(60);
        assert!(format!("a@{label}.{label}.{label}.{label}.example").parse::<Email>().is_ok());
        assert!(format!("abcdefghijk@{label}.{label}.{label}.{label}.example").parse::<Email>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_line_and_its_own_normal_form(local in "\\PC{1,20}", domain in "\\PC{1,20}") {
            if let Ok(email) = format!("{local}@{domain}").parse::<Email>() {
                let again: Email = email.as_str().parse().unwrap();
                prop_assert_eq!((again.as_str(), again.key()), (email.as_str(), email.key()));
                prop_assert!(!email.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
                prop_assert_eq!(Email::key_of(email.as_str()), email.key());
                let host = email.as_str().rsplit_once('@').unwrap().1;
                prop_assert!(host.is_ascii());
            }
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            let _ = (text.parse::<Email>().is_ok(), Email::key_of(&text));
        }
    }
}
