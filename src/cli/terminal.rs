//! The terminal of this process.

use super::Input;
use crate::{
    error::{Code, Error, Result},
    server::Terminal,
};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Write},
};

/// Standard output and error, and the input of one command.
pub struct Local {
    input: Box<dyn BufRead + Send>,
    interactive: bool,
    /// Whether a line of progress stands on the screen.
    pending: bool,
}

impl Local {
    pub fn open(input: &Input) -> Result<Self> {
        Ok(Self { input: open(input)?, interactive: io::stderr().is_terminal(), pending: false })
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.pending) {
            eprint!("\r\x1b[K");
        }
    }
}

fn open(input: &Input) -> Result<Box<dyn BufRead + Send>> {
    Ok(match input {
        Input::Nothing => Box::new(io::empty()),
        Input::Standard => Box::new(BufReader::new(io::stdin())),
        Input::File(path) => Box::new(BufReader::with_capacity(
            64 << 10,
            File::open(path)
                .map_err(|cause| Error::new(Code::NotFound, format!("cannot read {}: {cause}", path.display())))?,
        )),
    })
}

impl Terminal for Local {
    fn out(&mut self, text: &str) -> Result<()> {
        self.clear_progress();
        io::stdout().write_all(text.as_bytes()).map_err(closed)
    }

    fn talk(&mut self, line: &str) -> Result<()> {
        self.clear_progress();
        writeln!(io::stderr(), "{line}").map_err(closed)
    }

    fn progress(&mut self, line: &str) -> Result<()> {
        if self.interactive {
            self.pending = true;
            write!(io::stderr(), "\r\x1b[K{line}").map_err(closed)?;
        }
        Ok(())
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn take_input(&mut self) -> Box<dyn BufRead + Send> {
        std::mem::replace(&mut self.input, Box::new(io::empty()))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.clear_progress();
        let _ = io::stdout().flush();
    }
}

fn closed(cause: io::Error) -> Error {
    Error::unavailable("the output was closed").caused_by(cause)
}
