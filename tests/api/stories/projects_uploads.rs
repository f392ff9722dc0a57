//! A team keeps projects and uploads here: people sign up and log in, own projects that are closed to others, upload
//! through signed addresses; what they sent is checked by content, looked into by a background job that is tried three
//! times, and survives a clean shutdown in the middle of that.

use super::site_of;
use crate::{
    files::processed,
    support::{Actor, Bucket, PASSWORD, Site, Weather, png, until},
};
use reqwest::blocking::Client;
use serde_json::{Value, json};

fn studio(bucket: &Bucket) -> Site {
    let settings = bucket.settings();
    let mut environment: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("PORTCULLIS_AUTH__SIGNUP", "open"));
    site_of("projects_uploads.toml", "make the entity type projects", &environment)
}

/// Somebody who signed up, was let in as a member, and logged in.
fn member(site: &Site, admin: &Actor, name: &str) -> Actor {
    let email = format!("{name}@example.org");
    site.nobody().post("/auth/signup", &json!({"email": email, "password": PASSWORD})).expect(201);
    let filter = format!("/users?filter=email%20%3D%20%22{name}%40example.org%22");
    let user = admin.get(&filter).expect(200).json()["items"][0].clone();
    assert_eq!(user["roles"], json!([]));
    admin.patch(&format!("/users/{}", user["id"].as_str().unwrap()), &json!({"roles": ["member"]})).expect(200);
    let person = site.log_in(&email);
    let me = person.get("/auth/me").expect(200).json();
    assert_eq!((&me["email"], &me["roles"]), (&json!(email), &json!(["member"])));
    person
}

fn project(owner: &Actor, title: &str) -> String {
    owner.post("/projects", &json!({"name": title, "owner_id": owner.id, "data": {"title": title}})).expect(201).id()
}

/// Uploads through a signed address; the file's id.
fn send(owner: &Actor, project: &str, name: &str, kind: &str, content: &[u8]) -> (u16, String) {
    let asked =
        json!({"method": "PUT", "name": name, "content_type": kind, "size": content.len(), "entity_id": project});
    let address = owner.post("/files/presign", &asked).expect(200).json();
    let mut request = Client::new().put(address["url"].as_str().unwrap()).body(content.to_vec());
    for (header, value) in address["headers"].as_object().unwrap() {
        request = request.header(header, value.as_str().unwrap());
    }
    (request.send().unwrap().status().as_u16(), address["file_id"].as_str().unwrap().to_owned())
}

