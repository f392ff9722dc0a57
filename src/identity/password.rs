//! Passwords: one form of each (Unicode NFC), at least so long, at most 72 bytes (what bcrypt takes in),
//! and nothing that is tried first: common ones, keyboard walks, repetitions, the account's own name.

use crate::{error::Fault, validate::is_deceptive};
use serde::Deserialize;
use std::{borrow::Cow, collections::HashSet, fmt, sync::LazyLock};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use zeroize::Zeroizing;

/// What bcrypt takes in; anything longer would equal its own prefix.
pub const MAX_BYTES: usize = 72;

/// Bytes that are brought to one form, at most; the form of longer texts does not matter.
const LONGEST_TYPED: usize = 4096;

/// What must remain of a password once the parts that can be guessed are taken away.
const LEAST_OF_ITS_OWN: usize = 8;
/// Characters at least where a second factor is required beside the password.
const MIN_WITH_FACTOR: usize = 8;

/// A password as it was typed, in NFC. Spaces and control characters are part of it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

crate::described::text_schema!(Password, "password", "At most 72 bytes in UTF-8, taken as it is typed.");

impl Password {
    pub fn new(text: &str) -> Self {
        // So long a text is over 72 bytes in any form, and equals no password.
        if text.len() > LONGEST_TYPED {
            return Self(Zeroizing::new(text.to_owned()));
        }
        Self(Zeroizing::new(text.nfc().collect()))
    }

    /// What is hashed. bcrypt ends its input at a NUL and repeats it, so a NUL inside is written as bytes that
    /// UTF-8 never contains.
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() + 8));
        for &byte in self.0.as_bytes() {
            if byte == 0 { bytes.extend_from_slice(&[0xC0, 0x80]) } else { bytes.push(byte) }
        }
        bytes
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

/// What a new password must be like.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Characters at least.
    pub min: usize,
}

impl Policy {
    /// The policy for accounts that must have a second factor.
    pub fn with_factor(self) -> Self {
        Self { min: self.min.min(MIN_WITH_FACTOR) }
    }

    /// `Ok` when `password` will do for the account of `email` and `name`; else why not, at `pointer`.
    pub fn check(self, password: &Password, email: &str, name: Option<&str>, pointer: &str) -> Result<(), Fault> {
        self.check_unless(password, email, name, pointer, || false)
    }

    /// [`Policy::check`], where somebody may let a common password pass.
    pub fn check_unless(
        self,
        password: &Password,
        email: &str,
        name: Option<&str>,
        pointer: &str,
        lets_common_pass: impl FnOnce() -> bool,
    ) -> Result<(), Fault> {
        let fault = |code: &'static str, message: String| {
            Err(Fault { pointer: pointer.to_owned(), code: code.into(), message })
        };
        let text = password.0.as_str();
        if text.chars().count() < self.min {
            return fault("too_short", format!("A password has at least {} characters.", self.min));
        }
        let bytes = password.bytes().len();
        if bytes > MAX_BYTES {
            return fault("too_long", format!("A password has at most {MAX_BYTES} bytes; this one has {bytes}."));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        if (is_common(&lower) || is_common(&plain_form(&lower))) && !lets_common_pass() {
            return fault("too_common", "This is among the passwords tried first. Take a few unrelated words.".into());
        }
        let own = without_account(&lower, email, name);
        if own.len() < lower.len() && (own.chars().count() < LEAST_OF_ITS_OWN || is_common(&own)) {
            return fault(
                "too_personal",
                "This follows from the account's address or name. Take a few unrelated words.".into(),
            );
        }
        Ok(())
    }
}

/// As a text that only looks different is read: wide and styled letters plain, accents and what sets letters apart gone.
fn plain_form(lower: &str) -> Zeroizing<String> {
    let is_between = |c: char| c.is_whitespace() || c.is_control() || is_deceptive(c) || is_combining_mark(c);
    let letters = lower.nfkd().filter(|&c| !is_between(c) && !matches!(c, '-' | '_' | '.' | ',' | '/'));
    Zeroizing::new(letters.flat_map(char::to_lowercase).collect())
}

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

const ROWS: [&str; 12] = [
    "1234567890-=",
    "!@#$%^&*()_+",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "0987654321",
];

/// `lower` is a known password, one with digits and signs around it, a walk, or a short thing repeated.
fn is_common(lower: &str) -> bool {
    let stem = lower.trim_matches(|c: char| !c.is_alphabetic());
    let around = lower.chars().count() - stem.chars().count();
    let plain = unleet(lower);
    let plain_stem = plain.trim_matches(|c: char| !c.is_alphabetic());
    let known = |text: &str| COMMON.contains(text);
    known(lower)
        || known(&plain)
        || (around <= LEAST_OF_ITS_OWN && (known(stem) || known(&unleet(stem)) || known(plain_stem)))
        || is_walk(lower)
        || repeated_unit(lower).is_some_and(|unit| unit < LEAST_OF_ITS_OWN || known(&prefix(lower, unit)))
}

