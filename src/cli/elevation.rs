//! `portcullis elevation`: who broke the glass, and closing it where nobody else is there to do it.

use super::{Exit, LiveCommand, checked, json_text, table::table, wait};
use crate::{
    error::Result,
    identity::{Elevation as Shown, Review},
    ids::Id,
    server::{App, Terminal},
};
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Elevation {
    /// List elevations, the newest first.
    List {
        /// Only those that run, have ended, or wait for their review.
        #[arg(long)]
        state: Option<Which>,
        #[arg(long)]
        json: bool,
    },
    /// Close an elevation with a note. Refused while somebody else can do it in the console.
    Review {
        id: Id,
        /// What was done under it, and whether it had to be.
        #[arg(long)]
        note: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Which {
    Active,
    Ended,
    Unreviewed,
}

impl LiveCommand for Elevation {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::List { state, json } => {
                let mut found = app.identity.elevations()?;
                found.retain(|elevation| state.is_none_or(|state| is(elevation, state)));
                terminal.out(&if *json { json_text(&found)? } else { shown(found) })?;
            }
            Self::Review { id, note } => {
                let review = Review { note: note.clone() };
                checked(&review)?;
                let closed = wait(app.identity.review_elevation_alone(*id, review))?;
                terminal.talk(&format!("The elevation of {} is closed.", closed.user_email))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn is(elevation: &Shown, state: Which) -> bool {
    match state {
        Which::Active => elevation.is_active(),
        Which::Ended => !elevation.is_active(),
        Which::Unreviewed => !elevation.is_active() && elevation.reviewed_at.is_none(),
    }
}

fn shown(found: Vec<Shown>) -> String {
    let rows = found.into_iter().map(|elevation| {
        let end = elevation.ended_at.unwrap_or(elevation.expires_at);
        let review = match (&elevation.review_note, elevation.is_active()) {
            (Some(note), _) => note.clone(),
            (None, true) => "still runs".to_owned(),
            (None, false) => "to be reviewed".to_owned(),
        };
        let (from, until) = (elevation.created_at.to_string(), end.to_string());
        [elevation.id.to_string(), elevation.user_email, from, until, elevation.reason, review]
    });
    table(["ID", "WHO", "FROM", "UNTIL", "REASON", "REVIEW"], rows)
}
