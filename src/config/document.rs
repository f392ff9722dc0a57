//! The table of keys as people read it: the example files, the documentation, and `config show`.

use super::{
    Loaded,
    checks::is_available,
    key::{Key, Section},
    keys::SECTIONS,
    layers::{HIDDEN, shown},
};
use serde_json::json;
use std::fmt::Write as _;
use toml::Value;

const BARE: &str = "The configuration of Portcullis";

/// A `portcullis.toml` in which every key stands with its default, commented out.
pub fn toml_example() -> String {
    let mut text = format!("# {BARE}. Lines that start with # are off; the values shown are the defaults.\n");
    for section in sections() {
        if !section.name.is_empty() {
            let _ = write!(text, "\n\n# {}\n[{}]\n", section.help.trim(), section.name);
        }
        for key in keys(section) {
            let _ = write!(text, "\n# {}\n# Must be {}.\n", key.help.trim(), key.legal());
            let _ = match default(key) {
                _ if key.table => writeln!(text, "#[{}]", key.name),
                Some(value) => writeln!(text, "#{} = {value}", last_part(key)),
                None => writeln!(text, "#{} =", last_part(key)),
            };
        }
    }
    text
}

/// A `.env` in which every variable stands with its default, commented out.
pub fn env_example() -> String {
    let mut text =
        format!("# {BARE} by environment. Lines that start with # are off; the values shown are the defaults.\n");
    for key in sections().flat_map(keys) {
        let _ = match default(key) {
            _ if key.table => write!(text, "\n# {}\n#{}__{{NAME}}=\n", key.help.trim(), key.variable()),
            value => {
                let value = value.as_ref().map(plain).unwrap_or_default();
                write!(text, "\n# {}\n#{}={value}\n", key.help.trim(), key.variable())
            }
        };
    }
    text
}

/// The documentation of all keys.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
        Read from `portcullis.toml` in the working directory (or the file that `--config` names), then from a `.env` \
        beside it, then from the environment, then from flags; the later wins. \
        Keys marked live may change while the server runs (`PATCH /api/v1/settings`, the console's settings, or \
        `portcullis config set KEY VALUE`): what was changed is kept in the database, wins over the file, and gives way \
        to `.env`, environment and flags. In the environment `server.listen` is \
        `PORTCULLIS_SERVER__LISTEN`, and lists are separated by commas. In `.env` a value with `$`, `#` or spaces stands in single quotes. `portcullis config check` names every mistake, \
        `portcullis config show` says what holds and where it comes from, `portcullis config example` writes a file to \
        start from.\n",
    );
    for section in sections() {
        let _ = match section.name {
            "" => write!(text, "\n## Top level\n"),
            name => write!(text, "\n## [{name}]\n\n{}\n", section.help.trim()),
        };
        text.push_str("\n| key | default | must be | live | what it does |\n| --- | --- | --- | --- | --- |\n");
        for key in keys(section) {
            let default =
                default(key).filter(|_| !key.table).map_or("not set".to_owned(), |value| format!("`{value}`"));
            let live = if key.live { "yes" } else { "" };
            let cells = [format!("`{}`", key.name), default, key.legal(), live.to_owned(), key.help.trim().to_owned()];
            let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
    }
    let reserved = SECTIONS.iter().flat_map(|section| section.keys).filter(|key| !is_available(key));
    let reserved: Vec<_> = reserved.map(|key| format!("`{}`", key.name)).collect();
    if !reserved.is_empty() {
        let _ = write!(
            text,
            "\n## Not available in this version\n\nThese names are kept for later, and setting them is refused: {}.\n",
            reserved.join(", ")
        );
    }
    text
}

impl Loaded {
    /// What holds and where it comes from, as a file; secrets are hidden.
    pub fn show(&self) -> String {
        let mut text = String::new();
        let mut heading = "";
        for (key, value) in self.config.values() {
            let section = key.name.split_once('.').map_or("", |(section, _)| section);
            if section != heading {
                let _ = write!(text, "\n[{section}]\n");
                heading = section;
            }
            let _ = match value {
                Some(Value::Table(entries)) => entries.iter().try_for_each(|(name, value)| {
                    let origin = self.origin(&format!("{}.{name}", key.name));
                    writeln!(text, "{}.{name} = {value}  # {origin}", last_part(key))
                }),
                Some(value) => {
                    let value = masked(key, value);
                    writeln!(text, "{} = {value}  # {}", last_part(key), self.origin(key.name))
                }
                None => writeln!(text, "# {} is not set", last_part(key)),
            };
        }
        text
    }

    /// The same as one JSON object by full key name.
    pub fn show_json(&self) -> serde_json::Value {
        let entry = |(key, value): (&'static Key, Option<Value>)| {
            let (origin, table) = (self.origin(key.name), format!("{}.", key.name));
            let locked = origin.locked() || self.origins.iter().any(|(k, o)| k.starts_with(&table) && o.locked());
            let value = value.map(|value| masked(key, value));
            (key.name.to_owned(), json!({ "value": value, "source": origin.to_string(), "locked": locked }))
        };
        serde_json::Value::Object(self.config.values().into_iter().map(entry).collect())
    }
}

fn masked(key: &Key, value: Value) -> Value {
    match value {
        _ if key.secret => Value::String(HIDDEN.to_owned()),
        Value::String(_) => Value::String(shown(key, &value)),
        other => other,
    }
}

fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().filter(|section| section.keys.iter().any(is_available))
}

fn keys(section: &'static Section) -> impl Iterator<Item = &'static Key> {
    section.keys.iter().filter(|key| is_available(key))
}

fn default(key: &Key) -> Option<Value> {
    (key.default)()
}

fn last_part(key: &Key) -> &'static str {
    key.name.rsplit_once('.').map_or(key.name, |(_, last)| last)
}

/// A value as the environment would say it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
