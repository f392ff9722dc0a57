//! `portcullis role`: what each role allows.

use super::{Exit, LiveCommand, json_text, table::table};
use crate::{
    error::{Code, Error, Result},
    server::{App, Terminal},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Role {
    /// Every role with its clearance.
    List {
        #[arg(long)]
        json: bool,
    },
    /// The permissions of one role.
    Show {
        name: String,
        #[arg(long)]
        json: bool,
    },
}

impl LiveCommand for Role {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let snapshot = app.roles.snapshot();
        let text = match self {
            Self::List { json: true } => json_text(&snapshot.iter().collect::<Vec<_>>())?,
            Self::List { json: false } => table(
                ["ROLE", "CLEARANCE", "PERMISSIONS", "BUILT IN"],
                snapshot.iter().map(|role| {
                    let built_in = if role.built_in { "yes" } else { "no" };
                    let count = role.permissions.len().to_string();
                    [role.name.to_string(), role.clearance.to_string(), count, built_in.to_owned()]
                }),
            ),
            Self::Show { name, json } => {
                let missing = || Error::new(Code::NotFound, format!("there is no role {name}; `role list` names them"));
                let role = snapshot.get(name).ok_or_else(missing)?;
                if *json {
                    json_text(role)?
                } else {
                    let mut text = format!("{}, clearance {}\n", role.name, role.clearance);
                    for permission in &role.permissions {
                        let _ = writeln!(text, "  {permission}");
                    }
                    text
                }
            }
        };
        terminal.out(&text)?;
        Ok(Exit::Done)
    }
}
