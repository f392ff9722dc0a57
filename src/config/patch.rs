//! A merge patch of what may change while running: read strictly, every fault with its place.

use super::{
    Loaded, Mistakes,
    checks::is_available,
    key::Key,
    keys::SECTIONS,
    layers::{covering, exact, nearest},
    live::Stored,
};
use crate::error::Faults;
use serde_json::{Map, Value as Json};
use toml::Value;

/// Entries that are kept, at most; and the characters of a free name.
const MOST: usize = 1000;
const LONGEST_NAME: usize = 200;

/// What a patch does, by full name: a value, or none to go back to what file and default say.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    changes: Vec<(String, Option<Value>)>,
    /// Whole tables and sections that go back.
    cleared: Vec<String>,
}

impl Patch {
    /// Reads a tree such as `{"limits": {"public_per_minute": 30}}`.
    pub fn read(tree: &Map<String, Json>, loaded: &Loaded, faults: &mut Faults) -> Self {
        let mut patch = Self::default();
        for (name, value) in tree {
            let at = pointer("", name);
            if let Some(key) = exact(name) {
                patch.key(key, value, &at, loaded, faults);
            } else if SECTIONS.iter().any(|section| !section.name.is_empty() && section.name == name) {
                patch.section(name, value, &at, loaded, faults);
            } else {
                unknown(name, at, faults);
            }
        }
        patch
    }

    fn section(&mut self, section: &str, value: &Json, at: &str, loaded: &Loaded, faults: &mut Faults) {
        match value {
            Json::Null => self.cleared.push(format!("{section}.")),
            Json::Object(members) => {
                for (name, value) in members {
                    let (full, at) = (format!("{section}.{name}"), pointer(at, name));
                    match exact(&full) {
                        Some(key) => self.key(key, value, &at, loaded, faults),
                        None => unknown(&full, at, faults),
                    }
                }
            }
            _ => faults.push(at, "wrong_type", format!("`{section}` is a section: an object of its keys.")),
        }
    }

    fn key(&mut self, key: &'static Key, value: &Json, at: &str, loaded: &Loaded, faults: &mut Faults) {
        if !is_available(key) {
            return faults.push(at, "unavailable", format!("`{}` is not available in this version.", key.name));
        }
        if !key.live {
            let advice = "Set it in the configuration file and restart the server.";
            return faults.push(at, "needs_restart", format!("`{}` cannot change while running. {advice}", key.name));
        }
        if !key.table {
            return self.entry(key, key.name.to_owned(), value, at, loaded, faults);
        }
        match value {
            Json::Null => self.cleared.push(format!("{}.", key.name)),
            Json::Object(entries) => {
                for (name, value) in entries {
                    let at = pointer(at, name);
                    if name.is_empty() || name.chars().count() > LONGEST_NAME {
                        let rule = format!("A name here has 1 to {LONGEST_NAME} characters.");
                        faults.push(at, "invalid", rule);
                    } else {
                        self.entry(key, format!("{}.{name}", key.name), value, &at, loaded, faults);
                    }
                }
            }
            _ => faults.push(at, "wrong_type", format!("`{}` is an object; each entry is {}.", key.name, key.legal())),
        }
    }

    fn entry(&mut self, key: &Key, full: String, value: &Json, at: &str, loaded: &Loaded, faults: &mut Faults) {
        let origin = loaded.given_origin(&full);
        if origin.locked() {
            let message = format!(
                "`{full}` is set by {origin}, which wins over what is set here. Change it there, then restart."
            );
            return faults.push(at, "locked", message);
        }
        match value {
            Json::Null => self.changes.push((full, None)),
            value => match to_toml(value) {
                Some(value) => self.changes.push((full, Some(value))),
                None => faults.push(at, "invalid", format!("`{full}` must be {}.", key.legal())),
            },
        }
    }

    /// Lays the patch over what is kept.
    pub fn apply(&self, stored: &mut Stored) {
        stored.retain(|full, _| !self.cleared.iter().any(|above| full.starts_with(above.as_str())));
        for (full, value) in &self.changes {
            match value {
                Some(value) => stored.insert(full.clone(), value.clone()),
                None => stored.remove(full),
            };
        }
    }

    /// What is kept after the patch, checked as at start; everything wrong with it by its place in the tree.
    pub fn checked(&self, stored: &Stored, loaded: &Loaded, faults: &mut Faults) -> Option<(Stored, Loaded)> {
        let (mut legal, _) = loaded.legal_part(stored);
        self.apply(&mut legal);
        if legal.len() > MOST {
            faults.push("", "too_many", format!("At most {MOST} settings are kept."));
            return None;
        }
        match loaded.with_stored(&legal) {
            Ok(next) => {
                let mut kept = stored.clone();
                self.apply(&mut kept);
                Some((kept, next))
            }
            Err(Mistakes(mistakes)) => {
                for mistake in mistakes {
                    let message = format!("`{}`: {}", mistake.key, mistake.message);
                    faults.push(pointer_of(&mistake.key), "invalid", message);
                }
                None
            }
        }
    }
}

/// The tree that sets one key from text, as the environment would; without text it goes back.
pub fn text_change(full: &str, text: Option<&str>) -> Map<String, Json> {
    let value = match (covering(full), text) {
        (_, None) => Json::Null,
        (Some(key), Some(text)) => serde_json::to_value((key.from_text)(text)).unwrap_or(Json::Null),
        (None, Some(text)) => Json::String(text.to_owned()),
    };
    let parts = parts(full);
    let tree =
        parts.into_iter().rev().fold(value, |inner, part| Json::Object(Map::from_iter([(part.to_owned(), inner)])));
    match tree {
        Json::Object(tree) => tree,
        _ => Map::new(),
    }
}

/// The names on the way to an entry: a free name is one, whatever it holds.
pub(super) fn parts(full: &str) -> Vec<&str> {
    match covering(full).filter(|key| key.table && key.name.len() < full.len()) {
        Some(key) => key.name.split('.').chain([&full[key.name.len() + 1..]]).collect(),
        None => full.split('.').collect(),
    }
}

fn pointer(above: &str, name: &str) -> String {
    format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn pointer_of(full: &str) -> String {
    parts(full).into_iter().fold(String::new(), |above, part| pointer(&above, part))
}

fn unknown(full: &str, at: String, faults: &mut Faults) {
    let message = match nearest(full) {
        Some(name) => format!("There is no setting `{full}`; did you mean `{name}`?"),
        None => format!("There is no setting `{full}`; GET /settings lists them."),
    };
    faults.push(at, "unknown_field", message);
}

fn to_toml(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Bool(on) => Value::Boolean(*on),
        Json::Number(number) => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Float))?,
        Json::String(text) => Value::String(text.clone()),
        Json::Array(list) => Value::Array(list.iter().map(to_toml).collect::<Option<_>>()?),
        Json::Null | Json::Object(_) => return None,
    })
}
