//! What was erased, kept beside the database: a backup that is restored later knows nothing of it, so it is erased
//! there again before anybody is served. It names no person: ids, which stand for nobody any more.

use crate::{
    clock::Time,
    error::{Code, Error, Result},
    ids::Id,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where it lies in the data folder.
pub const ERASURES_FILE: &str = "erasures.log";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    User,
    Entity,
}

/// How much is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgetting {
    /// What says who it is; the rest stays in use.
    Anonymise,
    /// The same, and what is left is deleted for good.
    Erase,
}

impl Forgetting {
    /// As events and histories call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anonymise => "anonymised",
            Self::Erase => "erased",
        }
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    pub at: Time,
    pub kind: SubjectKind,
    pub id: Id,
    pub act: Forgetting,
    /// The data key that was destroyed, where there was one.
    pub key: Option<Id>,
}

/// The ledger of erasures. Lines are added, never changed. Clones share it.
#[derive(Clone)]
pub struct Erasures(Arc<PathBuf>);

fn failed(cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::StorageFull {
        return Error::new(Code::StorageFull, "The disk is full. Free some room and try again.").caused_by(cause);
    }
    Error::unavailable("The ledger of erasures cannot be written, so nothing was erased.").caused_by(cause)
}

impl Erasures {
    pub fn of(folder: &Path) -> Self {
        Self(Arc::new(folder.join(ERASURES_FILE)))
    }

    /// Writes a line to disk. It goes before the commit: what is promised here and was not done is done at the next
    /// start.
    pub fn record(&self, erasure: &Erasure) -> Result<()> {
        let line = serde_json::to_string(erasure).map_err(Error::internal)?;
        self.append(&line).map_err(failed)
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let made = !self.0.exists();
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&*self.0)?;
        let mut text = String::new();
        if file.seek(SeekFrom::End(0))? > 0 {
            // A line that a crash cut off does not run into the next.
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push('\n');
            }
        }
        text.push_str(line);
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if let Some(folder) = self.0.parent().filter(|_| made) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Everything that was erased, oldest first.
    pub fn all(&self) -> Result<Vec<Erasure>> {
        let text = match fs::read_to_string(&*self.0) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => {
                let detail = format!("the ledger of erasures {} cannot be read: {cause}", self.0.display());
                return Err(Error::unavailable(detail));
            }
        };
        let mut all = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            if let Ok(erasure) = serde_json::from_str(line) {
                all.push(erasure);
            } else {
                tracing::warn!(line = index + 1, "a line of the ledger of erasures is cut off or malformed");
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn lines_are_kept_and_one_that_was_cut_off_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Erasures::of(folder.path());
        assert!(ledger.all().unwrap().is_empty());
        let line = |act| Erasure { at: Time(5), kind: SubjectKind::Entity, id: Id::new(), act, key: Some(Id::new()) };
        let (first, second) = (line(Forgetting::Erase), line(Forgetting::Anonymise));
        ledger.record(&first).unwrap();
        let path = folder.path().join(ERASURES_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\": 5, \"ki").unwrap();
        ledger.record(&second).unwrap();
        assert_eq!(ledger.all().unwrap(), [first, second]);
    }
}
