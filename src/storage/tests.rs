use super::*;
use crate::error::{Code, Error};

fn opened() -> (tempfile::TempDir, Db, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let (db, writer) = open(folder.path(), &Options::default()).unwrap();
    writer.write_blocking(|tx| tx.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT)", &[])).unwrap();
    (folder, db, writer)
}

fn count(db: &Db) -> i64 {
    db.read(|r| r.query_one("SELECT count(*) FROM notes", &[], |row| row.get(0))).unwrap().unwrap()
}

#[test]
fn a_failed_change_undoes_only_itself() {
    let (_folder, db, writer) = opened();
    let insert = |id: &'static str, fail: bool| {
        writer.write_blocking(move |tx| {
            tx.execute("INSERT INTO notes VALUES (?1, 'x')", params![id])?;
            if fail { Err(Error::forbidden("no")) } else { Ok(()) }
        })
    };
    insert("a", false).unwrap();
    assert_eq!(insert("b", true).unwrap_err().code(), Code::Forbidden);
    insert("c", false).unwrap();
    assert_eq!(insert("c", false).unwrap_err().code(), Code::Conflict);
    assert_eq!(count(&db), 2);
}

#[test]
fn a_panic_in_a_change_is_an_error_and_the_writer_lives() {
    let (_folder, db, writer) = opened();
    let panicked = writer.write_blocking::<()>(|_| panic!("on purpose"));
    assert_eq!(panicked.unwrap_err().code(), Code::Internal);
    writer.write_blocking(|tx| tx.execute("INSERT INTO notes VALUES ('a', 'x')", &[])).unwrap();
    assert_eq!(count(&db), 1);
}

#[test]
fn what_stands_before_a_commit_runs_behind_the_change_and_undoes_it_when_it_fails() {
    let (_folder, db, writer) = opened();
    let write = |id: &'static str, good: bool, ending: &'static str| {
        writer.write_blocking(move |tx| {
            tx.before_commit(move |tx| match ending {
                "panic" => panic!("on purpose"),
                "fail" => Err(Error::forbidden("no")),
                _ => tx.execute("UPDATE notes SET body = 'ended' WHERE id = ?1", params![id]).map(drop),
            });
            tx.execute("INSERT INTO notes VALUES (?1, 'x')", params![id])?;
            if good { Ok(()) } else { Err(Error::not_found()) }
        })
    };
    write("a", true, "").unwrap();
    assert_eq!(write("b", false, "panic").unwrap_err().code(), Code::NotFound);
    assert_eq!(write("c", true, "fail").unwrap_err().code(), Code::Forbidden);
    assert_eq!(write("d", true, "panic").unwrap_err().code(), Code::Internal);
    assert_eq!(count(&db), 1);
    let ended = db.read(|reader| reader.query_one("SELECT body FROM notes", &[], |row| row.get::<String>(0)));
    assert_eq!(ended.unwrap().as_deref(), Some("ended"));
}

#[test]
fn hooks_run_after_the_commit_and_not_for_what_was_undone() {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };
    let (_folder, _db, writer) = opened();
    let ran = Arc::new(AtomicU32::new(0));
    for fail in [true, false] {
        let ran = ran.clone();
        let _ = writer.write_blocking(move |tx| {
            let ran = ran.clone();
            tx.after_commit(move || {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            if fail { Err(Error::not_found()) } else { Ok(()) }
        });
    }
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn readers_cannot_write_and_slow_reads_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { query_timeout: Duration::from_millis(50), ..Options::default() };
    let (db, _writer) = open(folder.path(), &options).unwrap();
    let write = db.read(|r| r.query_one("DELETE FROM audit_events RETURNING seq", &[], |_| Ok(())));
    assert!(write.is_err());
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let slow = db.read(|r| r.query_one(endless, &[], |row| row.get::<i64>(0)));
    assert_eq!(slow.unwrap_err().code(), Code::Unavailable);
}

#[test]
fn a_damaged_empty_or_newer_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    for bytes in [
        &b""[..],
        &b"not a database, but long enough to have a header of one hundred bytes or more, so that it is read...."[..],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refusal = open(folder.path(), &Options::default()).err().unwrap().to_string();
        assert!(refusal.contains("portcullis.db is damaged"), "{refusal}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::remove_file(&path).unwrap();
    let (_db, writer) = open(folder.path(), &Options::default()).unwrap();
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    writer.write_blocking(move |tx| tx.execute(newer, &[])).unwrap();
    writer.close();
    let refusal = open(folder.path(), &Options::default()).err().unwrap().to_string();
    assert!(refusal.contains("newer Portcullis"), "{refusal}");
}

#[test]
fn one_process_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let lock = data.lock().unwrap();
    assert!(data.lock().unwrap_err().to_string().contains("in use"));
    drop(lock);
    data.lock().unwrap();
}

/// How often the write-ahead log has begun anew (byte 12 of its header, see "The Write-Ahead Log" of SQLite's file
/// format).
fn beginnings(folder: &tempfile::TempDir) -> u32 {
    let log = std::fs::read(folder.path().join("portcullis.db-wal")).unwrap_or_default();
    log.get(12..16).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
}

fn write_large(writer: &Writer) {
    let body = "x".repeat(2 << 20);
    writer.write_blocking(move |tx| tx.execute("INSERT INTO notes VALUES (NULL, ?1)", params![body.as_str()])).unwrap();
}

#[test]
fn the_log_begins_anew_while_changes_go_on_once_no_reader_needs_it() {
    let (folder, db, writer) = opened();
    let until_anew = |before: u32| {
        let begun = std::time::Instant::now();
        while beginnings(&folder) == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "the log goes on and on");
            write_large(&writer);
        }
    };
    until_anew(beginnings(&folder));
    until_anew(beginnings(&folder));
    let held = beginnings(&folder);
    db.read_long(|reader| {
        reader.query_one("SELECT count(*) FROM notes", &[], |row| row.get::<i64>(0))?;
        (0..20).for_each(|_| write_large(&writer));
        Ok(())
    })
    .unwrap();
    assert!(beginnings(&folder) <= held + 1, "the reader needs what stands in the log");
    until_anew(beginnings(&folder));
}

