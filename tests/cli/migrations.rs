//! A database from an older version: it is copied, then brought up to date, and nothing is lost.

use crate::place::Place;
use refinery::{Runner, Target, load_sql_migrations};
use rusqlite::Connection;
use std::{fs, path::Path};

const OLDER: i32 = 26;

fn tables(connection: &Connection, schema: &str) -> Vec<String> {
    let sql = format!(
        "SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name NOT LIKE '%search%' AND name <> 'refinery_schema_history' ORDER BY name"
    );
    connection.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn columns(connection: &Connection, schema: &str, table: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("PRAGMA {schema}.table_info({table})")).unwrap();
    statement.query_map([], |row| row.get(1)).unwrap().map(Result::unwrap).collect()
}

/// The rows of the place's database in one of an older schema, which takes its place.
fn make_older(folder: &Path) {
    let (new, old) = (folder.join("portcullis.db"), folder.join("older.db"));
    let mut connection = Connection::open(&old).unwrap();
    let migrations = load_sql_migrations(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite")).unwrap();
    Runner::new(&migrations).set_target(Target::Version(OLDER)).run(&mut connection).unwrap();
    connection.execute("ATTACH ?1 AS new", [new.to_string_lossy()]).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF;").unwrap();
    let known = tables(&connection, "new");
    for table in tables(&connection, "main").into_iter().filter(|table| known.contains(table)) {
        let there = columns(&connection, "new", &table);
        let common: Vec<_> =
            columns(&connection, "main", &table).into_iter().filter(|name| there.contains(name)).collect();
        let common = common.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        connection
            .execute_batch(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} ({common}) SELECT {common} FROM new.{table};"
            ))
            .unwrap_or_else(|cause| panic!("{table}: {cause}"));
    }
    drop(connection);
    for ending in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(new.with_extension(ending));
    }
    fs::rename(old, new).unwrap();
}

#[test]
fn an_older_database_is_copied_and_brought_up_to_date_with_every_row() {
    let place = Place::new();
    place.make_admin();
    let folder = place.path().join("portcullis-data");
    make_older(&folder);
    let events = |path: &Path| -> i64 {
        Connection::open(path).unwrap().query_row("SELECT count(*) FROM audit_events", [], |row| row.get(0)).unwrap()
    };
    let before = events(&folder.join("portcullis.db"));
    assert!(before > 0);
    let users = "ada@team.example";

    let status = place.run(&["migrate", "status"]);
    assert_eq!((status.status, status.out.starts_with("applied 26 of ")), (Some(1), true), "{}", status.out);
    let run = place.run(&["migrate", "run"]);
    assert_eq!(run.status, Some(0), "{}", run.talk);
    assert!(run.talk.contains("went from 26"), "{}", run.talk);
    assert_eq!(place.run(&["migrate", "status"]).status, Some(0));

    assert!(place.run(&["user", "list"]).out.contains(users), "the account is there");
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0), "the chain is whole");
    assert!(events(&folder.join("portcullis.db")) >= before);
    let copy = folder.join("portcullis-schema-26.db");
    assert_eq!(events(&copy), before, "the copy holds what was there");
    let kept = Connection::open(&copy).unwrap();
    let version: i32 =
        kept.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0)).unwrap();
    assert_eq!(version, OLDER);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let server = place.serve();
    assert_eq!(server.status("/auth/me", &server.log_in()), 200);
}
