//! Jobs as they are seen, retried and called off, with letters that no mail server takes.

use crate::{
    held_store::HeldStore,
    support::{Actor, PASSWORD, Site, within},
};
use portcullis::jobs;
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

/// Nobody listens there.
fn site() -> Site {
    site_that_mails_to("smtp://127.0.0.1:9")
}

fn site_that_mails_to(server: &str) -> Site {
    Site::with(&[
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_MAIL__SMTP_URL", server),
        ("PORTCULLIS_MAIL__FROM", "The Gate <gate@example.org>"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
    ])
}

fn jobs(admin: &Actor, query: &str) -> Vec<Value> {
    admin.get(&format!("/jobs?{query}")).expect(200).json()["items"].as_array().unwrap().clone()
}

#[track_caller]
fn until(admin: &Actor, id: &str, what: &str, look: impl Fn(&Value) -> bool) -> Value {
    within(30, &format!("not {what}"), || {
        Some(admin.get(&format!("/jobs/{id}")).expect(200).json()).filter(|job| look(job))
    })
}

/// A letter that waits for its second attempt; answers its job.
fn letter(site: &Site, admin: &Actor, name: &str) -> String {
    let email = format!("{name}@example.org");
    admin.post("/users", &json!({"email": email, "name": "Private Name", "password": PASSWORD})).expect(201);
    site.nobody().post("/auth/password/forgot", &json!({ "email": email })).expect(202);
    let begun = Instant::now();
    loop {
        let seen = jobs(admin, "state=waiting");
        if let Some(job) = seen.iter().find(|job| job["attempts"] == 1) {
            return job["id"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no letter was tried: {seen:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn let_fail(site: &Site, admin: &Actor, id: &str) -> Value {
    for attempts in 1..=3 {
        until(admin, id, "tried", |job| job["attempts"] == attempts && job["state"] != "running");
        site.clock.advance(60_000);
        jobs::wake();
    }
    until(admin, id, "given up", |job| job["state"] == "failed")
}

#[test]
fn what_fails_is_given_up_seen_and_retried() {
    let site = site();
    let admin = site.admin();
    let id = letter(&site, &admin, "somebody");
    let failed = let_fail(&site, &admin, &id);
    assert_eq!((&failed["title"], &failed["attempts"]), (&json!("Mail a link to choose a password"), &json!(3)));
    let history = failed["history"].as_array().unwrap();
    assert_eq!(history.len(), 3, "{failed}");
    for (attempt, number) in history.iter().zip(1..) {
        assert_eq!((&attempt["number"], &attempt["outcome"]), (&json!(number), &json!("failed")), "{failed}");
        assert!(attempt["error"].as_str().is_some_and(|error| !error.is_empty()), "{failed}");
    }
    let shown = format!("{failed}{}", admin.get("/jobs").expect(200).text);
    for private in ["somebody@", "Private Name", "sealed", "payload"] {
        assert!(!shown.contains(private), "{shown}");
    }
    let retried = admin.post(&format!("/jobs/{id}/retry"), &json!({})).expect(200).json();
    assert_eq!((&retried["state"], &retried["error"].is_string()), (&json!("waiting"), &true));
    let again = let_fail_again(&site, &admin, &id);
    assert_eq!(again["attempts"], 6, "it has all its attempts again");
    let events = admin.get("/audit?action=job.retried").expect(200).json();
    let event = &events["items"][0];
    assert_eq!((&event["target"], &event["actor"]["id"]), (&json!({"type": "job", "id": id}), &json!(admin.id)));
}

fn let_fail_again(site: &Site, admin: &Actor, id: &str) -> Value {
    for attempts in 4..=6 {
        until(admin, id, "tried again", |job| job["attempts"] == attempts && job["state"] != "running");
        site.clock.advance(60_000);
        jobs::wake();
    }
    until(admin, id, "given up again", |job| job["state"] == "failed")
}

#[test]
fn what_waits_is_called_off_or_run_now() {
    let site = site();
    let admin = site.admin();
    let id = letter(&site, &admin, "first");
    admin.post(&format!("/jobs/{id}/retry"), &json!({})).expect(200);
    until(&admin, &id, "run now", |job| job["attempts"] == 2 && job["state"] == "waiting");
    let called_off = admin.post(&format!("/jobs/{id}/cancel"), &json!({})).expect(200).json();
    assert_eq!(called_off["state"], "cancelled");
    admin.post(&format!("/jobs/{id}/cancel"), &json!({})).problem(409, "conflict");
    site.clock.advance(120_000);
    jobs::wake();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(admin.get(&format!("/jobs/{id}")).expect(200).json()["attempts"], 2, "it is not run any more");
    assert_eq!(admin.get("/audit?action=job.cancelled").expect(200).json()["items"][0]["target"]["id"], json!(id));
    admin.post(&format!("/jobs/{id}/retry"), &json!({})).expect(200);
    until(&admin, &id, "run after all", |job| job["attempts"] == 3);
}

#[test]
fn what_comes_by_itself_is_told_and_not_called_off_beforehand() {
    let site = Site::new();
    let admin = site.admin();
    let page = admin.get("/jobs?state=waiting&sort=due_at&limit=200&count=true").expect(200).json();
    let recurring: Vec<_> = page["items"].as_array().unwrap().iter().filter(|job| job["recurring"] == true).collect();
    assert!(recurring.len() > 3, "{page}");
    for job in &recurring {
        let (kind, title) = (job["kind"].as_str().unwrap(), job["title"].as_str().unwrap());
        assert!(!title.to_lowercase().starts_with(&kind.replace(['.', '_'], " ")), "{kind} has no words: {title}");
    }
    let id = recurring[0]["id"].as_str().unwrap();
    admin.post(&format!("/jobs/{id}/cancel"), &json!({})).problem(409, "conflict");
    let page = admin.get("/jobs?kind=jobs.clean_up&sort=created_at").expect(200).json();
    let done = page["items"].as_array().unwrap().iter().find(|job| job["state"] == "done").expect("it ran once");
    admin.post(&format!("/jobs/{}/retry", done["id"].as_str().unwrap()), &json!({})).problem(409, "conflict");
}

#[test]
fn the_list_is_filtered_in_pages_and_its_items_have_tags() {
    let site = Site::new();
    let admin = site.admin();
    let first = admin.get("/jobs?limit=1&sort=created_at").expect(200).json();
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = admin.get(&format!("/jobs?limit=1&sort=created_at&cursor={cursor}")).expect(200).json();
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    admin.get(&format!("/jobs?limit=1&sort=created_at&state=done&cursor={cursor}")).expect(422);
    admin.get("/jobs?state=broken").problem(422, "validation_failed");
    admin.get("/jobs?filter=payload%20%3D%20%22x%22").problem(422, "validation_failed");
    assert!(jobs(&admin, "filter=kind%20%3D%20%22nothing%22").is_empty());
    let done = jobs(&admin, "state=done");
    let path = format!("/jobs/{}", done.first().expect("something ran")["id"].as_str().unwrap());
    let tag = admin.get(&path).expect(200).header("etag").to_owned();
    let known = admin.send(admin.request(reqwest::Method::GET, &path).header("if-none-match", &tag));
    known.expect(304);
    admin.get("/jobs/01900000-0000-7000-8000-000000000000").problem(404, "not_found");
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    viewer.get("/jobs").problem(403, "forbidden");
}

#[test]
fn what_runs_is_ended_when_somebody_says_so() {
    // It takes calls and says nothing: an attempt would take its thirty seconds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = site_that_mails_to(&format!("smtp://{}", silent.local_addr().unwrap()));
    let admin = site.admin();
    admin.post("/users", &json!({"email": "grace@example.org", "password": PASSWORD})).expect(201);
    site.nobody().post("/auth/password/forgot", &json!({"email": "grace@example.org"})).expect(202);
    let begun = Instant::now();
    let id = loop {
        let running = jobs(&admin, "state=running&kind=identity.mail_link");
        if let Some(job) = running.first() {
            break job["id"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the letter is never tried");
        thread::sleep(Duration::from_millis(20));
    };
    admin.post(&format!("/jobs/{id}/retry"), &json!({})).problem(409, "conflict");
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    viewer.post(&format!("/jobs/{id}/cancel"), &json!({})).problem(403, "forbidden");
    let told = Instant::now();
    let asked = admin.post(&format!("/jobs/{id}/cancel"), &json!({})).expect(200).json();
    assert_eq!((&asked["state"], &asked["cancelling"]), (&json!("running"), &json!(true)));
    let ended = until(&admin, &id, "cancelled", |job| job["state"] == "cancelled");
    assert!(told.elapsed() < Duration::from_secs(10), "it was ended, not waited for");
    assert_eq!((&ended["cancelling"], &ended["attempts"]), (&json!(false), &json!(1)));
    let history = ended["history"].as_array().unwrap();
    assert_eq!((history.len(), &history[0]["outcome"]), (1, &json!("cancelled")), "{ended}");
    admin.post(&format!("/jobs/{id}/cancel"), &json!({})).problem(409, "conflict");
    let event = admin.get("/audit?action=job.cancelled").expect(200).json()["items"][0].clone();
    assert_eq!((&event["target"]["id"], &event["actor"]["id"]), (&json!(id), &json!(admin.id)));
    drop(silent);
    admin.post(&format!("/jobs/{id}/retry"), &json!({})).expect(200);
    until(&admin, &id, "run after all", |job| job["attempts"] == 2);
}

#[test]
fn how_far_a_job_is_can_be_seen_while_it_runs_and_afterwards() {
    let store = HeldStore::start();
    let settings = store.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::with(&settings);
    let admin = site.admin();
    let id = admin.post("/backups", &json!({})).expect(202).json()["id"].as_str().unwrap().to_owned();
    let job = until(&admin, &id, "telling how far it is", |job| !job["progress"].is_null());
    assert_eq!(job["state"], "running", "{job}");
    let is_progress = |progress: &Value| {
        let (done, total) = (progress["done"].as_u64().unwrap(), progress["total"].as_u64().unwrap());
        assert!(done <= total && total > 0, "{progress}");
        let message = progress["message"].as_str().unwrap();
        assert!(["Copying the database", "Encrypting", "Putting it in its place"].contains(&message), "{progress}");
    };
    is_progress(&job["progress"]);
    is_progress(&jobs(&admin, "kind=backups.create")[0]["progress"]);
    admin.post(&format!("/jobs/{id}/cancel"), &json!({})).expect(200);
    until(&admin, &id, "cancelled", |job| job["state"] == "cancelled");
    drop(store);

    let site = Site::new();
    let admin = site.admin();
    let id = admin.post("/backups", &json!({})).expect(202).json()["id"].as_str().unwrap().to_owned();
    let done = until(&admin, &id, "done", |job| job["state"] == "done");
    is_progress(&done["progress"]);
    assert_eq!(done["progress"]["done"], done["progress"]["total"], "{done}");
}
