//! `portcullis mail`: see whether mail gets through.

use super::{Exit, LiveCommand, wait};
use crate::{
    actor::Actor,
    error::{Error, Result},
    identity::Email,
    server::{App, Terminal},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Mail {
    /// Send a test mail; exit status 1 with the mail server's words when it does not get through.
    Test {
        #[arg(long, value_name = "ADDRESS")]
        to: Email,
    },
}

impl LiveCommand for Mail {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let Self::Test { to } = self;
        if let Some(failure) = wait(app.identity.test_mail(&Actor::cli(), to))? {
            return Err(Error::unavailable(failure));
        }
        terminal.talk(&format!("The mail server took a test mail for {to}."))?;
        Ok(Exit::Done)
    }
}
