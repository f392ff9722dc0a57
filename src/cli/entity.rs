//! `portcullis entity`: the personal data of one entity, for whoever has a shell on the machine.

use super::{Exit, LiveCommand, json_text, wait};
use crate::{
    error::Result,
    ids::Id,
    permit::Permit,
    personal::Forgetting,
    server::{App, Terminal},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Entity {
    /// Destroy the personal data of an entity, in its history and in the audit log too, and delete it for good.
    Erase {
        #[command(flatten)]
        which: Which,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Destroy the personal data of an entity, in its history and in the audit log too; the rest stays in use.
    Anonymise {
        #[command(flatten)]
        which: Which,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write everything that is kept of an entity to standard output, as JSON.
    Export {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args, Serialize, Deserialize)]
pub struct Which {
    /// The entity type.
    #[arg(value_name = "TYPE")]
    entity_type: String,
    #[arg(value_name = "ID")]
    id: Id,
}

impl LiveCommand for Entity {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let permit = Permit::command_line();
        match self {
            Self::Erase { which, reason } => {
                let act = Forgetting::Erase;
                wait(app.entities.forget_one(&permit, &which.entity_type, which.id, act, reason.clone()))?;
                terminal.talk("Its personal data is destroyed, and it is deleted for good.")?;
            }
            Self::Anonymise { which, reason } => {
                let act = Forgetting::Anonymise;
                wait(app.entities.forget_one(&permit, &which.entity_type, which.id, act, reason.clone()))?;
                terminal.talk("Its personal data is destroyed; the rest of it stays in use.")?;
            }
            Self::Export { which } => {
                let whole = wait(app.entities.export_one(&permit, &which.entity_type, which.id))?;
                terminal.out(&json_text(&whole)?)?;
            }
        }
        Ok(Exit::Done)
    }
}
