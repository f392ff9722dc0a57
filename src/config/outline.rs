//! What may change while running, as callers see it: the values as a tree, and each key with its meaning.

use super::{Loaded, checks::is_available, key::Key, patch::parts, setting::Shape};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Everything that may change while running.
#[derive(Clone, Debug, Serialize)]
pub struct Outline {
    pub values: Json,
    pub settings: Vec<OutlineKey>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub struct OutlineKey {
    pub key: &'static str,
    pub value: Json,
    pub default: Json,
    pub source: &'static str,
    /// Set from outside, so that a change here would do nothing.
    pub locked: bool,
    /// Where exactly the value comes from, in words.
    pub origin: String,
    pub legal: String,
    pub help: &'static str,
    #[serde(flatten)]
    pub shape: Shape,
    /// Where each entry of a table comes from.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub entries: BTreeMap<String, Given>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Given {
    pub source: &'static str,
    pub locked: bool,
    pub origin: String,
}

impl Loaded {
    /// What may change while running, and what holds of it now.
    pub fn outline(&self) -> Outline {
        let mut values = Json::Object(Map::new());
        let mut settings = Vec::new();
        for (key, value) in self.config.values() {
            if !key.live || !is_available(key) {
                continue;
            }
            let value = json(value);
            insert(&mut values, key.name, value.clone());
            settings.push(self.outline_of(key, value));
        }
        Outline { values, settings }
    }

    /// The values that the database keeps, as a tree.
    pub fn stored_tree(&self) -> Json {
        let mut tree = Json::Object(Map::new());
        for (full, value) in self.entries().filter(|(full, _)| self.origin(full).word() == "database") {
            insert(&mut tree, &full, value);
        }
        tree
    }

    /// What may change while running by full name: one entry for each name in a table.
    pub fn entries(&self) -> impl Iterator<Item = (String, Json)> {
        self.config.values().into_iter().filter(|(key, _)| key.live && is_available(key)).flat_map(|(key, value)| {
            match value {
                Some(toml::Value::Table(entries)) => entries
                    .into_iter()
                    .map(|(name, value)| (format!("{}.{name}", key.name), json(Some(value))))
                    .collect(),
                value => vec![(key.name.to_owned(), json(value))],
            }
        })
    }

    fn outline_of(&self, key: &'static Key, value: Json) -> OutlineKey {
        let origin = self.origin(key.name);
        let source = |name: &String| {
            let origin = self.origin(&format!("{}.{name}", key.name));
            (name.clone(), Given { source: origin.word(), locked: origin.locked(), origin: origin.to_string() })
        };
        let entries: BTreeMap<_, _> = match &value {
            Json::Object(members) if key.table => members.keys().map(source).collect(),
            _ => BTreeMap::new(),
        };
        // A table comes from where the strongest of its entries does.
        let strongest = ["flag", "environment", "dotenv", "database", "file"]
            .into_iter()
            .find(|word| entries.values().any(|entry| entry.source == *word));
        OutlineKey {
            key: key.name,
            value,
            default: json((key.default)()),
            source: strongest.unwrap_or(origin.word()),
            locked: origin.locked() || (!entries.is_empty() && entries.values().all(|entry| entry.locked)),
            origin: origin.to_string(),
            legal: key.legal(),
            help: key.help.trim(),
            shape: (key.shape)(),
            entries,
        }
    }
}

fn json(value: Option<toml::Value>) -> Json {
    value.and_then(|value| serde_json::to_value(value).ok()).unwrap_or(Json::Null)
}

fn insert(tree: &mut Json, full: &str, value: Json) {
    let mut place = tree;
    let parts = parts(full);
    for part in &parts {
        place = &mut place[*part];
    }
    *place = value;
}