fn job_of(site: &Site, file: &str) -> (String, i64) {
    let pattern = format!("%{file}%");
    let sql = "SELECT state, attempts FROM jobs WHERE kind = 'files.process' AND payload LIKE ?1";
    let read = |reader: &portcullis::storage::Reader<'_>| {
        reader.query_one(sql, portcullis::params![pattern.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    site.app.ledger.db().read(read).unwrap().unwrap()
}

#[test]
fn projects_and_their_uploads_are_their_owners_alone() {
    let bucket = Bucket::start();
    let site = studio(&bucket);
    let admin = site.admin();
    let (olga, otto) = (member(&site, &admin, "olga"), member(&site, &admin, "otto"));
    let bridge = project(&olga, "Bridge");
    let (status, plan) = send(&olga, &bridge, "plan.png", "image/png", &png(b"plan"));
    assert_eq!(status, 201);
    let (status, _) = send(&olga, &bridge, "plan.png", "image/png", b"<html><script>alert(1)</script>");
    assert_eq!(status, 415);
    let ready = processed(&olga, &plan);
    assert_eq!((&ready["state"], &ready["details"]), (&json!("ready"), &json!({"width": 3, "height": 2})));
    assert_eq!(ready["entity_id"], bridge);

    for path in [format!("/projects/{bridge}"), format!("/files/{plan}"), format!("/files/{plan}/content")] {
        olga.get(&path).expect(200);
        otto.get(&path).problem(404, "not_found");
    }
    let asked = json!({"method": "PUT", "name": "x.png", "content_type": "image/png", "size": 9, "entity_id": bridge});
    otto.post("/files/presign", &asked).problem(422, "validation_failed");
    otto.post("/files/presign", &json!({"method": "GET", "file_id": plan})).problem(404, "not_found");
    let count = |who: &Actor| who.get("/files?count=true").expect(200).json()["total"].clone();
    assert_eq!((count(&olga), count(&otto), count(&admin)), (json!(1), json!(0), json!(1)));
}

#[test]
fn a_job_is_tried_three_times_and_says_what_became_of_it() {
    let bucket = Bucket::start();
    let site = studio(&bucket);
    let admin = site.admin();
    let olga = member(&site, &admin, "olga");
    let bridge = project(&olga, "Bridge");
    bucket.weather(Weather::Fair);
    admin.put("/kill-switch", &json!({"active": false, "reason": "none", "password": PASSWORD})).expect(200);
    let (_, first) = send(&olga, &bridge, "notes.txt", "text/plain", b"one two three");
    assert_eq!(processed(&olga, &first)["details"], json!({"lines": 1, "words": 3}));

    // The job finds nobody at home.
    bucket.weather(Weather::Fair);
    let id: portcullis::ids::Id = first.parse().unwrap();
    bucket.weather(Weather::Down);
    site.app
        .ledger
        .unrecorded_blocking("looked into anew", move |tx| {
            tx.execute("UPDATE files SET state = 'processing' WHERE id = ?1", portcullis::params![id])?;
            tx.execute(
                "UPDATE jobs SET state = 'waiting', attempts = 0, finished_at = NULL WHERE kind = 'files.process'",
                &[],
            )?;
            Ok(())
        })
        .unwrap();
    for attempt in 1..=3 {
        portcullis::jobs::wake();
        until("the attempt is over", || {
            let (state, attempts) = job_of(&site, &first);
            (attempts == attempt && state != "running").then_some(())
        });
        site.clock.advance(60_000);
    }
    assert_eq!(job_of(&site, &first), ("failed".to_owned(), 3));
    let failed = olga.get(&format!("/files/{first}")).expect(200).json();
    assert_eq!(
        (&failed["state"], &failed["error"]),
        (&json!("failed"), &json!("The content could not be looked into."))
    );
}

#[test]
fn a_clean_shutdown_in_the_middle_of_a_job_loses_nothing() {
    let bucket = Bucket::start();
    let site = studio(&bucket);
    let admin = site.admin();
    let olga = member(&site, &admin, "olga");
    let bridge = project(&olga, "Bridge");
    let files: Vec<String> =
        (0..6).map(|number| send(&olga, &bridge, &format!("{number}.png"), "image/png", &png(b"x")).1).collect();
    let last = files.last().unwrap().clone();
    until("all others are looked into", || (job_of(&site, &last).0 == "done").then_some(()));
    let id: portcullis::ids::Id = last.parse().unwrap();
    bucket.weather(Weather::Held);
    site.app
        .ledger
        .unrecorded_blocking("looked into anew", move |tx| {
            tx.execute("UPDATE files SET state = 'processing' WHERE id = ?1", portcullis::params![id])?;
            let job = json!({"file_id": id});
            portcullis::jobs::enqueue(tx, "files.process", &job, portcullis::clock::Time(0)).map(drop)
        })
        .unwrap();
    let running = |site: &Site| {
        let read = |reader: &portcullis::storage::Reader<'_>| {
            let sql = "SELECT count(*) FROM jobs WHERE kind = 'files.process' AND state = 'running'";
            reader.query_one(sql, &[], |row| row.get::<i64>(0))
        };
        site.app.ledger.db().read(read).unwrap().unwrap()
    };
    until("the job runs", || (running(&site) == 1).then_some(()));
    // What runs is waited for; the store answers again meanwhile.
    let folder = std::thread::scope(|scope| {
        let closing = scope.spawn(|| site.close());
        std::thread::sleep(std::time::Duration::from_millis(500));
        bucket.weather(Weather::Fair);
        closing.join().unwrap()
    });
    let settings = bucket.settings();
    let environment: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::on(folder, &environment);
    let olga = site.log_in("olga@example.org");
    let states: Vec<Value> = files.iter().map(|file| processed(&olga, file)["state"].clone()).collect();
    assert_eq!(states, vec![json!("ready"); 6]);
    let admin = site.log_in("admin@example.org");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}
