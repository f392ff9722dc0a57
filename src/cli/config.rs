//! `portcullis config`: what holds, whether it is good, and a file to start from.

use super::Exit;
use crate::config::{Sources, env_example, markdown, toml_example};
use clap::{Subcommand, ValueEnum};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Name every mistake; exit status 2 when there is one.
    Check,
    /// Show each value and where it comes from; secrets are masked.
    Show {
        /// As one JSON object by key.
        #[arg(long)]
        json: bool,
    },
    /// Write every key with its default and meaning.
    Example {
        #[arg(long, value_enum, default_value_t = Form::Toml)]
        format: Form,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Form {
    /// A portcullis.toml.
    Toml,
    /// A .env file.
    Env,
    /// Documentation.
    Markdown,
}

impl ConfigCommand {
    pub fn run(&self, sources: &Sources) -> u8 {
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
            match self {
                Self::Show { json: true } => super::print(&format!("{:#}\n", loaded.show_json())),
                Self::Show { json: false } => super::print(&loaded.show()),
                _ => eprintln!("The configuration is good."),
            }
            Ok(Exit::Done.status())
        })
    }
}
