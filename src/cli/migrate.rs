//! `portcullis migrate`: the version of the database.

use super::Exit;
use crate::{
    clock::Clock,
    config::Loaded,
    error::Result,
    server::App,
    storage::{MigrationStatus, migration_status},
};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Migrate {
    /// Say which migrations the database has; exit status 1 when some are missing.
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Apply what is missing. `serve` does the same when it starts.
    Run,
}

impl Migrate {
    pub fn run(&self, loaded: Loaded) -> Result<u8> {
        let MigrationStatus { applied, latest } = migration_status(&loaded.config.data_dir)?;
        match self {
            Self::Status { json: true } => {
                super::print(&format!("{}\n", serde_json::json!({ "applied": applied, "latest": latest })));
            }
            Self::Status { json: false } => super::print(&format!("applied {applied} of {latest}\n")),
            Self::Run if applied == latest => eprintln!("The database is up to date at {latest}."),
            Self::Run => {
                App::open(loaded, Clock::system())?.close();
                eprintln!("The database went from {applied} to {latest}.");
                return Ok(Exit::Done.status());
            }
        }
        Ok(if applied == latest { Exit::Done } else { Exit::Refused }.status())
    }
}
