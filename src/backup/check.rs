//! Whether a backup can be trusted: every byte proven, the database whole, its chain unbroken, its rows all there.

use super::{
    archive::{self, DATABASE, FILES, KEYRING, Manifest},
    envelope::{Head, Opener, Unsealed},
    quiet::Resting,
};
use crate::{
    audit::{self, Checkpoint},
    error::{Error, Result},
    objects,
    secrets::Keyring,
    storage::{self, Db},
};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
    time::{Duration, Instant},
};

/// What was found in one that is good.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub head: Head,
    pub rows: i64,
    pub events: i64,
    pub took: Duration,
}

/// Puts the backup at `path` into the empty folder `into` and checks it there.
pub(super) fn check(path: &Path, with: &Opener<'_>, into: &Path, mut each: impl FnMut() -> Result<()>) -> Result<Good> {
    let began = Instant::now();
    let unreadable = |cause| Error::unavailable("The backup cannot be read.").caused_by(cause);
    let mut file = BufReader::with_capacity(256 << 10, Resting(File::open(path).map_err(unreadable)?));
    let (head, bound) = Head::read(&mut file)?;
    let newest = storage::latest_migration();
    if head.schema > newest {
        return Err(Error::conflict(format!(
            "this backup was made by Portcullis {} (schema {}, this one knows {newest}). Install that version first",
            head.version, head.schema
        )));
    }
    let key = head.open(with)?;
    let manifest = archive::unpack(Unsealed::new(file, &key, bound)?, into, &mut each)?;
    let (rows, events) = check_contents(into, &head, &manifest, &mut each)?;
    Ok(Good { head, rows, events, took: began.elapsed() })
}

fn refuse(why: impl std::fmt::Display) -> Error {
    Error::conflict(format!("this backup is not to be trusted: {why}"))
}

fn check_contents(
    folder: &Path,
    head: &Head,
    manifest: &Manifest,
    each: &mut impl FnMut() -> Result<()>,
) -> Result<(i64, i64)> {
    if !folder.join(KEYRING).is_file() || !folder.join(DATABASE).is_file() {
        return Err(refuse("its database or its keyring is missing"));
    }
    Keyring::check(folder)?;
    let schema = storage::migration_status(folder)?.applied;
    if schema != head.schema {
        return Err(refuse(format!("its database has schema {schema}, its head says {}", head.schema)));
    }
    let db = storage::open_copy(&folder.join(DATABASE))?;
    if let Some(damage) = db.damage()? {
        return Err(refuse(format!("its database is damaged: {damage}")));
    }
    let checkpoint = Checkpoint { seq: manifest.head_seq, hash: manifest.head_hash.clone() };
    let verdict = audit::verify(&db, Some(&checkpoint).filter(|checkpoint| checkpoint.seq > 0))?;
    if !verdict.valid {
        let at = verdict.first_broken_seq.unwrap_or_default();
        let reason = verdict.reason.unwrap_or("the chain is broken");
        return Err(refuse(format!("its audit log is broken at event {at}: {reason}")));
    }
    let counted = Manifest::count(&db)?;
    if !manifest.tells_of(&counted) {
        return Err(refuse("its rows are not those that were counted when it was made"));
    }
    if manifest.files_held {
        check_files(&db, &folder.join(FILES), each)?;
    }
    Ok((counted.total(), verdict.checked))
}

struct Stored {
    content: String,
    size: i64,
    sha256: String,
    deleted: bool,
}

/// Each uploaded file is the one that its row tells of. One that was deleted may have been cleared away since.
fn check_files(db: &Db, folder: &Path, each: &mut impl FnMut() -> Result<()>) -> Result<()> {
    let sql = "SELECT content, size, sha256, deleted_at IS NOT NULL FROM files ORDER BY content";
    let stored = db.read_long(|reader| {
        reader.query_all(sql, &[], |row| {
            let deleted = row.get::<i64>(3)? == 1;
            Ok(Stored { content: row.get(0)?, size: row.get(1)?, sha256: row.get(2)?, deleted })
        })
    })?;
    for file in stored {
        each()?;
        let name = &file.content;
        let path = folder.join(objects::shard_of(name)).join(name);
        let found = match File::open(path) {
            Ok(found) => found,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && file.deleted => continue,
            Err(cause) => return Err(refuse(format_args!("the uploaded file {name} is not in it")).caused_by(cause)),
        };
        let mut hash = Hashing(Sha256::new());
        let size = io::copy(&mut BufReader::new(found), &mut hash).map_err(Error::internal)?;
        if i64::try_from(size) != Ok(file.size) || hex::encode(hash.0.finalize()) != file.sha256 {
            return Err(refuse(format_args!("the uploaded file {name} is not what its row says")));
        }
    }
    Ok(())
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
