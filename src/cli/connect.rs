//! Where a command on live state runs: inside the running server, reached by its control socket,
//! or here, with the folder opened for it.

use super::{Live, finish, refuse_keyring, terminal::Local};
use crate::{
    clock::Clock,
    config::Loaded,
    error::{Code, Error, Result},
    server::{App, Request, SOCKET, Said, Terminal, send_frames, through_short_path},
};
use serde_json::value::RawValue;
use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

/// How long a command waits for another one, or for a server that is starting or ending.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

pub fn run(loaded: Loaded, command: &Live) -> Result<u8> {
    let mut terminal = Local::open(&command.as_command().input())?;
    let path = loaded.config.data_dir.join(SOCKET);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(stream) = through_short_path(&path, |path| UnixStream::connect(path)) {
            return run_remotely(stream, command, &mut terminal);
        }
        if let Some(status) = refuse_keyring(&loaded) {
            return Ok(status);
        }
        match App::open(loaded.clone(), Clock::system()) {
            Ok(app) => {
                let status = finish(command.as_command(), &app, &mut terminal);
                app.close();
                return Ok(status);
            }
            Err(error) if error.code() == Code::Conflict && Instant::now() < deadline => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
}

fn run_remotely(stream: UnixStream, command: &Live, terminal: &mut Local) -> Result<u8> {
    let command = serde_json::to_string(command).and_then(RawValue::from_string).map_err(Error::internal)?;
    let request = Request { version: env!("CARGO_PKG_VERSION").to_owned(), command };
    let mut line = serde_json::to_vec(&request).map_err(Error::internal)?;
    line.push(b'\n');
    let input = terminal.take_input();
    let mut sending = stream.try_clone().map_err(lost)?;
    // Its end is not waited for: the server may answer before it has read everything.
    thread::spawn(move || -> io::Result<()> {
        sending.write_all(&line)?;
        send_frames(input, &mut sending)
    });
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line.map_err(lost)?).map_err(Error::internal)? {
            Said::Out(text) => terminal.out(&text)?,
            Said::Talk(line) => terminal.talk(&line)?,
            Said::Progress(line) => terminal.progress(&line)?,
            Said::Exit(status) => return Ok(status),
        }
    }
    Err(Error::unavailable("the server ended before the command did; see whether its work was done"))
}

fn lost(cause: io::Error) -> Error {
    Error::unavailable("the connection to the server was lost").caused_by(cause)
}
