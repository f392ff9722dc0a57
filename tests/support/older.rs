//! A database as an older version left it.

use refinery::{Runner, Target, load_sql_migrations};
use rusqlite::Connection;
use std::{fs, path::Path};

/// What events tell of stands in columns of its own from V032 on, and the program of today writes no others.
pub const OLDER: i32 = 33;

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

/// The rows of the folder's database in one of an older schema, which takes its place.
pub fn make_older(folder: &Path) {
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
