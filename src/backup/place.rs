//! The folder where backups lie.

use super::envelope::{Head, unwritten};
use crate::{
    clock::Time,
    config::Config,
    error::{Error, Result},
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const ENDING: &str = ".backup";
const PART: &str = ".part";

#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

/// A backup as the folder shows it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    pub size: u64,
}

impl Place {
    /// `backup.to`, or `backups` in the data folder.
    pub fn of(config: &Config, data_dir: &Path) -> Self {
        let to = config.backup.to.as_deref();
        Self(to.map_or_else(|| data_dir.join("backups"), PathBuf::from))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A name that is free: `portcullis-20260131T120000Z.backup`.
    pub fn free_name(&self, now: Time) -> String {
        let stamp: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let name = |number: u32| match number {
            1 => format!("portcullis-{stamp}Z{ENDING}"),
            more => format!("portcullis-{stamp}Z-{more}{ENDING}"),
        };
        let taken = |name: &String| self.0.join(name).exists();
        (1..u32::MAX).map(name).find(|name| !taken(name)).unwrap_or_default()
    }

    /// The path of a backup by its name; nothing else is ever opened.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if is_name(name) && path.is_file() { Ok(path) } else { Err(Error::not_found()) }
    }

    /// All backups there are, the newest first.
    pub fn list(&self) -> Result<Vec<Found>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(unreadable(cause)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(data) = entry.metadata().ok().filter(|data| data.is_file() && is_name(&name)) {
                found.push(Found { name, size: data.size() });
            }
        }
        found.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        Ok(found)
    }

    pub fn head(&self, name: &str) -> Result<Head> {
        Ok(Head::read(&mut File::open(self.find(name)?).map_err(unreadable)?)?.0)
    }

    /// A new file under another name than its own, until [`Place::keep`].
    pub fn begin(&self, name: &str) -> Result<File> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(unwritten)?;
        self.clear()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(self.0.join(format!("{name}{PART}"))).map_err(unwritten)
    }

    /// Gives a whole file its name, on disk.
    pub fn keep(&self, name: &str, file: &File) -> Result<()> {
        let kept = || {
            file.sync_all()?;
            fs::rename(self.0.join(format!("{name}{PART}")), self.0.join(name))?;
            File::open(&self.0)?.sync_all()
        };
        kept().map_err(unwritten)
    }

    /// Removes what was begun and not kept.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0).map_err(unreadable)?.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(PART).is_some_and(is_name) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.find(name)?).map_err(unwritten)
    }
}

fn unreadable(cause: io::Error) -> Error {
    Error::unavailable("The folder of the backups cannot be read.").caused_by(cause)
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(ENDING).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !stem.is_empty() && stem.len() <= 100 && !stem.starts_with('.') && stem.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_newer_ones_sort_behind() {
        for bad in ["", ".backup", "../x.backup", "a/b.backup", "a.txt", ".x.backup", "a b.backup", "a\0.backup"] {
            assert!(!is_name(bad), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().to_owned());
        let time: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let first = place.free_name(time);
        assert_eq!(first, "portcullis-20260131T120000Z.backup");
        assert!(is_name(&first));
        fs::write(folder.path().join(&first), "").unwrap();
        assert_eq!(place.free_name(time), "portcullis-20260131T120000Z-2.backup");
        assert_eq!(place.list().unwrap().len(), 1);
        assert!(place.find("other.backup").is_err());
    }
}
