//! One key of the configuration, and the section that it stands in.

use super::setting::Shape;
use toml::Value;

/// One key, as the documentation needs it.
#[derive(Debug)]
pub struct Key {
    /// With its section: `server.listen`.
    pub name: &'static str,
    pub help: &'static str,
    pub secret: bool,
    /// Whether it holds entries of free names.
    pub table: bool,
    /// Whether it may change while the server runs.
    pub live: bool,
    /// What it takes, for whoever shows a field for it.
    pub shape: fn() -> Shape,
    pub(super) range: Option<(i64, i64)>,
    pub(super) form: fn() -> String,
    pub(super) default: fn() -> Option<Value>,
    pub(super) from_text: fn(&str) -> Value,
}

impl Key {
    /// What is legal, to follow "must be".
    pub fn legal(&self) -> String {
        match self.range {
            Some((least, most)) => format!("a whole number from {least} to {most}"),
            None => (self.form)(),
        }
    }

    /// The name in the environment: `PORTCULLIS_SERVER__LISTEN`.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

pub(super) fn variable(name: &str) -> String {
    format!("PORTCULLIS_{}", name.to_uppercase().replace('.', "__"))
}

/// The keys that stand under one heading of the file; the first section has no heading.
#[derive(Debug)]
pub struct Section {
    pub name: &'static str,
    pub help: &'static str,
    pub keys: &'static [Key],
}
