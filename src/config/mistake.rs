//! What is wrong with a configuration, all of it at once.

use std::{fmt, path::PathBuf};

/// Where a value came from, weakest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Origin {
    #[default]
    Default,
    File(PathBuf),
    /// Changed while running, and kept.
    Database,
    DotEnv(PathBuf, String),
    Environment(String),
    Flag(&'static str),
}

impl Origin {
    /// The kind of place, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::Database => "database",
            Self::DotEnv(..) => "dotenv",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// Set from outside the file, so that it cannot be changed while running.
    pub fn locked(&self) -> bool {
        matches!(self, Self::DotEnv(..) | Self::Environment(_) | Self::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Database => f.write_str("the database"),
            Self::DotEnv(path, variable) => write!(f, "{variable} in {}", path.display()),
            Self::Environment(variable) => write!(f, "{variable} in the environment"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong: the key, its value unless secret, where that came from, and what is legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub key: String,
    pub value: Option<String>,
    pub origin: Origin,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}", self.origin, self.message)
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
