//! The control socket: commands beside a running server run inside it, so that there is one writer and one truth.
//! A request is a line of JSON, then the command's input in frames; the answer is lines of JSON, the exit status last.

use super::{app::App, frames::Frames, terminal::Terminal};
use crate::error::{Error, Result};
use rustix::{net::sockopt::socket_peercred, process::geteuid};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The socket in the data folder.
pub const SOCKET: &str = "control.sock";
/// Commands at the same time; more are refused.
const MOST: usize = 256;
const LONGEST_REQUEST: u64 = 16 << 20;
const LONGEST_ADDRESS: usize = 100;
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Runs the command that this JSON names and answers its exit status. The command line plugs it in.
pub type RunCommand = fn(command: &str, app: &App, terminal: &mut dyn Terminal) -> u8;

#[derive(Serialize, Deserialize)]
pub struct Request {
    /// Of the program that asks: another version may know other commands.
    pub version: String,
    pub command: Box<RawValue>,
}

/// A line of the answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    Out(String),
    Talk(String),
    Progress(String),
    Exit(u8),
}

/// The listening socket; its file goes with it.
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Listens in the data folder. The folder's lock is held, so whatever stands there is a leftover.
    pub fn start(app: &App, run: RunCommand) -> Result<Self> {
        let path = app.folder.join(SOCKET);
        let listener = listen(&path).map_err(|cause| {
            Error::unavailable(format!("cannot make the control socket {}: {cause}", path.display()))
        })?;
        let app = app.clone();
        thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&listener, &app, run))
            .map_err(Error::internal)?;
        Ok(Self { path })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let listener = through_short_path(path, |path| UnixListener::bind(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Calls with a path that fits a socket address (108 bytes), however deep the data folder lies.
pub fn through_short_path<T>(path: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if path.as_os_str().len() > LONGEST_ADDRESS => {
            let folder = fs::File::open(folder)?;
            call(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
        }
        _ => call(path),
    }
}

fn accept(listener: &UnixListener, app: &App, run: RunCommand) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if !is_ours(&stream) {
            continue;
        }
        if busy.load(Ordering::Relaxed) >= MOST {
            refuse(&stream);
            continue;
        }
        let (app, slot) = (app.clone(), Slot::take(&busy));
        let spawned = thread::Builder::new().name("command".into()).spawn(move || {
            let _slot = slot;
            if let Err(cause) = answer(&stream, &app, run) {
                tracing::debug!(%cause, "a command ended early");
            }
        });
        if let Err(cause) = spawned {
            tracing::error!(%cause, "no thread for a command");
        }
    }
}

fn refuse(stream: &UnixStream) {
    let mut remote = Remote { input: None, output: stream };
    let _ = remote.talk("portcullis: the server is busy with other commands; try again");
    let _ = remote.say(&Said::Exit(1));
}

struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(busy: &Arc<AtomicUsize>) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The file's mode keeps others out; this does too in the moment before the mode is set.
fn is_ours(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid() || peer.uid.is_root())
}

fn answer(stream: &UnixStream, app: &App, run: RunCommand) -> Result<()> {
    let mut input = BufReader::new(stream.try_clone().map_err(Error::internal)?);
    let line = read_request(stream, &mut input).map_err(Error::internal)?;
    let mut remote = Remote { input: Some(Box::new(BufReader::new(Frames::new(input)))), output: stream };
    let status = match serde_json::from_str::<Request>(&line) {
        Ok(request) if request.version != env!("CARGO_PKG_VERSION") => {
            let ours = env!("CARGO_PKG_VERSION");
            remote.talk(&format!(
                "portcullis: the running server is version {ours}, this command {}; restart it",
                request.version
            ))?;
            1
        }
        Ok(request) => {
            let ran = catch_unwind(AssertUnwindSafe(|| run(request.command.get(), app, &mut remote)));
            ran.unwrap_or_else(|_| {
                let _ = remote.talk("portcullis: the command failed inside the server; its log has the cause");
                1
            })
        }
        Err(_) => {
            remote.talk("portcullis: the request could not be read")?;
            1
        }
    };
    remote.say(&Said::Exit(status))
}

fn read_request(stream: &UnixStream, input: &mut impl BufRead) -> io::Result<String> {
    stream.set_read_timeout(Some(REQUEST_TIME))?;
    let mut line = String::new();
    input.take(LONGEST_REQUEST).read_line(&mut line)?;
    stream.set_read_timeout(None)?;
    Ok(line)
}

/// The terminal at the other end of the socket.
struct Remote<'s> {
    input: Option<Box<dyn BufRead + Send>>,
    output: &'s UnixStream,
}

impl Remote<'_> {
    fn say(&mut self, said: &Said) -> Result<()> {
        let mut line = serde_json::to_vec(said).map_err(Error::internal)?;
        line.push(b'\n');
        self.output.write_all(&line).map_err(|cause| Error::unavailable("whoever called is gone").caused_by(cause))
    }
}

impl Terminal for Remote<'_> {
    fn out(&mut self, text: &str) -> Result<()> {
        self.say(&Said::Out(text.to_owned()))
    }

    fn talk(&mut self, line: &str) -> Result<()> {
        self.say(&Said::Talk(line.to_owned()))
    }

    fn progress(&mut self, line: &str) -> Result<()> {
        self.say(&Said::Progress(line.to_owned()))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn take_input(&mut self) -> Box<dyn BufRead + Send> {
        self.input.take().unwrap_or_else(|| Box::new(io::empty()))
    }
}
