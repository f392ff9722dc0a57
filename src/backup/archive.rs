//! What lies inside: a tar archive whose first member tells what the others should come to.

use super::envelope::unwritten;
use crate::{
    error::{Error, Result},
    storage::Db,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

pub(super) const DATABASE: &str = "portcullis.db";
pub(super) const KEYRING: &str = "keyring.json";
/// Uploaded files.
pub(super) const FILES: &str = "files";
const INCOMING: &str = "incoming";
/// Who was erased; the one of the folder is never replaced.
pub(super) const ERASURES: &str = "erasures.log";
pub(super) const CONFIGURATION: &str = "configuration";
const MANIFEST: &str = "manifest.json";

/// What the database holds, counted when the backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub head_seq: i64,
    pub head_hash: String,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
    /// Whether uploaded files are in it; those in a bucket stay there.
    #[serde(default)]
    pub files_held: bool,
}

impl Manifest {
    pub fn count(db: &Db) -> Result<Self> {
        let (head_seq, head_hash) = crate::audit::head(db)?;
        let rows = db.read(|reader| {
            let tables =
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
            let names = reader.query_all(tables, &[], |row| row.get::<String>(0))?;
            let count = |name: String| {
                let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
                Ok((name, reader.query_one(&sql, &[], |row| row.get(0))?.unwrap_or(0)))
            };
            names.into_iter().map(count).collect()
        })?;
        Ok(Self { head_seq, head_hash, rows, files_held: false })
    }

    /// Whether the database is what was counted.
    pub fn tells_of(&self, counted: &Self) -> bool {
        (self.head_seq, &self.head_hash, &self.rows) == (counted.head_seq, &counted.head_hash, &counted.rows)
    }

    pub fn total(&self) -> i64 {
        self.rows.values().sum()
    }
}

/// What goes in: names inside and where the bytes are.
pub(super) struct Contents {
    pub manifest: Manifest,
    pub files: Vec<(String, PathBuf)>,
}

impl Contents {
    /// Everything of a data folder but its database, which is a copy elsewhere.
    pub fn gather(folder: &Path, copy: &Path, configuration: &[PathBuf]) -> Result<Vec<(String, PathBuf)>> {
        let mut files = vec![(DATABASE.to_owned(), copy.to_owned())];
        for name in [KEYRING, super::recovery::FILE, ERASURES] {
            files.push((name.to_owned(), folder.join(name)));
        }
        for path in configuration {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((format!("{CONFIGURATION}/{name}"), path.clone()));
        }
        files.retain(|(_, path)| path.is_file());
        collect(&folder.join(FILES), FILES, &mut files).map_err(unwritten)?;
        // Uploads that are under way are nobody's yet.
        let incoming = format!("{FILES}/{INCOMING}/");
        files.retain(|(name, _)| !name.starts_with(&incoming));
        Ok(files)
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|(_, path)| fs::metadata(path).ok()).map(|data| data.len()).sum()
    }
}

fn collect(folder: &Path, inside: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{inside}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &name, files)?;
        } else if kind.is_file() {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// Writes them all; `each` hears of the bytes so far and may say stop.
pub(super) fn pack<W: Write>(contents: &Contents, into: W, mut each: impl FnMut(u64) -> Result<()>) -> Result<W> {
    let mut tar = tar::Builder::new(into);
    let manifest = serde_json::to_vec_pretty(&contents.manifest).map_err(Error::internal)?;
    let mut head = header(manifest.len() as u64);
    tar.append_data(&mut head, MANIFEST, &*manifest).map_err(unwritten)?;
    let mut done = 0;
    for (name, path) in &contents.files {
        // One that was removed meanwhile is not there to be kept.
        let Ok(file) = File::open(path) else { continue };
        let size = file.metadata().map_err(unwritten)?.len();
        let mut stopped = None;
        let watched =
            Watched { file: file.take(size), each: |bytes| each(done + bytes), read: 0, stopped: &mut stopped };
        let written = tar.append_data(&mut header(size), name, watched);
        if let Some(error) = stopped {
            return Err(error);
        }
        written.map_err(unwritten)?;
        done += size;
    }
    tar.into_inner().map_err(unwritten)
}

struct Watched<'e, R, F> {
    file: R,
    each: F,
    read: u64,
    stopped: &'e mut Option<Error>,
}

impl<R: Read, F: FnMut(u64) -> Result<()>> Read for Watched<'_, R, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.read += count as u64;
        (self.each)(self.read).map_err(|error| {
            *self.stopped = Some(error);
            io::Error::other("stopped")
        })?;
        Ok(count)
    }
}

/// Puts everything into an empty folder and reads to the very end, so that nothing unproven stays; the manifest.
pub(super) fn unpack(from: impl Read, into: &Path, mut each: impl FnMut() -> Result<()>) -> Result<Manifest> {
    let mut tar = tar::Archive::new(from);
    let mut manifest = None;
    for entry in tar.entries().map_err(untrusted)? {
        each()?;
        let mut entry = entry.map_err(untrusted)?;
        let name = entry.path().map_err(untrusted)?.into_owned();
        let foreign = || Error::conflict(format!("this backup holds {}, which belongs into none", name.display()));
        if entry.header().entry_type() != tar::EntryType::Regular || !belongs(&name) {
            return Err(foreign());
        }
        if name == Path::new(MANIFEST) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(untrusted)?;
            manifest =
                Some(serde_json::from_slice(&text).map_err(|_| Error::conflict("the backup's manifest is malformed"))?);
            continue;
        }
        write(&mut entry, &into.join(&name))?;
    }
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(untrusted)?;
    manifest.ok_or_else(|| Error::conflict("the backup has no manifest"))
}

fn write(entry: &mut impl Read, path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let parent = path.parent().unwrap_or(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(unwritten)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritten)?;
    io::copy(entry, &mut file).map_err(untrusted)?;
    Ok(())
}

/// What was altered says so; what has no room does, too.
fn untrusted(cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull => unwritten(cause),
        _ => Error::conflict("this backup was altered or cut short; nothing of it is used").caused_by(cause),
    }
}

fn belongs(name: &Path) -> bool {
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    let single = [MANIFEST, DATABASE, KEYRING, super::recovery::FILE, ERASURES];
    plain
        && (single.iter().any(|known| name == Path::new(known))
            || name.starts_with(FILES)
            || name.starts_with(CONFIGURATION))
}
