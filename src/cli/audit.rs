//! `portcullis audit`: check the chain, or take it out.

use super::{Exit, LiveCommand, json_text};
use crate::{
    audit::{Checkpoint, Export, Filter, Format, verify},
    error::{Error, Result},
    server::{App, Terminal},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Audit {
    /// Check every event against the chain; exit status 1 when one is broken.
    Verify {
        /// An end of the chain that was written down earlier, to notice a cut tail or an older database.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Write all events to standard output, oldest first.
    Export {
        /// Either jsonl, with the bytes that were hashed, or csv for people.
        #[arg(long, default_value = "jsonl", value_parser = ["jsonl", "csv"])]
        format: String,
    },
}

impl LiveCommand for Audit {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::Verify { head, json } => check(head.as_deref(), *json, app, terminal),
            Self::Export { format } => export(format, app, terminal),
        }
    }
}

fn check(head: Option<&str>, json: bool, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
    let checkpoint = head.map(str::parse::<Checkpoint>).transpose()?;
    let verdict = verify(app.ledger.db(), checkpoint.as_ref())?;
    if json {
        terminal.out(&json_text(&verdict)?)?;
    } else {
        match (verdict.first_broken_seq, verdict.reason) {
            (Some(seq), reason) => {
                terminal.out(&format!("broken at event {seq}: {}\n", reason.unwrap_or("it does not fit")))?;
            }
            (None, _) => terminal.out(&format!("valid: {} events\n", verdict.checked))?,
        }
        terminal.out(&format!("head {}:{}\n", verdict.head_seq, verdict.head_hash))?;
    }
    Ok(if verdict.valid { Exit::Done } else { Exit::Refused })
}

fn export(format: &str, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
    let format = format.parse::<Format>().map_err(Error::internal)?;
    let mut export = Export::begin(app.ledger.db(), Filter::default(), format)?;
    while let Some(bytes) = export.portion()? {
        terminal.out(std::str::from_utf8(&bytes).map_err(Error::internal)?)?;
    }
    Ok(Exit::Done)
}
