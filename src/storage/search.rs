//! Full-text search: words of entities' names and data, found by an index where a type has one, else by looking.
//! Both take a text apart in the same way, so they find the same.

mod index;

pub(super) use index::settle;
pub use index::{SearchIndex, drop_index, finish, is_scattered, make_index, merge, take_in};

use super::Param;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A search text in bytes, and its words, at most.
const LENGTH: usize = 1000;
const WORDS: usize = 16;
/// Letters of a word that count.
const LETTERS: usize = 64;

type Paths = Vec<Vec<String>>;

/// The words of a text, in small letters and without accents.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut letters = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    std::iter::from_fn(move || {
        let mut word = String::new();
        let mut length = 0;
        for c in letters.by_ref() {
            if !c.is_alphanumeric() {
                if length > 0 {
                    break;
                }
                continue;
            }
            length += 1;
            if length <= LETTERS {
                word.push(c);
            }
        }
        (length > 0).then_some(word)
    })
}

/// What to search for: every word, the last one also as the beginning of a longer one. Nothing in it is an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Words(Vec<String>);

impl Words {
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |message: String| Err(Error::invalid_at("/q", "too_long", message));
        if text.len() > LENGTH {
            return refused(format!("A search has at most {LENGTH} bytes."));
        }
        let words: Vec<String> = words(text).collect();
        if words.len() > WORDS {
            return refused(format!("A search has at most {WORDS} words."));
        }
        Ok(Self(words))
    }

    /// Whether a word of a text is one of these, and which.
    fn find(&self, word: &str, found: &mut [bool]) {
        for (index, wanted) in self.0.iter().enumerate() {
            let beginning = index + 1 == self.0.len();
            found[index] |= word == wanted || (beginning && word.starts_with(wanted.as_str()));
        }
    }

    /// As a value for [`looks_like`].
    pub fn param(&self) -> Param<'static> {
        Param::Owned(serde_json::to_string(self).unwrap_or_default())
    }
}

/// The part of `data` that may be looked into.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sight {
    /// None: everything.
    pub only: Option<Paths>,
    pub hidden: Paths,
}

impl Sight {
    pub fn param(&self) -> Param<'static> {
        Param::Owned(serde_json::to_string(self).unwrap_or_default())
    }
}

/// The condition that an entity's name and data hold the words: `sight` and `words` are the places of their values.
pub fn looks_like(name: &str, data: &str, sight: &str, words: &str) -> String {
    format!("(holds_words({name}, {data}, {sight}, {words}) = 1)")
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A value of [`looks_like`] as it was given.
pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Cause> {
    serde_json::from_str(text).map_err(Into::into)
}

/// What stands behind [`looks_like`].
pub(super) fn holds_words(name: Option<&str>, data: &str, sight: &Sight, words: &Words) -> bool {
    let mut found = vec![false; words.0.len()];
    let mut look = |text: &str| self::words(text).for_each(|word| words.find(&word, &mut found));
    if let Some(name) = name {
        look(name);
    }
    if let Ok(data) = serde_json::from_str::<Value>(data) {
        let roots = sight.only.clone().unwrap_or_else(|| vec![Vec::new()]);
        for mut path in roots {
            if let Some(value) = at(&data, &path) {
                texts(value, &mut path, &sight.hidden, &mut look);
            }
        }
    }
    !found.is_empty() && found.into_iter().all(|found| found)
}

fn at<'v>(data: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(data, |value, key| value.get(key))
}

/// The texts and numbers under a value, without what is hidden. What is hidden in an array hides its items.
fn texts(value: &Value, path: &mut Vec<String>, hidden: &[Vec<String>], look: &mut impl FnMut(&str)) {
    if hidden.contains(path) {
        return;
    }
    match value {
        Value::String(text) => look(text),
        Value::Number(number) => look(&number.to_string()),
        Value::Array(items) if hidden.iter().all(|hidden| !hidden.starts_with(path)) => {
            for item in items {
                texts(item, path, hidden, look);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                texts(member, path, hidden, look);
                path.pop();
            }
        }
        _ => {}
    }
}
