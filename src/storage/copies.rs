//! Copies of the database from before its schema was brought up to date, kept beside it.

use super::sqlite::{self, Connection};
use crate::error::{Code, Error, Result};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// So many are kept, and not for ever: they know of people who are erased later.
const KEPT: usize = 2;
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const PREFIX: &str = "portcullis-schema-";
const ENDING: &str = ".db";

/// Keeps what the database at `path`, of the schema `applied`, is now. Nothing is changed where there is no room.
pub(super) fn keep(connection: &Connection, path: &Path, applied: i64) -> Result<()> {
    let kept = path.with_file_name(format!("{PREFIX}{applied}{ENDING}"));
    let fresh = kept.with_extension("db.new");
    match fs::remove_file(&fresh) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(unkept(path, cause)),
        _ => {}
    }
    let settled = || {
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &kept)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    let copied = sqlite::copy(connection, &fresh, |_, _| Ok(()));
    let outcome =
        copied.map_err(|error| unkept(path, error)).and_then(|()| settled().map_err(|cause| unkept(path, cause)));
    outcome.inspect_err(|_| drop(fs::remove_file(&fresh)))
}

fn unkept(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let told = format!(
        "{} could not be copied before its schema is brought up to date, so it was left as it is. Is there room on the disk?",
        path.display()
    );
    Error::new(Code::StorageFull, told).caused_by(cause)
}

/// Removes copies that are too many or too old.
pub(super) fn tidy(path: &Path) {
    let Some(folder) = path.parent() else { return };
    let mut copies = found(folder);
    copies.sort_unstable_by(|a, b| b.cmp(a));
    for (place, (modified, copy)) in copies.into_iter().enumerate() {
        let old = SystemTime::now().duration_since(modified).is_ok_and(|age| age > LONGEST);
        if (place >= KEPT || old)
            && let Err(cause) = fs::remove_file(&copy)
        {
            tracing::warn!(%cause, copy = %copy.display(), "an old copy of the database stays");
        }
    }
}

fn found(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    let is_copy = |name: &str| {
        let version = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(ENDING));
        version.is_some_and(|version| version.parse::<i64>().is_ok())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let copies = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_copy));
    copies.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_are_kept_and_none_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (name, days) in [("27", 40), ("28", 3), ("31", 2), ("36", 1), ("x", 90)] {
            let file = File::create(folder.path().join(format!("{PREFIX}{name}{ENDING}"))).unwrap();
            file.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
        }
        tidy(&folder.path().join("portcullis.db"));
        let mut left: Vec<_> = found(folder.path()).into_iter().map(|(_, path)| path).collect();
        left.sort();
        let name = |version: &str| folder.path().join(format!("{PREFIX}{version}{ENDING}"));
        assert_eq!(left, [name("31"), name("36")]);
        assert!(name("x").exists(), "what is none of ours stays");
        let file = File::options().write(true).open(name("36")).unwrap();
        file.set_modified(now - Duration::from_secs(31 * 86_400)).unwrap();
        tidy(&folder.path().join("portcullis.db"));
        assert_eq!(found(folder.path()).len(), 1);
    }
}
