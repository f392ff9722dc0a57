//! `portcullis openapi`: the document of the API, with every entity type.

use super::{Exit, LiveCommand, json_text};
use crate::{
    error::Result,
    permit::Permit,
    server::{App, Terminal, openapi},
};
use clap::Args;
use serde::{Deserialize, Serialize};

#[derive(Args, Serialize, Deserialize)]
pub struct OpenApi {}

impl LiveCommand for OpenApi {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        terminal.out(&json_text(&openapi::document(Permit::command_line().caller(), &app.entity_types))?)?;
        Ok(Exit::Done)
    }
}
