//! `portcullis api-key`: keys for scripts and service accounts.

use super::{Exit, LiveCommand, checked, duration, json_text, table::table, wait};
use crate::{
    access::RateLimit,
    error::{Error, Result},
    identity::{self, Email, Keeper, NewKey, Rotation},
    ids::Id,
    permit::Permit,
    server::{App, Terminal},
    web::Precondition,
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Subcommand, Serialize, Deserialize)]
pub enum ApiKey {
    /// Make a key for an account. The second line of the output is the key, shown this once.
    Create {
        /// Whose key it is: the address of a person or of a service account.
        #[arg(long, value_name = "ADDRESS")]
        email: Email,
        /// What uses the key.
        #[arg(long)]
        name: String,
        /// A permission within the owner's rights, such as entities.orders:create; may be given several times.
        #[arg(long = "scope", required = true, value_name = "PERMISSION")]
        scopes: Vec<String>,
        /// End by itself after this long, such as 90d or 12h.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        /// Requests a minute, at most.
        #[arg(long, value_name = "REQUESTS")]
        per_minute: Option<u32>,
    },
    /// List the keys.
    List {
        #[arg(long)]
        json: bool,
    },
    /// End a key at once.
    Revoke {
        /// Its id, or the beginning of the key as `api-key list` shows it.
        key: String,
    },
    /// Put a new secret in the place of a key's old one; it is the output, shown this once.
    Rotate {
        /// Its id, or the beginning of the key as `api-key list` shows it.
        key: String,
        /// The old secret works on for so many minutes.
        #[arg(long, value_name = "MINUTES")]
        overlap_minutes: Option<u32>,
    },
}

impl LiveCommand for ApiKey {
    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let keeper = Keeper::from(&Permit::command_line());
        match self {
            Self::Create { email, name, scopes, expires, per_minute } => {
                let owner = app.identity.user_by_email(email)?;
                let owner = owner.ok_or_else(|| Error::conflict(format!("there is no account for {email}")))?;
                let new = NewKey {
                    name: name.clone(),
                    scopes: scopes.clone(),
                    expires_at: expires.map(|after| app.clock.now().plus(after)),
                    owner_id: Some(owner.id),
                    rate_limit: per_minute.map(|per_minute| RateLimit { per_minute }),
                };
                checked(&new)?;
                let (made, secret) = wait(app.identity.create_api_key(&keeper, new))?;
                terminal.out(&format!("{}\n{secret}\n", made.id))?;
                terminal.talk(&format!("The key {} of {email} was made. It is not shown again.", made.name))?;
            }
            Self::List { json } => list(app, terminal, *json)?,
            Self::Revoke { key } => {
                let found = find(app, key)?;
                wait(app.identity.revoke_api_key(&keeper, found.id, Precondition::default()))?;
                terminal.talk(&format!("The key {} of {} is refused from now on.", found.name, found.owner_email))?;
            }
            Self::Rotate { key, overlap_minutes } => {
                let rotation = Rotation { overlap_minutes: *overlap_minutes };
                checked(&rotation)?;
                let found = find(app, key)?;
                let (_, secret) = wait(app.identity.rotate_api_key(&keeper, found.id, rotation))?;
                terminal.out(&format!("{secret}\n"))?;
                let old = match overlap_minutes.unwrap_or(0) {
                    0 => "is refused from now on".to_owned(),
                    1 => "works for another minute".to_owned(),
                    minutes => format!("works for another {minutes} minutes"),
                };
                terminal.talk(&format!("The key {} has a new secret; the old one {old}.", found.name))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn find(app: &App, text: &str) -> Result<identity::ApiKey> {
    let id = text.parse::<Id>().ok();
    let mut found = app.identity.api_keys()?.into_iter().filter(|key| Some(key.id) == id || key.prefix == text);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::conflict(format!("there is no key {text}; `api-key list` names them"))),
        _ => Err(Error::conflict(format!("several keys begin with {text}; name one by its id"))),
    }
}

fn list(app: &App, terminal: &mut dyn Terminal, json: bool) -> Result<()> {
    let keys = app.identity.api_keys()?;
    if json {
        return terminal.out(&json_text(&keys)?);
    }
    let rows = keys.into_iter().map(|key| {
        let scopes: Vec<_> = key.scopes.iter().map(ToString::to_string).collect();
        let time = |at: Option<crate::clock::Time>| at.map_or("never".to_owned(), |at| at.to_string());
        [key.prefix, key.name, key.owner_email, scopes.join(", "), time(key.last_used_at), time(key.expires_at)]
    });
    terminal.out(&table(["KEY", "NAME", "OWNER", "SCOPES", "LAST USED", "EXPIRES"], rows))
}
