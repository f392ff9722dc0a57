//! `portcullis serve`: the server itself.

use super::Exit;
use crate::{config::Loaded, error::Result, server};
use clap::Args;

#[derive(Args)]
pub struct Serve {
    /// Where to listen, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
}

pub fn run(loaded: Loaded) -> Result<u8> {
    if let Some(status) = super::refuse_keyring(&loaded) {
        return Ok(status);
    }
    server::run(loaded, super::run_inside)?;
    Ok(Exit::Done.status())
}
