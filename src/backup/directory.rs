//! Backups in a folder.

use super::{
    envelope::unwritten,
    place::{Draft, Found, is_name},
    quiet,
};
use crate::error::{Error, Result};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const PART: &str = ".part";

#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Draft {
    pub fn new(path: PathBuf) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(unwritten)?;
        Ok(Self { file, path })
    }
}

impl Directory {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn find(&self, name: &str) -> Result<Found> {
        let data = fs::metadata(self.path_of(name)).ok().filter(fs::Metadata::is_file);
        data.map(|data| Found { name: name.to_owned(), size: data.size() }).ok_or_else(Error::not_found)
    }

    pub fn open(&self, name: &str) -> Result<File> {
        let file = File::open(self.path_of(name)).map_err(unreadable)?;
        // It stays whole for as long as it is read, where the file system has locks.
        let _ = file.lock_shared();
        Ok(file)
    }

    pub fn list(&self) -> Result<Vec<Found>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(unreadable(cause)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            if let Some(data) = entry.metadata().ok().filter(fs::Metadata::is_file) {
                found.push(Found { name: entry.file_name().to_string_lossy().into_owned(), size: data.size() });
            }
        }
        Ok(found)
    }

    pub fn begin(&self, name: &str) -> Result<Draft> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(unwritten)?;
        self.clear()?;
        Draft::new(self.0.join(format!("{name}{PART}")))
    }

    pub fn keep(&self, name: &str, draft: &Draft) -> Result<()> {
        let kept = || {
            draft.file.sync_all()?;
            fs::rename(&draft.path, self.path_of(name))?;
            File::open(&self.0)?.sync_all()
        };
        kept().map_err(unwritten)
    }

    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0).map_err(unreadable)?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(PART).is_some_and(is_name) {
                let _ = quiet::remove_file(&entry.path());
            }
        }
        Ok(())
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        let leftover = self.path_of(&format!("{name}{PART}"));
        fs::rename(self.path_of(name), &leftover).map_err(unwritten)?;
        quiet::remove_file(&leftover).map_err(unwritten)
    }
}

fn unreadable(cause: io::Error) -> Error {
    Error::unavailable("The folder of the backups cannot be read.").caused_by(cause)
}
