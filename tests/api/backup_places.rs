//! Where backups go: a folder of one's own, or a bucket; and how old the newest good one is said to be.

use crate::{
    backups::{backups, make},
    files::processed,
    support::{Bucket, Site, Weather, until},
};
use portcullis::{
    backup,
    clock::Clock,
    config::{Config, Sources},
    jobs,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

const DAY: i64 = 86_400_000;

fn settings(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let mut settings = bucket.settings();
    settings.retain(|(name, _)| *name != "PORTCULLIS_FILES__STORE");
    settings.push(("PORTCULLIS_BACKUP__TO", "s3://team-files/kept/here".to_owned()));
    settings.push(("PORTCULLIS_BACKUP__KEEP", "2".to_owned()));
    settings
}

fn site_with(settings: &[(&'static str, String)]) -> Site {
    Site::with(&settings.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}

fn config(folder: &Path, settings: &[(&'static str, String)]) -> Config {
    let env = settings.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let sources = Sources {
        directory: folder.to_owned(),
        env,
        data_dir: Some(folder.join("data")),
        routes: portcullis::server::routes::patterns(),
        ..Sources::default()
    };
    Config::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}")).config
}

#[test]
fn a_bucket_takes_them_gives_them_back_and_a_new_machine_restores_from_it() {
    let bucket = Bucket::start();
    let settings = settings(&bucket);
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("portcullis.toml"), "[log]\nslow_ms = 432\n").unwrap();
    let site = Site::on(own, &settings.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    let admin = site.admin();
    let fields = json!({"/phone": {"pii": true}});
    admin.post("/entity-types", &json!({"name": "people", "fields": fields})).expect(201);
    let person =
        admin.post("/entities/people", &json!({"name": "Jo", "data": {"phone": "+31 6 1234"}})).expect(201).id();
    let upload = admin.upload("a.txt", b"kept in the backup").expect(201);
    let file = upload.id();
    processed(&admin, &file);
    let (made, key) = make(&admin);
    let key = key.expect("the recovery key");
    let name = made["name"].as_str().unwrap().to_owned();
    assert_eq!(bucket.keys(), [format!("kept/here/{name}")]);
    let listing = admin.get("/backups").expect(200).json();
    assert_eq!((&listing["place"], &listing["beside_data"]), (&json!("s3://team-files/kept/here"), &json!(false)));
    assert!(made["verify_ms"].is_u64() && made["took_ms"].is_u64(), "{made}");
    assert!(!site.folder.path().join("data/backups").exists(), "nothing lies on this machine");
    let scratch = fs::read_dir(site.folder.path().join("data/backup.scratch")).unwrap().count();
    assert_eq!(scratch, 0);
    let answer = admin.request(Method::GET, &format!("/backups/{name}/download")).send().unwrap();
    assert_eq!(answer.status(), 200);
    let bytes = answer.bytes().unwrap();
    assert_eq!(bytes.len() as u64, made["size"].as_u64().unwrap());

    for _ in 0..2 {
        site.clock.advance(2_000);
        make(&admin);
    }
    assert_eq!((bucket.keys().len(), backups(&admin).len()), (2, 2), "kept by number");
    let newest = backups(&admin)[0]["name"].as_str().unwrap().to_owned();

    bucket.weather(Weather::Down);
    admin.get("/backups").problem(503, "unavailable");
    bucket.weather(Weather::Fair);
    until("it answers again", || (admin.get("/backups").text.contains(&newest)).then_some(()));

    let new = tempfile::tempdir().unwrap();
    let restored =
        backup::restore(&config(new.path(), &settings), &newest, Some(&key.parse().unwrap()), &Clock::system())
            .unwrap();
    assert_eq!(restored.name, newest);
    let reopened = Site::on(new, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let again = reopened.log_in("admin@example.org");
    assert_eq!(again.get(&format!("/files/{file}/content")).expect(200).text, "kept in the backup");
    let read = again.get(&format!("/entities/people/{person}")).expect(200).json();
    assert_eq!(read["data"]["phone"], "+31 6 1234", "personal data is readable with the keyring that came along");
    let configuration = reopened.folder.path().join("data/restored-configuration/portcullis.toml");
    assert!(fs::read_to_string(configuration).unwrap().contains("slow_ms = 432"));
    admin.delete(&format!("/backups/{newest}")).expect(204);
    assert_eq!(bucket.keys().len(), 1);
}

#[test]
fn an_object_that_was_altered_is_refused_and_an_unknown_name_is_told() {
    let bucket = Bucket::start();
    let settings = settings(&bucket);
    let site = site_with(&settings);
    let admin = site.admin();
    let (made, _) = make(&admin);
    let name = made["name"].as_str().unwrap();
    let path = format!("/team-files/kept/here/{name}");
    bucket.put(&path, &vec![7; made["size"].as_u64().unwrap() as usize]);
    admin.post(&format!("/backups/{name}/verify"), &json!({})).expect(202);
    let bad = until("it is refused", || backups(&admin).into_iter().find(|backup| backup["error"].is_string()));
    assert_eq!(bad["verified"], false);
    admin.get("/backups/never.backup").problem(404, "not_found");
    let new = tempfile::tempdir().unwrap();
    let refused = backup::restore(&config(new.path(), &settings), "never.backup", None, &Clock::system()).unwrap_err();
    assert!(refused.to_string().contains("s3://team-files/kept/here"), "{refused}");
}

#[test]
fn a_folder_of_ones_own_takes_them() {
    let elsewhere = tempfile::tempdir().unwrap();
    let to = elsewhere.path().join("deep/backups");
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_BACKUP__TO", to.to_str().unwrap())]);
    let admin = site.admin();
    let (made, _) = make(&admin);
    assert!(to.join(made["name"].as_str().unwrap()).is_file());
    let listing = admin.get("/backups").expect(200).json();
    assert_eq!((&listing["place"], &listing["beside_data"]), (&json!(to.to_str().unwrap()), &json!(false)));
    assert!(!site.folder.path().join("data/backups").exists());
}

#[test]
fn files_in_a_bucket_are_said_to_be_in_no_backup() {
    let bucket = Bucket::start();
    let site = site_with(&bucket.settings());
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let (made, _) = make(&admin);
    assert_eq!(made["verified"], true);
    assert_eq!(admin.get("/backups").expect(200).json()["files_elsewhere"], true);
    let report = admin.get("/doctor").expect(200).json();
    let finding = report["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "backup_files");
    assert!(finding.unwrap()["evidence"].as_str().unwrap().starts_with("1 files lie in the bucket"), "{report}");
}

/// The first content in a store.
fn content(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.find_map(|path| if path.is_dir() { content(&path) } else { Some(path) })
}

#[test]
fn a_stored_file_that_is_not_what_its_row_says_is_found() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    make(&admin);
    let store = site.folder.path().join("data/files");
    let kept = content(&store).expect("the content");
    fs::write(&kept, b"other").unwrap();
    admin.post("/backups", &json!({})).expect(202);
    let bad = until("it is refused", || backups(&admin).into_iter().find(|backup| backup["error"].is_string()));
    assert!(bad["error"].as_str().unwrap().contains("is not what its row says"), "{bad}");
    fs::remove_file(&kept).unwrap();
    site.clock.advance(2_000);
    admin.post("/backups", &json!({})).expect(202);
    until("one without the file is refused", || {
        backups(&admin)
            .into_iter()
            .find(|one| one["error"].as_str().is_some_and(|error| error.contains("is not in it")))
    });
}

fn freshness(admin: &crate::support::Actor) -> Value {
    admin.get("/overview").expect(200).json()["backups"].clone()
}

#[test]
fn how_old_the_newest_good_one_is_is_told_on_the_first_page_to_prometheus_and_by_the_alert() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_ALERTS__DISK_FREE_PERCENT", "0")]);
    let admin = site.admin();
    let before = freshness(&admin);
    assert_eq!((&before["newest_good"], &before["recovery_key"]), (&Value::Null, &json!(false)), "{before}");
    let metrics = || site.nobody().send(site.nobody().at(Method::GET, "/metrics")).text;
    assert!(!metrics().contains("portcullis_backup_age_seconds"));
    let (made, _) = make(&admin);
    site.clock.advance(2 * DAY + 60_000);
    let admin = site.log_in("admin@example.org");
    let after = freshness(&admin);
    assert_eq!((&after["newest_good"], &after["recovery_key"]), (&made["created_at"], &json!(true)), "{after}");
    assert!((172_860..172_900).contains(&after["age_s"].as_u64().unwrap()), "{after}");
    assert!(metrics().contains("portcullis_backup_age_seconds 1728"), "{}", metrics());
    let warned = |admin: &crate::support::Actor| {
        let all = admin.get("/overview").expect(200).json()["warnings"].as_array().unwrap().clone();
        all.into_iter().find(|warning| warning["code"] == "alert_backup_age")
    };
    let warning = until("the alert is raised", || {
        jobs::wake();
        warned(&admin)
    });
    assert_eq!(warning["detail"], "The newest backup that was found good is 48 hours old.");
    make(&admin);
    site.clock.advance(60_000);
    until("it is over", || {
        jobs::wake();
        warned(&admin).is_none().then_some(())
    });
}