fn prefix(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Undoes the usual signs for letters.
fn unleet(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

/// Mostly made of steps to the same, the next, the one before, or the neighbouring key.
fn is_walk(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let breaks = chars.windows(2).filter(|pair| !is_step(pair[0], pair[1])).count();
    chars.len() >= 4 && (breaks + 1) * 4 <= chars.len()
}

fn is_step(from: char, to: char) -> bool {
    if (u32::from(from)).abs_diff(u32::from(to)) <= 1 {
        return true;
    }
    let beside = |row: &str| {
        let keys: Vec<char> = row.chars().collect();
        keys.windows(2).any(|pair| (pair[0] == from && pair[1] == to) || (pair[1] == from && pair[0] == to))
    };
    ROWS.iter().any(|row| beside(row))
}

/// The length of the shortest unit that `text` repeats, when it does so at least twice.
fn repeated_unit(text: &str) -> Option<usize> {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).find(|&unit| chars.iter().enumerate().all(|(at, c)| *c == chars[at % unit]))
}

/// What is left of `lower` without the parts of the address and the name.
fn without_account(lower: &str, email: &str, name: Option<&str>) -> Zeroizing<String> {
    let whole = [email.to_lowercase(), email.split('@').next().unwrap_or_default().to_lowercase()];
    let name = name.unwrap_or_default().to_lowercase();
    let mut parts: Vec<String> = whole
        .iter()
        .chain([&name])
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>())
        .chain(whole.iter().cloned())
        .chain([name.replace(' ', "")])
        .filter(|part| part.chars().count() >= 3)
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let mut left = Zeroizing::new(lower.to_owned());
    for part in parts {
        left = Zeroizing::new(left.replace(&part, ""));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let policy = Policy { min: 12 };
        let outcome = policy.check(&Password::new(text), "jane.doe@lighthouse.example", Some("Jane Doe"), "/password");
        outcome.err().map(|fault| fault.code.into_owned())
    }

    #[test]
    fn good_passwords_pass() {
        for good in [
            "correct horse battery stable",
            "kettle-orbit-92-violin",
            "x9$Kq2!vLp0z",
            "sixty-four characters with spaces in them, as many as one likes.",
            "🦀🌋🎻🧊🛶🧲🪁🧭🪵🧵🧶🪡",
            "nothing personal jane",
            " leading and trailing ",
        ] {
            assert_eq!(refusal(good), None, "{good}");
        }
    }

    #[test]
    fn passwords_tried_first_are_refused() {
        for bad in [
            "password1234",
            "P@ssw0rd2024!",
            "qwertyuiop12",
            "123456789012",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "1qaz2wsx3edc",
            "abcdefghijkl",
            "iloveyou1234",
            "administrator",
            "passwordpassword",
            "pass word 1234",
            "p-a-s-s-w-o-r-d",
            "ｐａｓｓｗｏｒｄ１２３４",
            "𝓹𝓪𝓼𝓼𝔀𝓸𝓻𝓭1234",
            "pàsswörd1234",
            "pass\u{200b}word1234",
            "q w e r t y u i o p",
            "1 2 3 4 5 6 7 8 9",
        ] {
            assert_eq!(refusal(bad).as_deref(), Some("too_common"), "{bad}");
        }
    }

    #[test]
    fn passwords_from_the_account_are_refused() {
        for bad in ["jane.doe@lighthouse.example", "janedoe-2024", "Lighthouse123", "doe jane doe jane 1"] {
            assert_eq!(refusal(bad).as_deref(), Some("too_personal"), "{bad}");
        }
    }

    #[test]
    fn length_counts_characters_below_and_bytes_above() {
        assert_eq!(refusal("short").as_deref(), Some("too_short"));
        assert_eq!(refusal(&"kx7 ".repeat(18)).as_deref(), Some("too_common"));
        let long = "long enough to be refused, since it has more than seventy-two bytes in it";
        assert_eq!(long.len(), 73);
        assert_eq!(refusal(long).as_deref(), Some("too_long"));
        assert_eq!(refusal(&long[..72]), None);
    }

    #[test]
    fn composed_and_decomposed_forms_are_one_and_nul_counts() {
        assert_eq!(*Password::new("Zu\u{308}rich").bytes(), *Password::new("Z\u{fc}rich").bytes());
        assert_ne!(*Password::new("ab\0").bytes(), *Password::new("ab").bytes());
        assert_ne!(*Password::new("ab ").bytes(), *Password::new("ab").bytes());
    }
}
