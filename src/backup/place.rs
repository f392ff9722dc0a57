//! Where backups lie: a folder, or a bucket of an S3-compatible service.

use super::{
    directory::Directory,
    envelope::Head,
    remote::{self, Remote},
};
use crate::{
    clock::Time,
    config::Config,
    error::{Error, Result},
    outbound::Outbound,
};
use bytes::Bytes;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

const ENDING: &str = ".backup";
/// Bytes that are handed on at a time.
const PORTION: u64 = 256 << 10;

/// A bucket is waited for: not for an event loop.
#[derive(Clone)]
pub(super) enum Place {
    Directory(Directory),
    Remote(Remote),
}

/// A backup as its place shows it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    pub size: u64,
}

/// A backup that is being written.
pub(super) struct Draft {
    pub file: File,
    pub path: PathBuf,
}

/// A backup that is handed on.
pub(super) enum Portions {
    File(File),
    Pieces(remote::Reading),
}

impl Place {
    /// `backup.to`, or `backups` in the data folder.
    pub fn open(config: &Config, data_dir: &Path, outbound: &Outbound) -> Result<Self> {
        let Some(to) = &config.backup.to else {
            return Ok(Self::Directory(Directory::new(data_dir.join("backups"))));
        };
        match to.bucket() {
            Some(bucket) => Remote::open(bucket, &config.s3, outbound).map(Self::Remote),
            None => Ok(Self::Directory(Directory::new(PathBuf::from(&**to)))),
        }
    }

    /// Whether they lie in the data folder, and so are lost with it.
    pub fn is_within(&self, folder: &Path) -> bool {
        match self {
            Self::Directory(directory) => directory.path().starts_with(folder),
            Self::Remote(_) => false,
        }
    }

    /// As a person would name it.
    pub fn shown(&self) -> String {
        match self {
            Self::Directory(directory) => directory.path().display().to_string(),
            Self::Remote(remote) => remote.shown().to_owned(),
        }
    }

    /// A name that is free: `portcullis-20260131T120000Z.backup`.
    pub fn free_name(&self, now: Time) -> Result<String> {
        let stamp: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let name = |number: u32| match number {
            1 => format!("portcullis-{stamp}Z{ENDING}"),
            more => format!("portcullis-{stamp}Z-{more}{ENDING}"),
        };
        let there = self.list()?;
        let taken = |name: &String| there.iter().any(|found| found.name == *name);
        (1..u32::MAX).map(name).find(|name| !taken(name)).ok_or_else(|| Error::internal("no name is free"))
    }

    /// A backup by its name; nothing else is ever opened.
    pub fn find(&self, name: &str) -> Result<Found> {
        if !is_name(name) {
            return Err(Error::not_found());
        }
        match self {
            Self::Directory(directory) => directory.find(name),
            Self::Remote(remote) => remote.find(name),
        }
    }

    /// All backups there are, the newest first.
    pub fn list(&self) -> Result<Vec<Found>> {
        let mut found = match self {
            Self::Directory(directory) => directory.list()?,
            Self::Remote(remote) => remote.list()?,
        };
        found.retain(|found| is_name(&found.name));
        found.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        Ok(found)
    }

    pub fn head(&self, found: &Found) -> Result<Head> {
        match self {
            Self::Directory(directory) => Ok(Head::read(&mut directory.open(&found.name)?)?.0),
            Self::Remote(remote) => remote.head(found),
        }
    }

    /// A new file, under another name than its own, until [`Place::keep`].
    pub fn begin(&self, name: &str, scratch: &Path) -> Result<Draft> {
        match self {
            Self::Directory(directory) => directory.begin(name),
            Self::Remote(_) => Draft::new(scratch.join(name)),
        }
    }

    /// Gives a whole file its name, for good.
    pub fn keep(&self, name: &str, draft: &Draft) -> Result<()> {
        match self {
            Self::Directory(directory) => directory.keep(name, draft),
            Self::Remote(remote) => remote.keep(name, draft),
        }
    }

    /// Removes what was begun and not kept.
    pub fn clear(&self) -> Result<()> {
        match self {
            Self::Directory(directory) => directory.clear(),
            // An upload that is not completed is no object; what lay on this machine went with its scratch folder.
            Self::Remote(_) => Ok(()),
        }
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        self.find(name)?;
        match self {
            Self::Directory(directory) => directory.remove(name),
            Self::Remote(remote) => remote.remove(name),
        }
    }

    /// The path of the whole backup on this machine; one from elsewhere is put into `scratch`.
    pub fn fetch(&self, name: &str, scratch: &Path, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<PathBuf> {
        let found = self.find(name)?;
        match self {
            Self::Directory(directory) => Ok(directory.path_of(name)),
            Self::Remote(remote) => remote.fetch(&found, scratch, each),
        }
    }

    /// The bytes of a backup, portion by portion, and how many there are.
    pub fn read(&self, name: &str) -> Result<(u64, Portions)> {
        let found = self.find(name)?;
        let portions = match self {
            Self::Directory(directory) => Portions::File(directory.open(name)?),
            Self::Remote(remote) => Portions::Pieces(remote.read(&found)?),
        };
        Ok((found.size, portions))
    }
}

impl Portions {
    /// The next one; none at the end.
    pub fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::File(file) => {
                let mut bytes = Vec::with_capacity(PORTION as usize);
                let read = file.by_ref().take(PORTION).read_to_end(&mut bytes);
                read.map_err(|cause| Error::unavailable("The backup cannot be read.").caused_by(cause))?;
                Ok((!bytes.is_empty()).then(|| bytes.into()))
            }
            Self::Pieces(reading) => reading.next(),
        }
    }
}

pub(super) fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(ENDING).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !stem.is_empty() && stem.len() <= 100 && !stem.starts_with('.') && stem.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_are_names_and_newer_ones_sort_behind() {
        for bad in ["", ".backup", "../x.backup", "a/b.backup", "a.txt", ".x.backup", "a b.backup", "a\0.backup"] {
            assert!(!is_name(bad), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Directory(Directory::new(folder.path().to_owned()));
        let time: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let first = place.free_name(time).unwrap();
        assert_eq!(first, "portcullis-20260131T120000Z.backup");
        assert!(is_name(&first));
        fs::write(folder.path().join(&first), "").unwrap();
        assert_eq!(place.free_name(time).unwrap(), "portcullis-20260131T120000Z-2.backup");
        assert_eq!(place.list().unwrap().len(), 1);
        assert!(place.find("other.backup").is_err());
    }
}