#[test]
fn what_is_to_leave_no_trace_leaves_the_log_once_the_last_reader_goes() {
    let (folder, db, writer) = opened();
    let length = || std::fs::metadata(folder.path().join("portcullis.db-wal")).unwrap().len();
    db.read_long(|reader| {
        reader.query_one("SELECT count(*) FROM notes", &[], |row| row.get::<i64>(0))?;
        writer.write_blocking(|tx| {
            tx.leave_no_trace();
            tx.execute("INSERT INTO notes VALUES ('a', 'x')", &[])
        })?;
        // Longer than changes wait for it.
        std::thread::sleep(Duration::from_millis(300));
        assert!(length() > 0, "the reader needs what stands in the log");
        Ok(())
    })
    .unwrap();
    let begun = std::time::Instant::now();
    while length() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it stays without another change");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_parts_of_a_search_index_are_put_together() {
    let (_folder, db, writer) = opened();
    writer.write_blocking(|tx| search::make_index(tx, "letters", &[vec!["text".to_owned()]])).unwrap();
    let scattered = || db.read(|reader| search::is_scattered(reader, "letters")).unwrap();
    for part in 0..4 {
        assert!(!scattered());
        writer
            .write_blocking(move |tx| {
                let sql = "INSERT INTO entities (id, type, data, version, created_at, updated_at)
                           VALUES (?1, 'letters', ?2, 1, 5, 5)";
                let data = format!(r#"{{"text": "common unique{part}x"}}"#);
                tx.execute(sql, params![format!("letter {part}"), data])
            })
            .unwrap();
    }
    let number = |sql: &'static str| db.read(|reader| reader.query_one(sql, &[], |row| row.get::<i64>(0))).unwrap();
    let parts = || number("SELECT count(DISTINCT segid) FROM search_of_letters_idx").unwrap();
    assert_eq!(parts(), 4);
    assert!(scattered());
    let merge = |begin: bool| writer.write_blocking(move |tx| search::merge(tx, "letters", begin)).unwrap();
    let mut done = merge(true);
    while !done {
        done = merge(false);
    }
    assert_eq!(parts(), 1);
    assert!(!scattered());
    let found = "SELECT count(*) FROM search_of_letters WHERE search_of_letters MATCH '\"common\"'";
    assert_eq!(number(found), Some(4));
}

#[test]
fn a_search_index_that_was_made_anew_is_not_finished_by_whoever_filled_the_one_before() {
    let (_folder, db, writer) = opened();
    let write = |sql: &'static str| writer.write_blocking(move |tx| tx.execute(sql, &[])).unwrap();
    write(
        "INSERT INTO entities (id, type, data, version, created_at, updated_at)
         VALUES ('a', 'letters', '{}', 1, 5, 5), ('b', 'letters', '{}', 1, 5, 5), ('c', 'letters', '{}', 1, 5, 5)",
    );
    let make = |path: &'static str| {
        writer.write_blocking(move |tx| search::make_index(tx, "letters", &[vec![path.to_owned()]])).unwrap();
    };
    let finish = || writer.write_blocking(|tx| search::finish(tx, "letters", 2)).unwrap();
    let is_ready = || db.read(|reader| search::SearchIndex::of(reader, "letters")).unwrap().unwrap().ready;
    make("text");
    while !writer.write_blocking(|tx| search::take_in(tx, "letters", 2)).unwrap() {}
    make("title");
    assert!(!finish() && !is_ready());
    assert!(finish() && is_ready());
    let taken = db.read(|reader| reader.query_one("SELECT count(*) FROM search_of_letters", &[], |row| row.get(0)));
    assert_eq!(taken.unwrap(), Some(3_i64));
}
