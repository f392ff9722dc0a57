//! The schema: making a database, checking one, and bringing it up to date.

use super::{
    copies,
    sqlite::{Connection, OpenFlags},
};
use crate::error::{Code, Error, Result};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Which migrations the database has and the binary brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationStatus {
    pub applied: i64,
    pub latest: i64,
}

/// Looks at the database in `folder` without changing it.
pub fn migration_status(folder: &Path) -> Result<MigrationStatus> {
    let path = folder.join("portcullis.db");
    let latest = latest_migration();
    if !path.exists() {
        return Ok(MigrationStatus { applied: 0, latest });
    }
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(MigrationStatus {
        applied: applied_migration(&connection).map_err(|error| damaged(&path, &reason(&error)))?,
        latest,
    })
}

/// The newest migration that this program brings.
pub fn latest_migration() -> i64 {
    embedded::migrations::runner().get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0)
}

fn applied_migration(connection: &Connection) -> Result<i64> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    Ok(connection.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))?)
}

/// What the driver said, for whoever starts the program.
fn reason(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), ToString::to_string)
}

fn damaged(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::unavailable(format!(
        "{} is damaged or not a Portcullis database ({cause}). It was left as it is: restore a backup, or move it away to start anew.",
        path.display()
    ))
}

/// Makes the database when there is none, checks it when there is, and brings its schema up to date.
/// A new one gets its name only once it is whole, so a start that is cut short leaves nothing half made.
pub(super) fn prepare(path: &Path) -> Result<()> {
    if path.exists() {
        let mut connection = Connection::open(path)?;
        let applied = check(&mut connection, path)?;
        if applied < latest_migration() {
            copies::keep(&connection, path, applied)?;
        }
        copies::tidy(path);
        return migrate(&mut connection);
    }
    let fresh = path.with_extension("db.new");
    for leftover in ["db.new", "db.new-wal", "db.new-shm", "db.new-journal"] {
        let _ = fs::remove_file(path.with_extension(leftover));
    }
    let mut connection = Connection::open(&fresh)?;
    migrate(&mut connection)?;
    connection.close().map_err(|(_, cause)| cause)?;
    restrict(&fresh)?;
    fs::rename(&fresh, path).map_err(Error::internal)
}

fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Error::internal)
}

/// The schema of a database that can be worked with.
fn check(connection: &mut Connection, path: &Path) -> Result<i64> {
    let empty = fs::metadata(path).map_err(Error::internal)?.len() == 0;
    if empty {
        return Err(damaged(path, &"the file is empty"));
    }
    let applied = applied_migration(connection).map_err(|error| damaged(path, &reason(&error)))?;
    let latest = latest_migration();
    if applied > latest {
        return Err(Error::unavailable(format!(
            "{} was written by a newer Portcullis (schema {applied}, this one knows {latest}). Install the newer version.",
            path.display()
        )));
    }
    if applied == 0 {
        return Err(damaged(path, &"it holds no Portcullis schema"));
    }
    ensure_whole(connection, path)?;
    Ok(applied)
}

/// The longest that a start looks for damage; a large database is looked through as far as that goes.
const LOOK: Duration = Duration::from_millis(300);

fn ensure_whole(connection: &mut Connection, path: &Path) -> Result<()> {
    let began = Instant::now();
    connection.progress_handler(1000, Some(move || began.elapsed() > LOOK))?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).map_err(Error::from);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(damaged(path, &verdict.replace('\n', " "))),
        Err(error) if error.code() == Code::Unavailable => Ok(()),
        Err(error) => Err(damaged(path, &reason(&error))),
    }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    connection.execute_batch("PRAGMA foreign_keys = ON;")?;
    embedded::migrations::runner()
        .set_abort_divergent(true)
        // Whoever is cut short leaves the old schema or the new.
        .set_grouped(true)
        .run(connection)
        .map_err(|cause| Error::unavailable(format!("the database could not be migrated: {cause}")).caused_by(cause))?;
    Ok(())
}
