//! `portcullis config`: what holds, whether it is good, a file to start from, and settings that change while
//! the server runs.

use super::{Exit, LiveCommand};
use crate::{
    actor::Actor,
    config::{Config, Loaded, Sources, env_example, markdown, text_change, toml_example},
    error::Result,
    server::{App, Terminal},
    storage::migration_status,
};
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum ConfigCommand {
    /// Name every mistake; exit status 2 when there is one.
    Check,
    /// Show each value and where it comes from; secrets are masked. Beside a running server: what holds there.
    Show {
        /// As one JSON object by key.
        #[arg(long)]
        json: bool,
    },
    /// Change a setting while the server runs, or before it starts. What the environment sets stays.
    Set {
        /// As in `limits.public_per_minute`, or 'limits.routes.POST /entities/{type}'.
        key: String,
        /// Lists are separated by commas.
        value: String,
    },
    /// Go back to what the file or the default says.
    Unset { key: String },
    /// Write every key with its default and meaning.
    Example {
        #[arg(long, value_enum, default_value_t = Form::Toml)]
        format: Form,
    },
}

#[derive(Clone, Copy, ValueEnum, Serialize, Deserialize)]
pub enum Form {
    /// A portcullis.toml.
    Toml,
    /// A .env file.
    Env,
    /// Documentation.
    Markdown,
}

impl ConfigCommand {
    /// Whether it needs no more than the files, rather than the database or a running server.
    pub fn is_of_files(&self, sources: &Sources) -> bool {
        match self {
            Self::Check | Self::Example { .. } => true,
            Self::Show { .. } => !Self::has_database(sources),
            Self::Set { .. } | Self::Unset { .. } => false,
        }
    }

    fn has_database(sources: &Sources) -> bool {
        Config::load(sources)
            .is_ok_and(|loaded| migration_status(&loaded.config.data_dir).is_ok_and(|status| status.applied > 0))
    }

    pub fn run_on_files(&self, sources: &Sources) -> u8 {
        if let Self::Example { format } = self {
            let text = match format {
                Form::Toml => toml_example(),
                Form::Env => env_example(),
                Form::Markdown => markdown(),
            };
            super::print(&text);
            return Exit::Done.status();
        }
        super::with_config(sources, |loaded| {
            if let Self::Show { json } = self {
                super::print(&shown(&loaded, *json));
                return Ok(Exit::Done.status());
            }
            if let Some(status) = super::refuse_keyring(&loaded) {
                return Ok(status);
            }
            eprintln!("The configuration is good.");
            Ok(Exit::Done.status())
        })
    }
}

fn shown(loaded: &Loaded, json: bool) -> String {
    if json { format!("{:#}\n", loaded.show_json()) } else { loaded.show() }
}

impl LiveCommand for ConfigCommand {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let (key, value) = match self {
            Self::Set { key, value } => (key, Some(value.as_str())),
            Self::Unset { key } => (key, None),
            Self::Show { json } => {
                terminal.out(&shown(&app.config.loaded(), *json))?;
                return Ok(Exit::Done);
            }
            Self::Check | Self::Example { .. } => return Ok(Exit::Misused),
        };
        app.settings.change_blocking(&Actor::cli(), text_change(key, value))?;
        terminal.talk(&match value {
            Some(value) => format!("{key} is {value} from now on."),
            None => format!("{key} is what the file or the default says from now on."),
        })?;
        Ok(Exit::Done)
    }
}
