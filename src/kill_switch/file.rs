//! The file `KILL` in the data folder closes everything when nothing else works. What it holds is the reason.

use super::{
    persist,
    state::{Scope, State},
    switch::{KillSwitch, Shared},
};
use crate::{
    actor::Actor,
    clock::Time,
    error::{Error, Result},
};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);
const TRY_AGAIN: Duration = Duration::from_secs(10);
const LONGEST_REASON: u64 = 500;

pub(super) struct KillFile {
    path: PathBuf,
    /// Held while the file is looked at or removed, so that a removal of ours is not taken for somebody else's.
    looking: Mutex<()>,
}

impl KillFile {
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("KILL"), looking: Mutex::default() }
    }

    fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }

    fn remove(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|cause| {
            Error::unavailable("The file KILL could not be removed from the data folder. Remove it by hand.")
                .caused_by(cause)
        })
    }

    fn reason(&self) -> String {
        let mut bytes = Vec::new();
        let opened =
            fs::metadata(&self.path).ok().filter(fs::Metadata::is_file).and_then(|_| fs::File::open(&self.path).ok());
        if let Some(file) = opened {
            let _ = file.take(LONGEST_REASON).read_to_end(&mut bytes);
        }
        let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control() || *c == ' ').collect();
        if text.trim().is_empty() { "The file KILL is in the data folder.".to_owned() } else { text.trim().to_owned() }
    }
}

impl Shared {
    /// Takes over whether the file is there; the change, when there was one.
    pub(super) fn look_for_file(&self) -> Option<(State, State)> {
        let _looking = self.file.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if self.file.exists() {
            let at = self.ledger.clock().now();
            State::on(Scope::All, self.file.reason(), None, &Actor::system("KILL file"), at)
        } else {
            State::default()
        };
        self.set_by_file(state.clone()).map(|before| (before, state))
    }

    /// Leaves the file for the next start, when the database cannot be written. Says whether it is there.
    pub(super) fn leave_file(&self, state: &State) -> bool {
        let _looking = self.file.looking.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk without room for the reason may still have room for a name.
        let _ = fs::write(&self.file.path, state.reason.as_deref().unwrap_or_default());
        let left = self.file.exists();
        if left {
            self.set_by_file(state.clone());
        }
        left
    }

    pub(super) fn remove_file(&self) -> Result<()> {
        let _looking = self.file.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.file.exists() {
            self.file.remove()?;
        }
        self.set_by_file(State::default());
        Ok(())
    }
}

impl KillSwitch {
    /// Looks after the file and the expiry, on a thread of its own so that a busy server still closes.
    /// The thread ends with the last handle.
    pub fn watch(&self) -> Result<()> {
        let by_file = self.0.by_file();
        if by_file.active {
            persist::by_file(&self.0, State::default(), by_file);
        }
        let weak = Arc::downgrade(&self.0);
        let watching = thread::Builder::new().name("kill-switch".into()).spawn(move || {
            let mut unwritten = Time::default();
            while let Some(shared) = weak.upgrade() {
                if let Some((before, after)) = shared.look_for_file() {
                    persist::by_file(&shared, before, after);
                }
                let now = shared.ledger.clock().now();
                let kept = shared.by_switch();
                if kept.active
                    && kept.at(now).is_none()
                    && now.since(unwritten) > TRY_AGAIN
                    && let Err(error) = persist::expired(&shared)
                {
                    tracing::warn!(?error, "the kill switch expired, which could not be written yet");
                    unwritten = now;
                }
                drop(shared);
                thread::sleep(EVERY);
            }
        });
        watching.map(drop).map_err(Error::internal)
    }
}
