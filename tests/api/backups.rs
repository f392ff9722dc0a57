//! Backups through the API: under writes, checked, kept by number and age, refused when altered.

use crate::support::{Actor, Site, until};
use portcullis::jobs;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

const DAY: i64 = 86_400_000;

pub fn backups(admin: &Actor) -> Vec<Value> {
    admin.get("/backups").expect(200).json()["items"].as_array().unwrap().clone()
}

/// One more, made by a job and checked by another; the recovery key where this was the first.
pub fn make(admin: &Actor) -> (Value, Option<String>) {
    let before = backups(admin).first().map(|backup| backup["name"].clone());
    let asked = admin.post("/backups", &json!({})).expect(202).json();
    let job = asked["id"].as_str().unwrap().to_owned();
    until("the job is done", || {
        let job = admin.get(&format!("/jobs/{job}")).expect(200).json();
        assert_ne!(job["state"], "failed", "{job}");
        (job["state"] == "done").then_some(())
    });
    let made = until("it is checked", || {
        let all = backups(admin);
        assert!(all.iter().all(|backup| backup["error"].is_null()), "{all:?}");
        all.first().filter(|made| Some(&made["name"]) != before.as_ref() && made["verified"] == true).cloned()
    });
    (made, asked["recovery_key"].as_str().map(str::to_owned))
}

pub fn file(site: &Site, backup: &Value) -> PathBuf {
    site.folder.path().join("data/backups").join(backup["name"].as_str().unwrap())
}

#[test]
fn a_backup_is_made_checked_downloaded_and_removed() {
    let site = Site::new();
    let admin = site.admin();
    let (made, key) = make(&admin);
    let key = key.expect("the first answer carries the recovery key");
    assert!(key.starts_with("ptrec_"), "{key}");
    assert!(made["rows"].as_i64().unwrap() > 0 && made["events"].as_i64().unwrap() > 0, "{made}");
    assert!(make(&admin).1.is_none(), "nothing shows it again");
    let name = made["name"].as_str().unwrap();
    let stored = fs::read(file(&site, &made)).unwrap();
    for part in [&b"admin@example.org"[..], b"SQLite format 3", key.as_bytes()] {
        assert!(!stored.windows(part.len()).any(|window| window == part), "nothing stands there in clear");
    }
    let answer = admin.request(Method::GET, &format!("/backups/{name}/download")).send().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(name));
    assert_eq!(answer.bytes().unwrap(), stored);
    assert_eq!(admin.get(&format!("/backups/{name}")).expect(200).json()["size"], stored.len());
    admin.delete(&format!("/backups/{name}")).expect(204);
    admin.get(&format!("/backups/{name}")).problem(404, "not_found");
    assert!(!file(&site, &made).exists());
    for strange in ["..%2Fkeyring.json", "keyring.json", "..%2F..%2Fdata%2Fportcullis.db"] {
        admin.get(&format!("/backups/{strange}/download")).expect(404);
    }
    let actions = admin.get("/audit?target_type=backup&limit=50").expect(200).text;
    for action in ["backup.created", "backup.verified", "backup.downloaded", "backup.deleted"] {
        assert!(actions.contains(action), "{action}: {actions}");
    }
    assert!(!actions.contains(&key));
}

#[test]
fn an_altered_byte_is_found() {
    let site = Site::new();
    let admin = site.admin();
    let (made, _) = make(&admin);
    let path = file(&site, &made);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let name = made["name"].as_str().unwrap();
    admin.post(&format!("/backups/{name}/verify"), &json!({})).expect(202);
    let bad = until("it is refused", || backups(&admin).into_iter().find(|backup| backup["error"].is_string()));
    assert_eq!(bad["verified"], false);
    assert!(bad["error"].as_str().unwrap().contains("altered or cut short"), "{bad}");
    assert!(fs::read_dir(site.folder.path().join("data/backup.scratch")).unwrap().next().is_none(), "nothing is left");
}

#[test]
fn they_are_kept_by_number_and_age_and_the_newest_good_one_stays() {
    let site = Site::with(&[
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_BACKUP__KEEP", "2"),
        ("PORTCULLIS_BACKUP__KEEP_DAYS", "30"),
    ]);
    let admin = site.admin();
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(make(&admin).0["name"].clone());
        site.clock.advance(2_000);
    }
    let left: Vec<_> = backups(&admin).iter().map(|backup| backup["name"].clone()).collect();
    assert_eq!(left, [names[2].clone(), names[1].clone()]);
    site.clock.advance(31 * DAY);
    let admin = site.log_in("admin@example.org");
    let newest = make(&admin).0["name"].clone();
    // The one before was the newest known to be good while the new one was not checked yet.
    let left: Vec<_> = backups(&admin).iter().map(|backup| backup["name"].clone()).collect();
    assert_eq!(left, [newest, names[2].clone()]);
}

#[test]
fn the_schedule_makes_them() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_BACKUP__SCHEDULE", "0 3 * * *")]);
    let admin = site.admin();
    let schedule = admin.get("/backups").expect(200).json()["schedule"].clone();
    assert_eq!(schedule["words"], "At 03:00, in UTC");
    assert!(backups(&admin).is_empty());
    until("it waits", || {
        jobs::wake();
        let jobs = admin.get("/jobs?kind=backups.create&state=waiting").expect(200).json();
        (jobs["items"][0]["due_at"] == schedule["next_at"]).then_some(())
    });
    site.clock.advance(DAY);
    jobs::wake();
    let admin = site.log_in("admin@example.org");
    let made = until("it is made and checked", || backups(&admin).into_iter().find(|one| one["verified"] == true));
    assert_eq!((&made["scheduled"], &made["recovery_key"]), (&json!(true), &Value::Null));
}

#[test]
fn backups_in_a_row_under_writes_fail_no_write_and_are_each_good() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            let (writer, stop, written) = (site.another(&admin), &stop, &written);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    writer.post("/entities/orders", &json!({"name": "n", "data": {"city": "Delft"}})).expect(201);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..5 {
            let before = written.load(Ordering::Relaxed);
            let (made, _) = make(&admin);
            assert!(made["rows"].as_i64().unwrap() > 0);
            assert!(written.load(Ordering::Relaxed) > before, "writes went on");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(backups(&admin).len(), 5);
}
