//! The data folder: made with mode 0700, and held by one process at a time through `flock`.

use crate::error::{Code, Error, Result};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A folder that exists and can be written to.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

/// Held while a process works on the folder; let go when it ends, however it ends.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Lets go before the last handle is dropped.
    pub fn release(&self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl DataFolder {
    /// Makes the folder if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|cause| {
            Error::new(Code::Unavailable, format!("cannot make the data folder {}: {cause}", path.display()))
        })?;
        let path = path.canonicalize().map_err(Error::internal)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Bytes left for this process where the folder lies, and of how many.
    pub fn space(&self) -> (u64, u64) {
        rustix::fs::statvfs(&self.0).map_or((0, 0), |found| {
            (found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize))
        })
    }

    /// Takes the folder for this process, or says who has it.
    pub fn lock(&self) -> Result<FolderLock> {
        let path = self.join("portcullis.lock");
        let unwritable = |cause: std::io::Error| {
            Error::new(Code::Unavailable, format!("cannot write to the data folder {}: {cause}", self.0.display()))
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(unwritable)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(Error::conflict(format!(
                "the data folder {} is in use by another portcullis (process {}); stop it first",
                self.0.display(),
                holder.trim(),
            )));
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unwritable)?;
        Ok(FolderLock(file))
    }
}
