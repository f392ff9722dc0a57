//! A database from an older version: it is copied, then brought up to date, and nothing is lost.

use crate::{
    older::{OLDER, make_older},
    place::Place,
};
use rusqlite::Connection;
use std::{fs, path::Path};

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
    assert_eq!(
        (status.status, status.out.starts_with(&format!("applied {OLDER} of "))),
        (Some(1), true),
        "{}",
        status.out
    );
    let run = place.run(&["migrate", "run"]);
    assert_eq!(run.status, Some(0), "{}", run.talk);
    assert!(run.talk.contains(&format!("went from {OLDER}")), "{}", run.talk);
    assert_eq!(place.run(&["migrate", "status"]).status, Some(0));

    assert!(place.run(&["user", "list"]).out.contains(users), "the account is there");
    let verified = place.run(&["audit", "verify"]);
    assert_eq!(verified.status, Some(0), "the chain is whole: {}{}", verified.out, verified.talk);
    assert!(events(&folder.join("portcullis.db")) >= before);
    let copy = folder.join(format!("portcullis-schema-{OLDER}.db"));
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
