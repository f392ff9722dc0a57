//! `portcullis apply` and `portcullis export-blueprint`.

use super::{Exit, Input, LiveCommand, wait};
use crate::{
    data::{blueprint, relationship_types},
    error::{Error, Result},
    permit::Permit,
    server::{App, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// A blueprint, at most.
const SIZE: u64 = 8 << 20;

#[derive(Args, Serialize, Deserialize)]
pub struct Apply {
    /// The blueprint, in TOML.
    #[arg(value_parser = absolute)]
    file: PathBuf,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Serialize, Deserialize)]
pub struct ExportBlueprint {}

/// The command may run in the server, which stands in another folder.
fn absolute(text: &str) -> Result<PathBuf, std::io::Error> {
    std::path::absolute(text)
}

impl LiveCommand for Apply {
    fn input(&self) -> Input {
        Input::File(self.file.clone())
    }

    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let mut text = String::new();
        let unreadable =
            |cause| Error::invalid_at("", "unreadable", "the blueprint is not UTF-8 text").caused_by(cause);
        terminal.take_input().take(SIZE).read_to_string(&mut text).map_err(unreadable)?;
        let folder = self.file.parent().unwrap_or_else(|| Path::new("/"));
        let plan = blueprint::Plan::new(&text, folder, &app.ledger, &app.roles, &app.entity_types, &app.settings)?;
        for name in plan.left_alone() {
            terminal.talk(&format!("not in the blueprint, left as it is: {name}"))?;
        }
        let steps = plan.steps();
        if steps.is_empty() {
            terminal.out("nothing to change\n")?;
        } else if self.dry_run {
            steps.iter().try_for_each(|step| terminal.out(&format!("would {step}\n")))?;
        } else {
            let permit = Permit::command_line();
            let mut said = Vec::new();
            let outcome =
                wait(plan.apply(&app.ledger, &app.roles, &app.entity_types, &app.settings, &permit, &mut |step| {
                    said.push(step);
                }));
            said.iter().try_for_each(|step| terminal.out(&format!("done: {step}\n")))?;
            outcome?;
        }
        Ok(Exit::Done)
    }
}

impl LiveCommand for ExportBlueprint {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let joins = app.ledger.db().read(relationship_types::all)?;
        terminal.out(&blueprint::export(&app.roles, &app.entity_types, &joins, &app.settings)?)?;
        Ok(Exit::Done)
    }
}
