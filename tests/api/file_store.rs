//! Where files are kept: on this machine or in a bucket; what is missing is told from what fails, and what is nobody's
//! is swept.

use crate::{
    files::{processed, walk},
    support::{Actor, Bucket, Site, Weather, png, until},
};
use portcullis::{ids::Id, jobs};
use serde_json::json;
use std::fs;

fn in_bucket(bucket: &Bucket) -> Site {
    let settings = bucket.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Site::with(&settings)
}

fn content(actor: &Actor, id: &str) -> crate::support::Answer {
    actor.get(&format!("/files/{id}/content"))
}

#[test]
fn a_missing_content_is_told_from_a_folder_that_fails() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let (folder, away) = (site.folder.path().join("data/files"), site.folder.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    content(&admin, &id).problem(503, "unavailable");
    admin.upload("b.txt", b"words").problem(503, "unavailable");
    fs::write(&folder, "not a folder").unwrap();
    content(&admin, &id).problem(503, "unavailable");
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    content(&admin, &id).expect(200);
    for shard in fs::read_dir(&folder).unwrap().flatten().filter(|shard| shard.file_name() != "incoming") {
        fs::remove_dir_all(shard.path()).unwrap();
    }
    content(&admin, &id).problem(404, "not_found");
    admin.get(&format!("/files/{id}")).expect(200);
    assert_eq!(admin.get("/files?count=true").expect(200).json()["total"], 1);
}

#[test]
fn a_content_that_changed_in_the_store_is_noticed() {
    let site = Site::new();
    let admin = site.admin();
    admin
        .put(
            "/kill-switch",
            &json!({"active": true, "scope": "api_keys", "reason": "x",
        "password": crate::support::PASSWORD}),
        )
        .expect(200);
    let folder = site.folder.path().join("data/files");
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let again = admin.upload("b.txt", b"other").expect(201).id();
    processed(&admin, &again);
    // Looked into once more, as after a crash, while the content is another one.
    let path = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .filter(|shard| shard.file_name() != "incoming")
        .flat_map(|shard| fs::read_dir(shard.path()).unwrap().flatten())
        .map(|entry| entry.path())
        .find(|path| fs::read(path).unwrap() == b"words")
        .unwrap();
    fs::write(&path, "wörd").unwrap();
    let name: Id = id.parse().unwrap();
    site.app
        .ledger
        .unrecorded_blocking("as after a crash", move |tx| {
            tx.execute("UPDATE files SET state = 'processing' WHERE id = ?1", portcullis::params![name])?;
            jobs::enqueue(tx, "files.process", &json!({"file_id": name}), portcullis::clock::Time(0))
        })
        .unwrap();
    let failed = processed(&admin, &id);
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"], "The store gives back something else than what was sent.");
    let event = admin.get(&format!("/audit?target_id={id}&outcome=failed")).expect(200).json();
    assert_eq!(event["items"][0]["action"], "file.processed");
}

#[test]
fn what_belongs_to_nobody_is_swept() {
    let site = Site::new();
    let admin = site.admin();
    let folder = site.folder.path().join("data/files");
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let orphan = Id::new().to_string();
    let shard = folder.join(&orphan[orphan.len() - 2..]);
    let _ = fs::create_dir(&shard);
    fs::write(shard.join(&orphan), "nobody's").unwrap();
    fs::write(shard.join("note.txt"), "not ours").unwrap();
    let bring = json!({"method": "PUT", "name": "b.txt", "content_type": "text/plain", "size": 5});
    admin.post("/files/presign", &bring).expect(200);
    let agreed = || {
        let count = |reader: &portcullis::storage::Reader<'_>| {
            reader.query_one("SELECT count(*) FROM file_uploads", &[], |row| row.get::<i64>(0))
        };
        site.app.ledger.db().read(count).unwrap().unwrap()
    };
    assert_eq!((walk(&folder), agreed()), (3, 1));
    site.clock.advance(25 * 3600 * 1000);
    jobs::wake();
    until("the orphan is swept", || (!shard.join(&orphan).exists()).then_some(()));
    until("the address is forgotten", || (agreed() == 0).then_some(()));
    assert!(shard.join("note.txt").exists());
    let admin = site.log_in("admin@example.org");
    assert_eq!(content(&admin, &id).expect(200).text, "words");
}

#[test]
fn a_bucket_keeps_files_in_parts_and_tells_missing_from_failing() {
    let bucket = Bucket::start();
    let site = in_bucket(&bucket);
    let admin = site.admin();
    let small = png(b"x");
    let id = admin.upload("a.png", &small).expect(201).id();
    let ready = processed(&admin, &id);
    assert_eq!((&ready["state"], &ready["details"]["width"]), (&json!("ready"), &json!(3)));
    assert_eq!(admin.bytes(&format!("/files/{id}/content")), small);
    // Three parts of at most 8 MB.
    let large: Vec<u8> = (0..20_000_000_u32).map(|number| b'a' + (number % 23) as u8).collect();
    let other = admin.upload("large.txt", &large).expect(201).id();
    assert!(admin.bytes(&format!("/files/{other}/content")) == large);
    let part = admin.request(reqwest::Method::GET, &format!("/files/{other}/content")).header("range", "bytes=-3");
    assert_eq!(admin.send(part).expect(206).text.as_bytes(), &large[large.len() - 3..]);
    assert_eq!(processed(&admin, &other)["state"], "ready");
    let keys = bucket.keys();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key.starts_with("uploads/")), "{keys:?}");
    assert_eq!(walk(&site.folder.path().join("data/files")), 0);

    bucket.weather(Weather::Down);
    content(&admin, &id).problem(503, "unavailable");
    admin.upload("b.txt", b"words").problem(503, "unavailable");
    bucket.weather(Weather::Fair);
    content(&admin, &id).expect(200);
    for key in keys {
        bucket.plain(reqwest::Method::DELETE, &format!("/team-files/{key}"));
    }
    content(&admin, &id).problem(404, "not_found");
    bucket.plain(reqwest::Method::DELETE, "/team-files");
    content(&admin, &id).problem(503, "unavailable");
    admin.upload("b.txt", b"words").problem(503, "unavailable");
    assert_eq!(admin.get("/files?count=true").expect(200).json()["total"], 2);
}

#[test]
fn a_bucket_on_a_private_network_has_to_be_allowed() {
    let bucket = Bucket::start();
    let settings = bucket.settings();
    let settings: Vec<_> = settings
        .iter()
        .filter(|(name, _)| *name != "PORTCULLIS_OUTBOUND__ALLOW")
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let site = Site::with(&settings);
    let admin = site.admin();
    admin.upload("a.txt", b"words").problem(503, "unavailable");
    assert!(bucket.keys().is_empty());
}

#[test]
fn an_orphan_in_a_bucket_is_swept_too() {
    let bucket = Bucket::start();
    let site = in_bucket(&bucket);
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let orphan = Id::new().to_string();
    let shard = &orphan[orphan.len() - 2..];
    bucket.plain(reqwest::Method::PUT, &format!("/team-files/uploads/{shard}/{orphan}"));
    assert_eq!(bucket.keys().len(), 2);
    site.clock.advance(25 * 3600 * 1000);
    // A run goes as far as its time allows, and the next one from there.
    until("the orphan is swept", || {
        site.clock.advance(3600 * 1000);
        jobs::wake();
        (bucket.keys().len() == 1).then_some(())
    });
    let admin = site.log_in("admin@example.org");
    assert_eq!(content(&admin, &id).expect(200).text, "words");
}
