//! The command line: the list of commands. Standard output is for scripts, standard error for people;
//! the exit status is 0 when all is well, 1 when something was refused, 2 for wrong usage or configuration.

mod api_key;
mod audit;
mod backup;
mod blueprint;
mod config;
mod connect;
mod decision;
mod doctor;
mod documents;
mod elevation;
mod entity;
mod export;
mod import;
mod jobs;
mod kill_switch;
mod mail;
mod matrix;
mod migrate;
mod openapi;
mod role;
mod secrets;
mod serve;
mod table;
mod terminal;
mod user;

use crate::{
    config::{Config, Loaded, Sources},
    error::{Error, Faults, Result},
    secrets::Keyring,
    server::{self, App, Terminal},
    web::Body,
};
use clap::{Parser, Subcommand};
use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PORTCULLIS_BUILT_FROM"), ")");

/// A hardened backend for a small team, in one executable.
#[derive(Parser)]
#[command(name = "portcullis", version = VERSION, arg_required_else_help = true, max_term_width = 100)]
struct CommandLine {
    /// Configuration file; without it portcullis.toml in the working directory, if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database and the keys.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until a signal ends it. The first start makes the data folder, the keys and the database.
    Serve(serve::Serve),
    /// Look at the database's version, or bring it up to date.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Print completions for a shell.
    Completions(documents::Completions),
    /// Print the man page.
    Man(documents::Manual),
    #[command(flatten)]
    Live(Live),
}

/// How a command ended, when it did not fail with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Refused,
    /// Wrong usage or configuration.
    Misused,
}

impl Exit {
    const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Misused => 2,
        }
    }
}

/// What the input of a command is.
enum Input {
    Nothing,
    Standard,
    File(PathBuf),
}

/// A command on live state. Beside a running server it runs inside it, else in a process that opens the folder itself.
trait LiveCommand {
    /// What [`Terminal::take_input`] reads, wherever the command runs.
    fn input(&self) -> Input {
        Input::Nothing
    }

    fn run(&self, app: &App, terminal: &mut dyn Terminal) -> Result<Exit>;
}

