//! Which actions of the audit log a webhook wants to hear of.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const LONGEST: usize = 100;

/// `*` for everything, `user.*` for all that is done to users, `user.created` for one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pattern(String);

crate::described::text_schema!(Pattern, "pattern", "An event, or all of a kind: `user.created`, `user.*`, `*`.");

impl Pattern {
    pub fn matches(&self, action: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => action.starts_with(beginning),
            None => self.0 == action,
        }
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let good =
            text == "*" || text.split_once('.').is_some_and(|(noun, verb)| word(noun) && (verb == "*" || word(verb)));
        if good && text.len() <= LONGEST {
            Ok(Self(text.to_owned()))
        } else {
            Err("not an action such as user.created, user.* for all of a kind, or * for everything")
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_words() {
        let matches = |pattern: &str, action: &str| pattern.parse::<Pattern>().unwrap().matches(action);
        assert!(
            matches("*", "user.created")
                && matches("user.*", "user.created")
                && matches("user.created", "user.created")
        );
        assert!(!matches("user.*", "users.created") && !matches("user.created", "user.created_twice"));
        for bad in
            ["", "user", "user.", ".created", "us*", "user.cre*", "User.created", "*.created", "user..created", "a.b.c"]
        {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
