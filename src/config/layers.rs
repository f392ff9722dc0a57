//! The layers of a configuration (file, `.env`, environment, flags), flattened to one entry per key, the
//! stronger layer winning; and what is wrong with any of them.

use super::{
    key::{Key, variable},
    keys::SECTIONS,
    mistake::{Mistake, Origin},
    setting::Setting,
    unavailable,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};
use toml::Value;

/// Where a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Given by `--config`; without it `portcullis.toml` in `directory`, if it is there.
    pub file: Option<PathBuf>,
    /// The working directory.
    pub directory: PathBuf,
    pub env: Vec<(OsString, OsString)>,
    /// Given by `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// Given by `--listen`.
    pub listen: Option<String>,
    /// The routes there are, such as `POST /entities/{type}`, for what names one.
    pub routes: Vec<String>,
    /// Whether to see if the data folder can be written to. A command for a running server must get
    /// through to it on a read-only disk, too.
    pub probe_folder: bool,
}

const PREFIX: &str = "PORTCULLIS_";
/// Hidden in every message.
pub(super) const HIDDEN: &str = "(hidden)";

#[derive(Clone, Debug)]
struct Entry {
    origin: Origin,
    value: Value,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    entries: BTreeMap<String, Entry>,
    mistakes: Vec<Mistake>,
    pub routes: Vec<String>,
}

impl Layers {
    pub(super) fn gather(sources: &Sources) -> Self {
        let mut layers = Self { routes: sources.routes.clone(), ..Self::default() };
        let file = sources.file.clone().unwrap_or_else(|| sources.directory.join("portcullis.toml"));
        layers.add_file(&file, sources.file.is_some());
        layers.add_dot_env(&file.with_file_name(".env"));
        for (name, value) in &sources.env {
            if let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) {
                let origin = Origin::Environment(name.to_owned());
                match value.to_str() {
                    Some(value) => layers.add_variable(name, value, origin),
                    None => layers.mistake(name, None, origin, "must be UTF-8 text"),
                }
            }
        }
        if let Some(path) = &sources.data_dir {
            layers.set("data_dir", Value::String(path.display().to_string()), Origin::Flag("--data-dir"));
        }
        if let Some(listen) = &sources.listen {
            layers.set("server.listen", Value::String(listen.clone()), Origin::Flag("--listen"));
        }
        layers
    }

    fn add_file(&mut self, path: &Path, asked_for: bool) {
        let origin = Origin::File(path.to_owned());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) if !asked_for && !may_be_there(path) => return,
            Err(cause) => return self.mistake("--config", None, origin, format!("cannot be read: {cause}")),
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table("", table, &origin),
            Err(cause) => {
                let line = cause.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
                let message = format!("is not TOML at line {line}: {}", cause.message());
                self.mistake("--config", None, origin, message);
            }
        }
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, origin: &Origin) {
        for (name, value) in table {
            let full = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            let heading = SECTIONS.iter().any(|section| section.name == full) || exact(&full).is_some_and(|k| k.table);
            match value {
                Value::Table(inner) if heading => self.add_table(&full, inner, origin),
                _ if SECTIONS.iter().any(|section| !section.name.is_empty() && section.name == full) => {
                    let message = format!("is a section; write [{full}] and its keys under it");
                    self.mistake(&full, None, origin.clone(), message);
                }
                value => self.set(&full, value, origin.clone()),
            }
        }
    }

    fn add_dot_env(&mut self, path: &Path) {
        let entries = match dotenvy::from_path_iter(path) {
            Ok(entries) => entries,
            Err(_) if !may_be_there(path) => return,
            Err(_) => {
                let message = "cannot be read; see its mode and owner";
                return self.mistake(".env", None, Origin::File(path.to_owned()), message);
            }
        };
        for (index, entry) in entries.enumerate() {
            match entry {
                Ok((name, value)) if name.starts_with(PREFIX) => {
                    self.add_variable(&name, &value, Origin::DotEnv(path.to_owned(), name.clone()));
                }
                Ok(_) => {}
                Err(_) => {
                    let message = format!("setting {} is not of the form NAME=value", index + 1);
                    self.mistake(".env", None, Origin::File(path.to_owned()), message);
                }
            }
        }
    }

    fn add_variable(&mut self, name: &str, text: &str, origin: Origin) {
        let full = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        if let Some(key) = covering(&full) {
            return self.set(&full, (key.from_text)(text), origin);
        }
        let meant =
            SECTIONS.iter().flat_map(|section| section.keys).find(|key| key.variable().replace("__", "_") == name);
        match meant {
            Some(key) => {
                let message = format!("there is no such key; did you mean {}?", key.variable());
                self.mistake(name, None, origin, message);
            }
            // Others set variables with our prefix too: an orchestrator's PORTCULLIS_PORT, for one.
            None if !full.contains('.') => {}
            None => self.unknown(&full, origin),
        }
    }

    fn set(&mut self, full: &str, value: Value, origin: Origin) {
        if covering(full).is_some() {
            self.entries.insert(full.to_owned(), Entry { origin, value });
        } else {
            self.unknown(full, origin);
        }
    }

    fn unknown(&mut self, full: &str, origin: Origin) {
        let section = full.split('.').next().unwrap_or(full);
        if unavailable::SECTIONS.contains(&section) {
            return self.mistake(full, None, origin, unavailable::MESSAGE);
        }
        let message = match (nearest(full), origin.locked()) {
            (Some(name), true) if exact(name).is_some() => {
                format!("there is no such key; did you mean {}?", variable(name))
            }
            (Some(name), _) => format!("there is no such key; did you mean {name}?"),
            (None, _) => "there is no such key; `portcullis config example` lists them".to_owned(),
        };
        self.mistake(full, None, origin, message);
    }

    /// Lays what the database keeps over the file, and under what is set from outside.
    pub(super) fn add_stored(&mut self, full: &str, value: &Value) {
        match covering(full) {
            Some(key) if key.live && self.origin(full).locked() => {}
            Some(key) if key.live => self.set(full, value.clone(), Origin::Database),
            Some(_) => self.mistake(full, None, Origin::Database, "cannot change while running"),
            None => self.unknown(full, Origin::Database),
        }
    }

    /// The value of a key, or its default where it is not set or not legal.
    pub(super) fn take<T: Setting>(&mut self, key: &'static Key, default: T) -> T {
        if T::TABLE {
            return self.take_table(key, default);
        }
        let Some(entry) = self.entries.get(key.name) else { return default };
        let in_range = key
            .range
            .is_none_or(|(least, most)| entry.value.as_integer().is_none_or(|number| (least..=most).contains(&number)));
        if let Some(value) = T::read(&entry.value).filter(|_| in_range) {
            return value;
        }
        self.refuse(key, key.name, format!("must be {}", key.legal()));
        default
    }

    fn take_table<T: Setting>(&mut self, key: &'static Key, default: T) -> T {
        let prefix = format!("{}.", key.name);
        let mut table = toml::Table::new();
        let mut illegal = Vec::new();
        for (full, entry) in &self.entries {
            let Some(name) = full.strip_prefix(&prefix) else {
                if full == key.name {
                    illegal.push(full.clone());
                }
                continue;
            };
            let one = toml::Table::from_iter([(name.to_owned(), entry.value.clone())]);
            if T::read(&Value::Table(one)).is_some() {
                table.insert(name.to_owned(), entry.value.clone());
            } else {
                illegal.push(full.clone());
            }
        }
        for full in illegal {
            self.refuse(key, &full, format!("must be {}", key.legal()));
        }
        T::read(&Value::Table(table)).unwrap_or(default)
    }

    /// Records that the value which `full` has is wrong.
    pub(super) fn refuse(&mut self, key: &Key, full: &str, message: impl Into<String>) {
        let entry = self.entries.get(full);
        let value = entry.map(|entry| entry.value.clone()).or_else(key.default);
        let origin = self.origin(full);
        self.mistake(full, value.map(|value| shown(key, &value)), origin, message);
    }

    pub(super) fn mistake(&mut self, key: &str, value: Option<String>, origin: Origin, message: impl Into<String>) {
        self.mistakes.push(Mistake { key: key.to_owned(), value, origin, message: message.into() });
    }

    /// Entries that were set, with their key.
    pub(super) fn given(&self) -> Vec<(String, &'static Key, Value)> {
        let entry = |(full, entry): (&String, &Entry)| Some((full.clone(), covering(full)?, entry.value.clone()));
        self.entries.iter().filter_map(entry).collect()
    }

    pub(super) fn origin(&self, full: &str) -> Origin {
        self.entries.get(full).map(|entry| entry.origin.clone()).unwrap_or_default()
    }

    pub(super) fn is_faulty(&self, full: &str) -> bool {
        self.mistakes.iter().any(|mistake| mistake.key == full)
    }

    pub(super) fn into_parts(self) -> (BTreeMap<String, Origin>, Vec<Mistake>) {
        (self.entries.into_iter().map(|(full, entry)| (full, entry.origin)).collect(), self.mistakes)
    }
}

