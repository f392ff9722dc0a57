//! `portcullis backup`: made, checked, and gone back to.

use super::{Exit, Input, LiveCommand, json_text, table::table};
use crate::{
    actor::Actor,
    backup::{self, Backup as Shown, RecoveryKey},
    clock::Clock,
    config::Loaded,
    error::{Error, Result},
    server::{App, Terminal, read_line},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{fs, path::PathBuf};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum Backup {
    /// Make a backup and check it. Its name is the output; the first time a second line is the recovery key, shown this
    /// once.
    Create {
        #[arg(long)]
        json: bool,
    },
    /// List the backups, the newest first.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Put a backup into a scratch place and check it there; exit status 1 when it cannot be trusted.
    Verify {
        name: String,
        /// A file with the recovery key, to see that it opens the backup.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Make the recovery key where there is none yet; it is the output, shown this once.
    Key {
        /// Make a new one for the backups from now on. Those before still need the one before.
        #[arg(long)]
        replace: bool,
    },
    /// Put a backup in the place of everything in the data folder. What was there is kept aside. The server must not run.
    Restore {
        /// One of `backup list`, or the path of a file.
        name: String,
        /// Say that this is meant.
        #[arg(long)]
        yes: bool,
        /// A file with the recovery key; needed only where the folder's own keyring is gone.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
}

impl LiveCommand for Backup {
    fn input(&self) -> Input {
        match self {
            Self::Verify { key_file: Some(path), .. } => Input::File(path.clone()),
            _ => Input::Nothing,
        }
    }

    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        let (backups, actor) = (&app.backups, Actor::cli());
        match self {
            Self::Create { json } => create(app, terminal, *json)?,
            Self::List { json: true } => terminal.out(&json_text(&backups.list()?.items)?)?,
            Self::List { json: false } => terminal.out(&shown(backups.list()?.items))?,
            Self::Verify { name, key_file } => {
                let key: Option<RecoveryKey> = key_file.as_ref().map(|_| read_line(terminal)?.parse()).transpose()?;
                let found = backups.check(&actor, name, key.as_ref())?;
                terminal.talk(&format!("{} is good: {}.", found.name, evidence(&found)))?;
            }
            Self::Key { replace: false } => match backups.first_recovery_key(&actor)? {
                Some(key) => give(terminal, &key)?,
                None => {
                    return Err(Error::conflict(
                        "there is a recovery key already, and nothing shows it again; --replace makes a new one for the backups from now on",
                    ));
                }
            },
            Self::Key { replace: true } => give(terminal, &backups.new_recovery_key(&actor)?)?,
            Self::Restore { .. } => return Err(Error::internal("a restore runs on its own")),
        }
        Ok(Exit::Done)
    }
}

fn give(terminal: &mut dyn Terminal, key: &RecoveryKey) -> Result<()> {
    terminal.out(&format!("{}\n", key.shown()))?;
    warn(terminal)
}

fn warn(terminal: &mut dyn Terminal) -> Result<()> {
    terminal.talk("Keep the recovery key away from this machine. It is not shown again, and without it a backup")?;
    terminal.talk("cannot be opened once the data folder is lost.")
}

fn create(app: &App, terminal: &mut dyn Terminal, json: bool) -> Result<()> {
    let actor = Actor::cli();
    let key = app.backups.first_recovery_key(&actor)?;
    let made = app.backups.create(&actor, |done, total, note| {
        let _ = terminal.progress(&format!("{note}: {} %", done * 100 / total.max(1)));
    })?;
    let secret = key.as_ref().map(RecoveryKey::shown);
    if json {
        let mut value = serde_json::to_value(&made).map_err(Error::internal)?;
        if let Some(secret) = &secret {
            value["recovery_key"] = json!(secret);
        }
        terminal.out(&json_text(&value)?)?;
    } else {
        terminal.out(&format!("{}\n", made.name))?;
        if let Some(secret) = &secret {
            terminal.out(&format!("{secret}\n"))?;
        }
    }
    terminal.talk(&format!("{} was made and is good: {}.", made.name, evidence(&made)))?;
    if secret.is_some() { warn(terminal) } else { Ok(()) }
}

fn evidence(backup: &Shown) -> String {
    let (rows, events) = (backup.rows.unwrap_or_default(), backup.events.unwrap_or_default());
    let took = backup.verify_ms.unwrap_or_default();
    format!("decrypted, {rows} rows and the chain of {events} events checked in {took} ms")
}

fn shown(backups: Vec<Shown>) -> String {
    let rows = backups.into_iter().map(|backup| {
        let state = match (&backup.error, backup.verified_at) {
            (Some(error), _) => format!("NOT GOOD: {error}"),
            (None, Some(at)) => format!("good at {at}"),
            (None, None) => "not checked yet".to_owned(),
        };
        let key = backup.recovery_key.unwrap_or_else(|| "none".into());
        [backup.name, backup.created_at.to_string(), backup.size.to_string(), key, state]
    });
    table(["NAME", "TAKEN", "BYTES", "RECOVERY KEY", "CHECKED"], rows)
}

impl Backup {
    /// Whether it works on files alone, beside no server.
    pub fn is_restore(&self) -> bool {
        matches!(self, Self::Restore { .. })
    }

    pub fn restore(&self, loaded: &Loaded) -> Result<u8> {
        let Self::Restore { name, yes, key_file } = self else { return Ok(Exit::Misused.status()) };
        if !yes {
            eprintln!(
                "portcullis: this puts the backup in the place of everything in the data folder; add --yes if that is meant"
            );
            return Ok(Exit::Misused.status());
        }
        let key = key_file.as_deref().map(read_key).transpose()?;
        let restored = backup::restore(&loaded.config, name, key.as_ref(), &Clock::system())?;
        eprintln!(
            "{} of {} is in place: {} rows, {} events, in {} ms.",
            restored.name,
            restored.created_at,
            restored.rows,
            restored.events,
            restored.took.as_millis()
        );
        eprintln!("What was there before lies in {}. Everybody signs in anew.", restored.aside.display());
        Ok(Exit::Done.status())
    }
}

fn read_key(path: &std::path::Path) -> Result<RecoveryKey> {
    let unreadable = |cause| Error::conflict(format!("{} cannot be read: {cause}", path.display()));
    fs::read_to_string(path).map_err(unreadable)?.lines().next().unwrap_or_default().parse()
}
