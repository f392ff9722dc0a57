//! The swap of a restore: one note on disk decides. Before it stands there, the folder is as it was; from then on every
//! start finishes what the note says, however often it is cut short.

use crate::{
    clock::Time,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::archive::{DATABASE, ERASURES, FILES, KEYRING};

pub(super) const STAGED: &str = "restore.new";
pub(super) const RESTORED_CONFIGURATION: &str = "restored-configuration";
const NOTE: &str = "restore.json";
/// The logs of the database before go first: they must never meet another database.
const LOGS: [&str; 2] = ["portcullis.db-wal", "portcullis.db-shm"];
const ITEMS: [&str; 6] = [DATABASE, KEYRING, super::recovery::FILE, ERASURES, FILES, RESTORED_CONFIGURATION];

#[derive(Serialize, Deserialize)]
struct Note {
    backup: String,
    /// The folder that what was there before goes to.
    aside: String,
}

fn failed(cause: io::Error) -> Error {
    Error::unavailable("The data folder could not be changed.").caused_by(cause)
}

/// Swaps what was staged in; where the data from before lies then.
pub(super) fn commit(folder: &Path, backup: &str, now: Time) -> Result<PathBuf> {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = format!("before-restore-{stamp}");
    let note =
        serde_json::to_vec(&Note { backup: backup.to_owned(), aside: aside.clone() }).map_err(Error::internal)?;
    let written = || {
        sync_all(&folder.join(STAGED))?;
        let temporary = folder.join(format!("{NOTE}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&note)?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(NOTE))?;
        File::open(folder)?.sync_all()
    };
    written().map_err(failed)?;
    finish(folder)?;
    Ok(folder.join(aside))
}

/// Finishes a swap that was decided, and clears away one that was not. Call it with the folder's lock held and before
/// anything in it is opened. Answers the backup that was restored.
pub fn finish(folder: &Path) -> Result<Option<String>> {
    let text = match fs::read(folder.join(NOTE)) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let _ = fs::remove_dir_all(folder.join(STAGED));
            return Ok(None);
        }
        Err(cause) => return Err(failed(cause)),
    };
    let malformed = |_| Error::unavailable(format!("{NOTE} in the data folder is malformed; a restore was under way"));
    let note: Note = serde_json::from_slice(&text).map_err(malformed)?;
    swap(folder, &note.aside).map_err(failed)?;
    Ok(Some(note.backup))
}

fn swap(folder: &Path, aside: &str) -> io::Result<()> {
    let (staged, aside) = (folder.join(STAGED), folder.join(aside));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
    let put_aside = |name: &str| match fs::rename(folder.join(name), aside.join(name)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    };
    if staged.join(DATABASE).exists() {
        LOGS.iter().try_for_each(|name| put_aside(name))?;
    }
    for name in ITEMS {
        if staged.join(name).exists() {
            put_aside(name)?;
            fs::rename(staged.join(name), folder.join(name))?;
        }
    }
    File::open(&aside)?.sync_all()?;
    File::open(folder)?.sync_all()?;
    match fs::remove_dir_all(&staged) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    fs::remove_file(folder.join(NOTE))?;
    File::open(folder)?.sync_all()
}

/// Everything in it, to the disk.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn folder_before() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in [DATABASE, "portcullis.db-wal", "portcullis.db-shm", KEYRING, "files/a", "portcullis.lock"] {
            write(name, "old");
        }
        for name in [DATABASE, KEYRING, "files/b", "recovery.pub"] {
            write(&format!("{STAGED}/{name}"), "new");
        }
        folder
    }

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut left = vec![folder.to_owned()];
        while let Some(path) = left.pop() {
            for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    left.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                    found.insert(name, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        found
    }

    /// What a swap that was not cut short comes to.
    fn whole() -> BTreeMap<String, String> {
        let folder = folder_before();
        commit(folder.path(), "one.backup", Time(0)).unwrap();
        contents(folder.path())
    }

    #[test]
    fn what_was_there_is_put_aside_and_the_new_stands_in_its_place() {
        let after = whole();
        assert_eq!(after[DATABASE], "new");
        assert_eq!(after["files/b"], "new");
        assert!(!after.contains_key("portcullis.db-wal"), "no log meets another database");
        let aside = after.keys().filter(|name| name.starts_with("before-restore-")).count();
        assert_eq!(aside, 5, "{after:?}");
        assert_eq!(after["portcullis.lock"], "old");
    }

    type Step = fn(&Path, &Path);

    #[test]
    fn wherever_it_is_cut_short_it_is_the_old_or_the_new() {
        let undecided = folder_before();
        assert_eq!(finish(undecided.path()).unwrap(), None);
        assert_eq!(contents(undecided.path())[DATABASE], "old");
        assert!(!undecided.path().join(STAGED).exists());
        // Each step of the swap, as a crash behind it leaves the folder.
        let steps: [Step; 5] = [
            |_, _| {},
            |folder, aside| fs::rename(folder.join("portcullis.db-wal"), aside.join("portcullis.db-wal")).unwrap(),
            |folder, aside| {
                fs::rename(folder.join("portcullis.db-shm"), aside.join("portcullis.db-shm")).unwrap();
                fs::rename(folder.join(DATABASE), aside.join(DATABASE)).unwrap();
            },
            |folder, _| fs::rename(folder.join(STAGED).join(DATABASE), folder.join(DATABASE)).unwrap(),
            |folder, aside| fs::rename(folder.join(KEYRING), aside.join(KEYRING)).unwrap(),
        ];
        for cut in 1..=steps.len() {
            let folder = folder_before();
            let aside = folder.path().join("before-restore-19700101T000000000Z");
            fs::create_dir(&aside).unwrap();
            let note = Note { backup: "one.backup".into(), aside: "before-restore-19700101T000000000Z".into() };
            fs::write(folder.path().join(NOTE), serde_json::to_vec(&note).unwrap()).unwrap();
            steps[..cut].iter().for_each(|step| step(folder.path(), &aside));
            assert_eq!(finish(folder.path()).unwrap().as_deref(), Some("one.backup"), "cut {cut}");
            assert_eq!(contents(folder.path()), whole(), "cut {cut}");
        }
    }
}
