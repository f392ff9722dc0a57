//! What a command reads and says, wherever it runs: in its own process, or in the server on its behalf.

use crate::error::{Error, Result};
use std::io::{BufRead, Read};

/// A command's way to the person or script that called it.
pub trait Terminal {
    /// For scripts: standard output, as it is.
    fn out(&mut self, text: &str) -> Result<()>;

    /// For people: a line on standard error.
    fn talk(&mut self, line: &str) -> Result<()>;

    /// How far a long command is; shown in one place, and only to people.
    fn progress(&mut self, line: &str) -> Result<()>;

    /// Whether the command runs in the server, for a caller elsewhere.
    fn is_remote(&self) -> bool;

    /// What was piped in, or the file that the command names. It is handed out once.
    fn take_input(&mut self) -> Box<dyn BufRead + Send>;
}

/// Longer lines are not read to their end.
const LONGEST_LINE: u64 = 64 << 10;

/// The first line of the input, without its end.
pub fn read_line(terminal: &mut dyn Terminal) -> Result<String> {
    let mut line = String::new();
    let read = terminal.take_input().take(LONGEST_LINE).read_line(&mut line);
    read.map_err(|cause| {
        Error::invalid_at("standard input", "unreadable", "the input is not UTF-8 text").caused_by(cause)
    })?;
    if line.ends_with('\n') {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    Ok(line)
}