/// The key or section whose name is most like this one, if any is.
pub(super) fn nearest(full: &str) -> Option<&'static str> {
    let keys = SECTIONS.iter().flat_map(|section| section.keys).map(|key| key.name);
    keys.chain(SECTIONS.iter().map(|section| section.name))
        .map(|name| (strsim::damerau_levenshtein(full, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

pub(super) fn exact(full: &str) -> Option<&'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys).find(|key| key.name == full)
}

/// The key that an entry of this full name belongs to: itself, or the table that it stands in.
pub(super) fn covering(full: &str) -> Option<&'static Key> {
    let mut tables = SECTIONS.iter().flat_map(|section| section.keys).filter(|key| key.table);
    let holds = |key: &&Key| {
        full.strip_prefix(key.name).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| !rest.is_empty())
    };
    exact(full).or_else(|| tables.find(holds))
}

/// A value as people may see it: secrets hidden, passwords in addresses too.
pub(super) fn shown(key: &Key, value: &Value) -> String {
    if key.secret {
        return HIDDEN.to_owned();
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(|entry| shown(key, entry)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    match text.split_once("://").zip(text.rsplit_once('@')) {
        Some(((scheme, _), (_, rest))) => format!("{scheme}://{HIDDEN}@{rest}"),
        None => text.escape_debug().to_string(),
    }
}

/// Whether there is something that has to be read. In a folder that may not be looked into there is not: commands run
/// as the service's user, from wherever an administrator stands.
fn may_be_there(path: &Path) -> bool {
    let missing = |cause: io::Error| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
    !fs::symlink_metadata(path).is_err_and(missing)
}
