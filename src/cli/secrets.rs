//! `portcullis secrets`: the keys of the instance and their rotation.

use super::{Exit, LiveCommand, json_text, table::table};
use crate::{
    actor::Actor,
    error::Result,
    rotation::{Kind, Rotation, SecretKey},
    server::{App, Terminal},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Secrets {
    /// Show every key with its age and last use, never its value.
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Make new keys. What the ones before signed or sealed stays good, unless it is an emergency.
    Rotate {
        /// Which one; without it all of them.
        #[arg(long)]
        kind: Option<Kind>,
        /// Somebody knows the key: what it signed is refused at once, and with jwt everybody is signed out.
        #[arg(long)]
        emergency: bool,
        /// Why; the audit log keeps it.
        #[arg(long, default_value = "asked for on the command line")]
        reason: String,
    },
}

impl LiveCommand for Secrets {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::Status { json } => {
                let secrets = app.secrets.clone();
                let keys = app.ledger.db().read_long(|reader| secrets.list(reader))?;
                terminal.out(&if *json { json_text(&keys)? } else { shown(&keys) })?;
            }
            Self::Rotate { kind, emergency, reason } => {
                let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
                for kind in kinds {
                    let rotation = app.secrets.rotate_blocking(&Actor::cli(), kind, *emergency, reason)?;
                    terminal.talk(&described(&rotation))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn shown(keys: &[SecretKey]) -> String {
    table(
        ["kind", "id", "age", "last used", "state"],
        keys.iter().map(|key| {
            let state = match (&key.retires_at, key.sealed) {
                (Some(end), _) => format!("retires {end}"),
                (None, Some(sealed)) if key.state == crate::rotation::State::Retiring => {
                    format!("retires when unused, seals {sealed}")
                }
                _ => "current".to_owned(),
            };
            [
                key.kind.as_str().to_owned(),
                key.id.to_string(),
                format!("{} d", key.age_days),
                key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
                state,
            ]
        }),
    )
}

fn described(rotation: &Rotation) -> String {
    let kind = rotation.kind.as_str();
    let before = match rotation.retires_at {
        Some(end) => format!("the one before is good until {end}"),
        None if rotation.kind.seals() => "what the one before seals is sealed anew, then it goes".to_owned(),
        None => "the one before is gone".to_owned(),
    };
    let ended = match rotation.sessions_ended {
        0 => String::new(),
        1 => "; 1 session ended".to_owned(),
        many => format!("; {many} sessions ended"),
    };
    format!("The key {} is in force for {kind}; {before}{ended}.", rotation.id)
}
