//! `portcullis matrix`: the access matrix as the document of an audit.

use super::{Exit, LiveCommand, json_text};
use crate::{
    access::{self, FieldCatalogue, KeyCatalogue},
    error::Result,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Args, Serialize, Deserialize)]
pub struct Matrix {
    #[arg(long, default_value = "markdown", value_parser = ["markdown", "json"])]
    format: String,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

impl LiveCommand for Matrix {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let keys = app.identity.keys()?;
        let matrix = access::Matrix::new(&app.roles.snapshot(), &app.entity_types.types(), Some(keys));
        let json = self.json || self.format == "json";
        let text = if json { json_text(&matrix)? } else { matrix.markdown(app.ledger.clock().now()) };
        terminal.out(&text)?;
        Ok(Exit::Done)
    }
}