/// Declares the commands on live state, one line each.
macro_rules! live {
    ($($(#[$doc:meta])* $name:ident($type:ty),)*) => {
        #[derive(Subcommand, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Live { $($(#[$doc])* $name($type),)* }

        impl Live {
            fn as_command(&self) -> &dyn LiveCommand {
                match self { $(Self::$name(command) => command,)* }
            }
        }
    };
}

live! {
    /// Check, show, change or begin a configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check the audit log, or take it out.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Make and check backups, and go back to one.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// What each role allows.
    #[command(subcommand)]
    Role(role::Role),
    /// Make roles, entity types and settings as a blueprint says. Applying it twice changes nothing.
    Apply(blueprint::Apply),
    /// Write the roles, entity types and changed settings there are as a blueprint to standard output.
    ExportBlueprint(blueprint::ExportBlueprint),
    /// Why a request was refused, check by check.
    Decision(decision::Decision),
    /// What the instance finds wrong with itself, and what to do; a gate with --min-score.
    Doctor(doctor::Doctor),
    /// Who broke the glass; close it where nobody else can.
    #[command(subcommand)]
    Elevation(elevation::Elevation),
    /// Close everything, or a part of it, at once.
    #[command(subcommand)]
    KillSwitch(kill_switch::KillSwitch),
    /// See the keys of this instance, and rotate them.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Bring entities in from a CSV or JSON Lines file.
    Import(import::Import),
    /// Write entities to standard output.
    Export(export::Export),
    /// Make and look after keys for scripts and services.
    #[command(subcommand)]
    ApiKey(api_key::ApiKey),
    /// Who may do what, as enforced now: roles and keys by resources and actions, fields by clearance.
    Matrix(matrix::Matrix),
    /// What the server does in the background; run it again, or call it off.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// See whether mail gets through.
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Write the document of the API (OpenAPI 3.1) to standard output.
    #[command(name = "openapi")]
    OpenApi(openapi::OpenApi),
    /// Forget the personal data of one entity, or take it out.
    #[command(subcommand)]
    Entity(entity::Entity),
    /// Make and look after accounts.
    #[command(subcommand)]
    User(user::User),
}

/// Reads the arguments of the process and does what they say.
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    let listen = match &line.command {
        Command::Serve(serve) => serve.listen.clone(),
        _ => None,
    };
    let sources = Sources {
        file: line.config,
        directory: PathBuf::from("."),
        env: std::env::vars_os().collect(),
        data_dir: line.data_dir,
        listen,
        routes: server::routes::patterns(),
        probe_folder: matches!(
            line.command,
            Command::Serve(_) | Command::Live(Live::Config(config::ConfigCommand::Check))
        ),
    };
    let status = match line.command {
        Command::Serve(_) => with_config(&sources, serve::run),
        Command::Live(Live::Config(command)) if command.is_of_files(&sources) => command.run_on_files(&sources),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
        Command::Migrate(command) => with_config(&sources, |loaded| command.run(loaded)),
        Command::Live(Live::Backup(command)) if command.is_restore() => {
            with_config(&sources, |loaded| command.restore(&loaded))
        }
        Command::Live(command) => with_config(&sources, |loaded| connect::run(loaded, &command)),
    };
    ExitCode::from(status)
}

fn with_config(sources: &Sources, run: impl FnOnce(Loaded) -> Result<u8>) -> u8 {
    match Config::load(sources) {
        Ok(loaded) => run(loaded).unwrap_or_else(|error| {
            eprintln!("{}", explain(&error));
            Exit::Refused.status()
        }),
        Err(mistakes) => {
            eprintln!("portcullis: {mistakes}");
            Exit::Misused.status()
        }
    }
}

/// A keyring that cannot be used is a mistake of the configuration, as a short secret in it would be.
fn refuse_keyring(loaded: &Loaded) -> Option<u8> {
    let error = Keyring::check(&loaded.config.data_dir).err()?;
    eprintln!("{}", explain(&error));
    Some(Exit::Misused.status())
}

/// Runs a command inside the server, for one that asked through the control socket.
fn run_inside(command: &str, app: &App, terminal: &mut dyn Terminal) -> u8 {
    if let Ok(command) = serde_json::from_str::<Live>(command) {
        return finish(command.as_command(), app, terminal);
    }
    let _ = terminal.talk("portcullis: the running server does not know this command; restart it");
    Exit::Refused.status()
}

fn finish(command: &dyn LiveCommand, app: &App, terminal: &mut dyn Terminal) -> u8 {
    match command.run(app, terminal) {
        Ok(exit) => exit.status(),
        Err(error) => {
            let _ = terminal.talk(&explain(&error));
            Exit::Refused.status()
        }
    }
}

/// What a person at the terminal reads; they may see the cause, too.
fn explain(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("portcullis: {error} ({cause})"),
        None => format!("portcullis: {error}"),
    }
}

/// A value for scripts to read.
fn json_text(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value).map_err(Error::internal)?;
    Ok(format!("{value:#}\n"))
}

/// Writes to standard output; a reader that has seen enough, such as `head`, is no fault.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What the type of a body cannot say, for one that was put together from arguments.
fn checked(body: &impl Body) -> Result<()> {
    let mut faults = Faults::default();
    body.check(&mut faults);
    faults.into_result()
}

/// A duration among the arguments, such as `30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|_| "a duration such as 30m, 2h or 1d".to_owned())?;
    let whole =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| "at most days, no months".to_owned())?;
    Duration::try_from(whole).ok().filter(|whole| !whole.is_zero()).ok_or_else(|| "longer than nothing".to_owned())
}

/// Waits for something asynchronous, on a thread where blocking is fine.
fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?.block_on(future)
}
