//! `portcullis export`: entities to standard output.

use super::{Exit, LiveCommand};
use crate::{
    actor::Actor,
    audit::Event,
    data::entities::{self, Format},
    error::{Error, Result},
    permit::Permit,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

#[derive(Args, Serialize, Deserialize)]
pub struct Export {
    /// The entity type.
    #[arg(value_name = "TYPE")]
    entity_type: String,
    #[arg(long, default_value = "csv", value_parser = ["csv", "jsonl"])]
    format: String,
    /// Which entities, such as `data.city = "Paris"`; without it all that are not deleted.
    #[arg(long)]
    filter: Option<String>,
}

impl LiveCommand for Export {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        app.entity_types.require(&self.entity_type)?;
        let format = if self.format == "csv" { Format::Csv } else { Format::JsonLines };
        let event = Event::new("entities.exported", "entity_type", &self.entity_type)
            .after(&serde_json::json!({ "format": self.format }));
        app.ledger.change_blocking(&Actor::cli(), move |_| Ok(((), event.clone())))?;
        let export = entities::Export { format, filter: self.filter.clone() };
        let mut out = Chunks { terminal, buffer: Vec::with_capacity(CHUNK) };
        app.entities.export(&Permit::command_line(), &self.entity_type, &export, &mut out)?;
        out.flush().map_err(Error::internal)?;
        Ok(Exit::Done)
    }
}

const CHUNK: usize = 64 * 1024;

/// Collects what is written into larger pieces of text.
struct Chunks<'t> {
    terminal: &'t mut dyn Terminal,
    buffer: Vec<u8>,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A piece may end inside a character: the rest of it waits for the next.
        let whole = match std::str::from_utf8(&self.buffer) {
            Ok(text) => text.len(),
            Err(cut) => cut.valid_up_to(),
        };
        let rest = self.buffer.split_off(whole);
        let text = String::from_utf8(std::mem::replace(&mut self.buffer, rest)).map_err(io::Error::other)?;
        if text.is_empty() { Ok(()) } else { self.terminal.out(&text).map_err(io::Error::other) }
    }
}
