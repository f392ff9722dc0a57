//! `portcullis user`: accounts, for whoever has a shell on the machine. This always gets back in.

use super::{Exit, Input, LiveCommand, checked, json_text, table::table, wait};
use crate::{
    data::entities::{EraseUser, Fate},
    error::{Error, Result},
    identity::{self, Email, Kind, NewUser, Password, Status, UserChange},
    permit::Permit,
    personal::Forgetting,
    server::{App, Terminal, read_line},
    web::Precondition,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Serialize, Deserialize)]
pub enum User {
    /// Make an account. Without a password the second line of the output is a link to choose one.
    Create {
        #[command(flatten)]
        who: Who,
        #[arg(long)]
        name: Option<String>,
        /// May be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Read the password from standard input: one line without its end.
        #[arg(long)]
        password_stdin: bool,
        /// For a program: it has no password and calls with API keys.
        #[arg(long, conflicts_with = "password_stdin")]
        service: bool,
    },
    /// List the accounts.
    List {
        #[arg(long)]
        json: bool,
    },
    /// End every session of an account and keep it from signing in.
    Disable {
        #[command(flatten)]
        who: Who,
    },
    /// Let an account sign in (again).
    Enable {
        #[command(flatten)]
        who: Who,
    },
    /// Lift the waiting and locks after failed sign-ins.
    Unlock {
        #[command(flatten)]
        who: Who,
    },
    /// Set a password from standard input; every session of the account ends.
    SetPassword {
        #[command(flatten)]
        who: Who,
        /// Read the password from standard input: one line without its end.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Take away a second factor that was lost, with its recovery codes.
    ResetMfa {
        #[command(flatten)]
        who: Who,
    },
    /// Forget a person for good: the account's address, name, data, sessions and keys. Nothing brings them back. What
    /// they own stays, unless you say otherwise.
    Erase {
        #[command(flatten)]
        who: Who,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
        /// Erase the entities and files that they own too, by a job of the server.
        #[arg(long, conflicts_with = "hand_over_to")]
        with_owned: bool,
        /// Give the entities and files that they own to another account, by a job of the server.
        #[arg(long, value_name = "ADDRESS")]
        hand_over_to: Option<Email>,
    },
    /// Take away what says who a person is; the account stays, and what it owns keeps its owner.
    Anonymise {
        #[command(flatten)]
        who: Who,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write everything that is kept of a person to standard output, as JSON.
    Export {
        #[command(flatten)]
        who: Who,
    },
    /// Replace the roles of an account; without any it keeps none.
    SetRoles {
        #[command(flatten)]
        who: Who,
        /// May be given several times.
        #[arg(long = "role")]
        roles: Vec<String>,
    },
}

#[derive(Args, Serialize, Deserialize)]
pub struct Who {
    #[arg(long, value_name = "ADDRESS")]
    email: Email,
}

impl LiveCommand for User {
    fn input(&self) -> Input {
        match self {
            Self::Create { password_stdin: true, .. } | Self::SetPassword { .. } => Input::Standard,
            _ => Input::Nothing,
        }
    }

    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit> {
        match self {
            Self::Create { who, name, roles, password_stdin, service } => {
                let password = if *password_stdin { Some(Password::new(&read_line(terminal)?)) } else { None };
                let new = NewUser {
                    email: who.email.clone(),
                    name: name.clone(),
                    password,
                    roles: roles.clone(),
                    status: None,
                    kind: service.then_some(Kind::Service),
                    data: serde_json::Map::new(),
                };
                create(app, terminal, new)?;
            }
            Self::List { json } => list(app, terminal, *json)?,
            Self::Disable { who } => set_status(app, terminal, who, Status::Disabled)?,
            Self::Enable { who } => set_status(app, terminal, who, Status::Active)?,
            Self::Unlock { who } => {
                let user = who.find(app)?;
                wait(app.identity.unlock_user(&Permit::command_line(), user.id))?;
                terminal.talk(&format!("{} may try to sign in again.", user.email))?;
            }
            Self::SetPassword { who, .. } => {
                let user = who.find(app)?;
                let password = Password::new(&read_line(terminal)?);
                wait(app.identity.set_password(&Permit::command_line(), &user, &password))?;
                terminal.talk(&format!("{} has a new password; all sessions have ended.", user.email))?;
            }
            Self::ResetMfa { who } => {
                let user = who.find(app)?;
                wait(app.identity.reset_factor(&Permit::command_line(), user.id))?;
                terminal.talk(&format!("{} signs in with the password alone.", user.email))?;
            }
            Self::Erase { who, reason, with_owned, hand_over_to } => {
                let to = hand_over_to.clone().map(|email| Who { email }.find(app)).transpose()?;
                let fate = match (with_owned, &to) {
                    (true, _) => Fate::Erase,
                    (false, Some(_)) => Fate::HandOver,
                    (false, None) => Fate::Keep,
                };
                let asked = EraseUser { reason: reason.clone(), owned: Some(fate), to: to.map(|user| user.id) };
                erase(app, terminal, who, asked)?;
            }
            Self::Anonymise { who, reason } => {
                let user = forget(app, who, Forgetting::Anonymise, reason.clone())?;
                terminal.talk(&format!("{} is {} now, and signs in nowhere.", who.email, user.email))?;
            }
            Self::Export { who } => {
                let (permit, user) = (Permit::command_line(), who.find(app)?);
                let whole = wait(app.entities.of_user(&app.identity, &permit, user.id))?;
                terminal.out(&json_text(&whole)?)?;
            }
            Self::SetRoles { who, roles } => {
                let change = UserChange { roles: Some(roles.clone()), ..UserChange::default() };
                let user = apply(app, who, change)?;
                terminal.talk(&format!("{} now has {}.", user.email, spoken(&user.roles)))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Who {
    fn find(&self, app: &App) -> Result<identity::User> {
        let found = app.identity.user_by_email(&self.email)?;
        found.ok_or_else(|| Error::conflict(format!("there is no account for {}", self.email)))
    }
}

fn create(app: &App, terminal: &mut dyn Terminal, new: NewUser) -> Result<()> {
    checked(&new)?;
    let (user, link) = wait(app.identity.create_user(&Permit::command_line(), new))?;
    terminal.out(&format!("{}\n", user.id))?;
    if let Some(token) = link {
        terminal.out(&format!("{}\n", app.identity.set_password_url(&token)))?;
    }
    terminal.talk(&format!("{} was made, with {}.", user.email, spoken(&user.roles)))
}

fn list(app: &App, terminal: &mut dyn Terminal, json: bool) -> Result<()> {
    let users = app.identity.users()?;
    if json {
        return terminal.out(&json_text(&users)?);
    }
    let rows = users.into_iter().map(|shown| {
        let locked = shown.locked_until.map(|until| format!("until {until}")).unwrap_or_default();
        let user = shown.user;
        let factor = if shown.mfa_enabled { "on" } else { "off" }.to_owned();
        let status = user.status.as_str().to_owned();
        [user.email, user.name.unwrap_or_default(), status, user.roles.join(", "), factor, locked]
    });
    terminal.out(&table(["EMAIL", "NAME", "STATUS", "ROLES", "SECOND FACTOR", "LOCKED"], rows))
}

fn set_status(app: &App, terminal: &mut dyn Terminal, who: &Who, status: Status) -> Result<()> {
    let user = apply(app, who, UserChange { status: Some(status), ..UserChange::default() })?;
    terminal.talk(&format!("{} is {}.", user.email, user.status.as_str()))
}

fn apply(app: &App, who: &Who, change: UserChange) -> Result<identity::User> {
    checked(&change)?;
    let user = who.find(app)?;
    wait(app.identity.change_user(&Permit::command_line(), user.id, change, Precondition::default()))
}

fn forget(app: &App, who: &Who, act: Forgetting, reason: Option<String>) -> Result<identity::User> {
    let (any, id) = (Precondition::default(), who.find(app)?.id);
    wait(app.identity.forget_user(&Permit::command_line(), id, act, any, reason, |_| Ok(serde_json::json!({}))))
}

fn erase(app: &App, terminal: &mut dyn Terminal, who: &Who, asked: EraseUser) -> Result<()> {
    checked(&asked)?;
    let (permit, any, id) = (Permit::command_line(), Precondition::default(), who.find(app)?.id);
    let (_, owned) = wait(app.entities.erase_user(&app.identity, &permit, id, asked, any))?;
    terminal.talk(&format!("{} was forgotten for good.", who.email))?;
    let files = owned.files.filter(|files| *files > 0).map(|files| format!("files: {files}"));
    let all: Vec<_> = owned.entities.iter().map(|(name, count)| format!("{name}: {count}")).chain(files).collect();
    if all.is_empty() {
        return Ok(());
    }
    let fate = match owned.fate {
        Fate::Keep => "stays",
        Fate::Erase => "is erased by a job of the server",
        Fate::HandOver => "is handed over by a job of the server",
    };
    terminal.talk(&format!("What they own {fate} ({}).", all.join(", ")))
}

fn spoken(roles: &[String]) -> String {
    match roles {
        [] => "no role".to_owned(),
        [one] => format!("the role {one}"),
        many => format!("the roles {}", many.join(", ")),
    }
}
