//! `portcullis kill-switch`: close everything, or a part of it, at once.

use super::{Exit, LiveCommand, duration, json_text};
use crate::{
    actor::Actor,
    clock::Time,
    error::{Error, Result},
    kill_switch::{Activation, Scope, State, unknown_type},
    server::{App, Terminal},
    web::LONGEST_REASON,
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Subcommand, Serialize, Deserialize)]
pub enum KillSwitch {
    /// Say what is closed, by whom and why.
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Close now.
    Enable {
        /// Why; everyone who is refused reads it, and the audit log keeps it.
        #[arg(value_parser = reason)]
        reason: String,
        /// What to close: all, writes, signups, `api_keys`, or the entities of a type, as in type:customers.
        #[arg(long, default_value = "all")]
        scope: Scope,
        /// Open again by itself after this long, such as 30m or 2h.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
    },
    /// Open again, and remove the file KILL.
    Disable {
        /// Why; the audit log keeps it.
        #[arg(value_parser = reason)]
        reason: Option<String>,
    },
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why".into()),
        text if text.chars().count() > LONGEST_REASON => Err(format!("at most {LONGEST_REASON} characters")),
        text if text.contains(char::is_control) => Err("one line, without control characters".into()),
        text => Ok(text.to_owned()),
    }
}

impl LiveCommand for KillSwitch {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::Status { json } => {
                let state = app.kill_switch.state();
                let text = if *json { json_text(&state)? } else { describe(&state) };
                terminal.out(&text)?;
                Ok(Exit::Done)
            }
            Self::Enable { reason, scope, expires } => {
                if let Some(fault) = unknown_type(scope, &app.entity_types) {
                    return Err(Error::invalid_at("--scope", "unknown", fault));
                }
                let activation = Activation {
                    scope: scope.clone(),
                    reason: reason.clone(),
                    expires_at: expires.map(|after| app.clock.now().plus(after)),
                };
                enable(activation, app, terminal)
            }
            Self::Disable { reason } => {
                let state = app.kill_switch.deactivate(&Actor::cli(), reason.as_deref())?;
                terminal.talk(describe(&state).trim_end())?;
                Ok(if state.active { Exit::Refused } else { Exit::Done })
            }
        }
    }
}

fn enable(activation: Activation, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
    let (state, kept) = app.kill_switch.activate(&Actor::cli(), activation);
    if kept {
        terminal.talk(describe(&state).trim_end())?;
        return Ok(Exit::Done);
    }
    if terminal.is_remote() {
        terminal.talk("It is closed now. The disk does not take it yet; the server goes on trying.")?;
        return Ok(Exit::Done);
    }
    let file = app.folder.join("KILL");
    if file.exists() {
        terminal
            .talk("Everything is closed now. The disk does not take more than the file KILL, which keeps it so.")?;
        return Ok(Exit::Done);
    }
    let advice = format!("The disk does not take it. Make the file {} to close everything.", file.display());
    Err(Error::unavailable(advice))
}

fn describe(state: &State) -> String {
    if !state.active {
        return "Open.\n".to_owned();
    }
    let what = format!("{} closed", state.scope.as_ref().unwrap_or(&Scope::All).subject());
    let at = state.activated_at.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
    let by = state.activated_by.as_ref().map(|by| format!(" by {}", by.label)).unwrap_or_default();
    let until = state.expires_at.as_ref().map(|end: &Time| format!(", until {end}")).unwrap_or_default();
    format!("{what}{at}{by}{until}: {}\n", state.reason.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "soon", "0s", "-5m", "1mo", "30"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
