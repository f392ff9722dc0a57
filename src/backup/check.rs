//! Whether a backup can be trusted: every byte proven, the database whole, its chain unbroken, its rows all there.

use super::{
    archive::{self, DATABASE, KEYRING, Manifest},
    envelope::{Head, Opener, Unsealed},
};
use crate::{
    audit::{self, Checkpoint},
    error::{Error, Result},
    secrets::Keyring,
    storage,
};
use std::{
    fs::File,
    io::BufReader,
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
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?);
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
    let (rows, events) = check_contents(into, &head, &manifest)?;
    Ok(Good { head, rows, events, took: began.elapsed() })
}

fn check_contents(folder: &Path, head: &Head, manifest: &Manifest) -> Result<(i64, i64)> {
    let refuse = |why: String| Error::conflict(format!("this backup is not to be trusted: {why}"));
    if !folder.join(KEYRING).is_file() || !folder.join(DATABASE).is_file() {
        return Err(refuse("its database or its keyring is missing".into()));
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
    if counted != *manifest {
        return Err(refuse("its rows are not those that were counted when it was made".into()));
    }
    Ok((counted.total(), verdict.checked))
}
