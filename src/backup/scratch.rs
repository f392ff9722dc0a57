//! A place in the data folder for what is half made: readable by its owner alone, gone when it is dropped.

use super::quiet;
use crate::{
    error::{Error, Result},
    ids::Id,
};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

const FOLDER: &str = "backup.scratch";

pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(FOLDER).join(Id::new().to_string());
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|cause| Error::unavailable("There is no place to work in.").caused_by(cause))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = quiet::remove_folder(&self.0);
    }
}

/// What a process that ended left there. Call it while nobody works.
pub(super) fn clear(folder: &Path) {
    let _ = fs::remove_dir_all(folder.join(FOLDER));
}
