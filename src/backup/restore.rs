//! Going back to a backup: checked as a whole in a place of its own, made ready there, then swapped in.

use super::{
    archive::{CONFIGURATION, DATABASE, ERASURES, KEYRING},
    check::{self, Good},
    envelope::Opener,
    place::Place,
    recovery::{self, RecoveryKey},
    scratch::{self, Scratch},
    swap::{self, RESTORED_CONFIGURATION, STAGED},
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    clock::{Clock, Time},
    config::Config,
    error::{Code, Error, Result},
    identity,
    outbound::{Limits, Outbound, SystemNames},
    params,
    secrets::Keyring,
    storage::{self, DataFolder, Tx},
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a restore came to.
#[derive(Debug)]
pub struct Restored {
    pub name: String,
    /// When the snapshot was taken; what came later is not in it.
    pub created_at: Time,
    pub rows: i64,
    pub events: i64,
    pub took: Duration,
    /// Where the data from before lies.
    pub aside: PathBuf,
}

/// Puts a backup in the place of what the data folder holds. `name` is one in `backup.to`, or the path of a file.
pub fn restore(config: &Config, name: &str, key: Option<&RecoveryKey>, clock: &Clock) -> Result<Restored> {
    let began = Instant::now();
    let folder = DataFolder::open(&config.data_dir)?;
    let _lock = folder.lock()?;
    swap::finish(folder.path())?;
    scratch::clear(folder.path());
    let made = prepared(config, &folder, name, key, clock);
    // One that was refused leaves the folder as it was.
    scratch::clear(folder.path());
    let good = made?;
    let aside = swap::commit(folder.path(), &good.head.name, clock.now())?;
    let Good { head, rows, events, .. } = good;
    Ok(Restored { name: head.name, created_at: head.created_at, rows, events, took: began.elapsed(), aside })
}

/// Everything that comes before the swap.
fn prepared(
    config: &Config,
    folder: &DataFolder,
    name: &str,
    key: Option<&RecoveryKey>,
    clock: &Clock,
) -> Result<Good> {
    let fetched = Scratch::new(folder.path())?;
    let path = located(config, folder.path(), name, fetched.path())?;
    let staged = folder.join(STAGED);
    let made = fs::DirBuilder::new().mode(0o700).create(&staged);
    made.map_err(|cause| Error::unavailable("The data folder cannot be written to.").caused_by(cause))?;
    stage(&path, folder, &staged, key, clock).inspect_err(|_| drop(fs::remove_dir_all(&staged)))
}

fn located(config: &Config, folder: &Path, name: &str, scratch: &Path) -> Result<PathBuf> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return if path.is_file() { Ok(path) } else { Err(Error::conflict(format!("there is no file {name}"))) };
    }
    let outbound = Outbound::with(&config.outbound, Arc::new(SystemNames), Limits::default());
    let place = Place::open(config, folder, &outbound)?;
    place.fetch(name, scratch, &mut |_| Ok(())).map_err(|error| match error.code() {
        Code::NotFound => Error::conflict(format!(
            "there is no backup {name} in {}; see `portcullis backup list`, or name the path of a file",
            place.shown()
        )),
        _ => error,
    })
}

fn stage(path: &Path, folder: &DataFolder, staged: &Path, key: Option<&RecoveryKey>, clock: &Clock) -> Result<Good> {
    let own;
    let opener = match key {
        Some(key) => Opener::Recovery(key),
        None if folder.join(KEYRING).is_file() => {
            own = Keyring::open_or_create(folder.path(), clock)?;
            Opener::Keyring(&own)
        }
        None => {
            return Err(Error::conflict(
                "this folder has no keyring, so only the recovery key opens the backup; name its file with --key-file",
            ));
        }
    };
    let good = check::check(path, &opener, staged, || Ok(()))?;
    adopt(staged, &good, clock)?;
    let moved = || {
        // What the folder knows of erasures and of its recovery key is newer than what the backup does.
        for name in [ERASURES, recovery::FILE] {
            if folder.join(name).exists() && staged.join(name).exists() {
                fs::remove_file(staged.join(name))?;
            }
        }
        if staged.join(CONFIGURATION).exists() {
            fs::rename(staged.join(CONFIGURATION), staged.join(RESTORED_CONFIGURATION))?;
        }
        Ok(())
    };
    moved()
        .map_err(|cause: std::io::Error| Error::unavailable("The backup could not be made ready.").caused_by(cause))?;
    Ok(good)
}

/// Brings the database up to date and closes what must not come back: sessions, links and what waited to be sent.
fn adopt(staged: &Path, good: &Good, clock: &Clock) -> Result<()> {
    let (db, writer) = storage::open(staged, &storage::Options::default())?;
    let ledger = Ledger::new(db, writer, clock.clone());
    let (name, created_at, at) = (good.head.name.clone(), good.head.created_at, clock.clone());
    let adopted = ledger.change_blocking(&Actor::cli(), move |tx| {
        let now = at.now();
        let sessions = identity::end_with_a_restore(tx, now)?;
        let jobs = call_off(tx, now)?;
        let after =
            json!({ "name": name, "taken_at": created_at, "sessions_ended": sessions, "jobs_called_off": jobs });
        Ok(((), Event::new("backup.restored", "backup", &name).after(&after)))
    });
    ledger.close();
    drop(ledger);
    adopted?;
    let log = staged.join(DATABASE).with_extension("db-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(Error::internal("the restored database still has a log"));
    }
    for leftover in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(staged.join(DATABASE).with_extension(leftover));
    }
    Ok(())
}

/// Letters and calls that waited when the snapshot was taken were sent since.
fn call_off(tx: &Tx<'_>, now: Time) -> Result<usize> {
    const WHY: &str = "A backup was restored; this may have been done before.";
    tx.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at = ?1, updated_at = ?1, error = ?2
         WHERE state IN ('waiting', 'running') AND recurring = 0",
        params![now, WHY],
    )
}
