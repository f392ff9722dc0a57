//! `portcullis import`: entities from a file.

use super::{Exit, Input, LiveCommand, json_text};
use crate::{
    data::entities::{self, Format, Mode, Report},
    error::{Error, Result},
    permit::Permit,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Args, Serialize, Deserialize)]
pub struct Import {
    /// The entity type.
    #[arg(value_name = "TYPE")]
    entity_type: String,
    /// A .csv or .jsonl file, or - for standard input.
    #[arg(value_parser = file)]
    file: PathBuf,
    /// What the file holds, where its name does not say.
    #[arg(long, value_parser = ["csv", "jsonl"])]
    format: Option<String>,
    /// The CSV column that becomes the name.
    #[arg(long, value_name = "COLUMN")]
    name_column: Option<String>,
    /// A unique field, such as `/customer_no`: a row is merged into the entity that has the same value.
    #[arg(long, value_name = "POINTER")]
    upsert_on: Option<String>,
    /// Keep good rows when others are wrong. Without it a wrong row changes nothing at all.
    #[arg(long)]
    skip_errors: bool,
    /// Say what became of the rows as JSON.
    #[arg(long)]
    json: bool,
}

fn file(text: &str) -> Result<PathBuf, String> {
    if text == "-" || Path::new(text).is_file() { Ok(text.into()) } else { Err("there is no such file".into()) }
}

impl LiveCommand for Import {
    fn input(&self) -> Input {
        if self.file.as_os_str() == "-" { Input::Standard } else { Input::File(self.file.clone()) }
    }

    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let import = entities::Import {
            format: self.format()?,
            mode: if self.skip_errors { Mode::SkipErrors } else { Mode::AllOrNothing },
            name_column: self.name_column.clone(),
            upsert_on: self.upsert_on.clone(),
        };
        let mut input = terminal.take_input();
        let mut progress = |rows| terminal.progress(&format!("{rows} rows read"));
        let permit = Permit::command_line();
        let outcome = app.entities.import(&permit, &self.entity_type, &import, &mut input, &mut progress);
        match outcome {
            Ok(report) => self.tell(&report, terminal),
            Err(error) => {
                name_rows(&error, terminal)?;
                Err(error)
            }
        }
    }
}

impl Import {
    fn format(&self) -> Result<Format> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        match self.format.as_deref().or(ending.as_deref()) {
            Some("csv") => Ok(Format::Csv),
            Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
            _ => {
                Err(Error::invalid_at("--format", "missing", "say what the file holds: --format csv or --format jsonl"))
            }
        }
    }

    fn tell(&self, report: &Report, terminal: &mut dyn Terminal) -> Result<Exit> {
        if self.json {
            terminal.out(&json_text(report)?)?;
        } else {
            let Report { created, updated, failed, .. } = report;
            for error in &report.errors {
                terminal.talk(&row_line(error.row, &error.pointer, &error.message))?;
            }
            terminal.out(&format!("{created} created, {updated} updated, {failed} failed\n"))?;
        }
        Ok(if report.failed == 0 { Exit::Done } else { Exit::Refused })
    }
}

/// Each wrong row of a refused import.
fn name_rows(error: &Error, terminal: &mut dyn Terminal) -> Result<()> {
    let rows = error.extra().and_then(|extra| extra.get("errors")).and_then(Value::as_array);
    for wrong in rows.into_iter().flatten() {
        let text = |name: &str| wrong.get(name).and_then(Value::as_str).unwrap_or_default();
        let row = wrong.get("row").and_then(Value::as_u64).unwrap_or_default();
        terminal.talk(&row_line(row, text("pointer"), text("message")))?;
    }
    Ok(())
}

fn row_line(row: u64, pointer: &str, message: &str) -> String {
    let place = if pointer.is_empty() { String::new() } else { format!(" {pointer}") };
    format!("row {row}{place}: {}", message.escape_debug())
}
