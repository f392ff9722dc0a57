//! Forgetting people: everything at once, in what is kept, in its history, in the audit log, and in backups that are
//! restored later.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, path::Path};

const PEOPLE: &str = "/entities/people";

fn people(admin: &Actor) {
    let schema =
        json!({"properties": {"iban": {"type": "string"}, "no": {"type": "string"}, "score": {"type": "number"}}});
    let fields = json!({"/iban": {"pii": true, "index": true, "sensitivity": "restricted"}, "/no": {"pii": true, "unique": true}});
    admin
        .post("/entity-types", &json!({"name": "people", "schema": schema, "fields": fields, "search": []}))
        .expect(201);
}

fn make(admin: &Actor, iban: &str, no: &str) -> String {
    let data = json!({"iban": iban, "no": no, "score": 7});
    let made = admin.post(PEOPLE, &json!({"name": "Ann SECRET-name", "data": data})).expect(201);
    format!("{PEOPLE}/{}", made.id())
}

fn act(actor: &Actor, path: &str, act: &str) -> Answer {
    actor.post(&format!("{path}/{act}"), &json!({"reason": "asked for by letter"}))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The files of the database in a folder hold none of these texts.
fn ensure_gone(site: &Site, texts: &[&str]) {
    for name in ["portcullis.db", "portcullis.db-wal"] {
        let bytes = fs::read(site.folder.path().join("data").join(name)).unwrap_or_default();
        for text in texts {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text} is in {name}");
        }
    }
}

fn found(admin: &Actor, filter: &str) -> usize {
    let answer = admin.send(admin.request(Method::GET, PEOPLE).query(&[("filter", filter)])).expect(200);
    answer.json()["items"].as_array().unwrap().len()
}

#[test]
fn an_entity_is_forgotten_in_its_history_and_in_the_audit_log_too() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let keyed = admin.request(Method::POST, PEOPLE).header("idempotency-key", "k");
    let keyed = keyed.json(&json!({"data": {"iban": "SECRET-1", "no": "SECRET-no"}}));
    let made = admin.send(keyed.try_clone().unwrap()).expect(201).id();
    let (path, other) = (format!("{PEOPLE}/{made}"), make(&admin, "SECRET-other", "other"));
    admin.patch(&path, &json!({"name": "Ann SECRET-own", "data": {"iban": "SECRET-2", "score": 1}})).expect(200);
    let wrapped = |id: &str| {
        let sql = format!("SELECT wrapped FROM data_keys WHERE subject = '{id}'");
        site.app.ledger.db().read(|reader| reader.query_one(&sql, &[], |row| row.get::<String>(0))).unwrap()
    };
    let key = wrapped(&made).unwrap();
    admin.post(&format!("{path}/anonymise"), &json!({"reason": ""})).problem(422, "validation_failed");
    let after = act(&admin, &path, "anonymise").expect(200).json();
    assert_eq!(
        (&after["name"], &after["data"], &after["deleted_at"]),
        (&Value::Null, &json!({"score": 1}), &Value::Null)
    );
    assert_eq!(admin.get(&path).expect(200).json(), after);
    let history = admin.get(&format!("{path}/history")).expect(200);
    assert!(history.text.contains("\"erased\"") && !history.text.contains("SECRET"), "{}", history.text);
    assert_eq!(history.json()["items"][0]["action"], "anonymised");
    assert_eq!(admin.get(&format!("{path}/history/1")).expect(200).json()["data"]["iban"], "erased");
    let events = admin.get(&format!("/audit?target_id={made}")).expect(200);
    assert!(events.text.contains("\"iban\":\"erased\"") && !events.text.contains("SECRET"), "{}", events.text);
    assert!(events.text.contains("\"score\":1"), "what is not personal is told still: {}", events.text);
    assert_eq!(events.json()["items"][0]["changes"]["after"]["reason"], "asked for by letter");
    assert_eq!(admin.send(keyed).expect(201).text, json!({"id": made}).to_string(), "only that it was done");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    assert_eq!((found(&admin, "data.iban = \"SECRET-2\""), found(&admin, "data.iban = null")), (0, 1));
    assert_eq!(wrapped(&made), None);
    ensure_gone(&site, &[&key, "SECRET-1", "SECRET-2", "SECRET-no\"", "SECRET-own"]);
    admin.post(PEOPLE, &json!({"data": {"no": "SECRET-no"}})).expect(201);
    admin.send(admin.request(Method::POST, &format!("{path}/history/1/restore"))).expect(200);
    assert_eq!(admin.get(&path).expect(200).json()["data"], json!({}), "what was erased does not come back");
    admin.patch(&path, &json!({"data": {"iban": "SECRET-new"}})).expect(200);
    assert_ne!(wrapped(&made).unwrap(), key, "what is new has a key of its own");
    let gone = act(&admin, &path, "erase").expect(200).json();
    assert_ne!(gone["deleted_at"], Value::Null);
    admin.get(&path).problem(404, "not_found");
    admin.send(admin.request(Method::POST, &format!("{path}/restore"))).problem(409, "conflict");
    act(&admin, &path, "anonymise").problem(409, "conflict");
    assert!(!admin.get(&format!("{path}/history")).expect(200).text.contains("SECRET"));
    assert_eq!(admin.get(&other).expect(200).json()["data"]["iban"], "SECRET-other");
    let analyst = site.user(&admin, "anna", &["analyst"]);
    act(&analyst, &other, "erase").problem(403, "forbidden");
    admin.post("/roles", &json!({"name": "cleaner", "permissions": ["entities.people:read", "entities.people:delete"], "clearance": "internal"})).expect(201);
    act(&site.user(&admin, "carl", &["cleaner"]), &other, "erase").problem(403, "forbidden");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn a_backup_that_is_restored_later_forgets_again() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let (erased, anonymised) = (make(&admin, "SECRET-1", "1"), make(&admin, "SECRET-2", "2"));
    let (kept, left) = (make(&admin, "SECRET-3", "3"), make(&admin, "SECRET-4", "4"));
    let grace = site.user(&admin, "grace", &["viewer"]);
    let folder = site.close();
    let backup = tempfile::tempdir().unwrap();
    copy(&folder.path().join("data"), backup.path());
    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    site.clock.advance(3_600_000);
    let admin = site.log_in("admin@example.org");
    act(&admin, &erased, "erase").expect(200);
    act(&admin, &anonymised, "anonymise").expect(200);
    act(&admin, &left, "anonymise").expect(200);
    admin.patch(&left, &json!({"data": {"iban": "SECRET-given-anew"}})).expect(200);
    act(&admin, &format!("/users/{}", grace.id), "erase").expect(200);
    let folder = site.close();
    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    assert_eq!(admin.get(&left).expect(200).json()["data"]["iban"], "SECRET-given-anew", "a later start takes nothing");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    let folder = site.close();
    for name in ["portcullis.db", "portcullis.db-wal", "portcullis.db-shm"] {
        let _ = fs::remove_file(folder.path().join("data").join(name));
    }
    fs::copy(backup.path().join("portcullis.db"), folder.path().join("data/portcullis.db")).unwrap();
    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    admin.get(&erased).problem(404, "not_found");
    assert_eq!(admin.get(&anonymised).expect(200).json()["data"], json!({"score": 7}));
    assert_eq!(admin.get(&kept).expect(200).json()["data"]["iban"], "SECRET-3");
    for path in [&erased, &anonymised, &left] {
        assert!(!admin.get(&format!("{path}/history")).expect(200).text.contains("SECRET"));
        let id = path.rsplit('/').next().unwrap();
        let events = admin.get(&format!("/audit?target_id={id}")).expect(200);
        assert!(!events.text.contains("SECRET"), "{}", events.text);
    }
    let user = admin.get(&format!("/users/{}?deleted=include", grace.id)).expect(200).json();
    assert_eq!(user["email"], format!("{}@erased.invalid", grace.id));
    site.nobody().post("/auth/login", &json!({"email": "grace@example.org", "password": PASSWORD})).expect(401);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn a_person_is_forgotten_with_sessions_keys_and_links() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let body = json!({"email": "grace@example.org", "name": "Grace SECRET", "password": PASSWORD, "roles": ["analyst"], "data": {"team": "SECRET-team"}});
    let id = admin.post("/users", &body).expect(201).id();
    let path = format!("/users/{id}");
    let grace = site.log_in("grace@example.org");
    let key = json!({"name": "SECRET-key", "scopes": ["entities.*:read"], "owner_id": id});
    let key = admin.post("/api-keys", &key).expect(201).json()["key"].as_str().unwrap().to_owned();
    let owned = grace.post(PEOPLE, &json!({"data": {"no": "mine"}})).expect(201).id();
    let whole = admin.get(&format!("{path}/export")).expect(200).json();
    assert_eq!(
        (&whole["user"]["email"], &whole["user"]["data"]["team"]),
        (&json!("grace@example.org"), &json!("SECRET-team"))
    );
    assert_eq!((whole["sessions"].as_array().unwrap().len(), &whole["api_keys"][0]["name"]), (1, &json!("SECRET-key")));
    assert_eq!((&whole["entities"][0]["id"], &whole["entities"][0]["data"]["no"]), (&json!(owned), &json!("mine")));
    assert!(whole["events_about"].as_array().unwrap().iter().any(|event| event["action"] == "user.created"));
    assert!(whole["events_by"].as_array().unwrap().iter().any(|event| event["action"] == "entity.created"));
    assert!(!whole.to_string().contains("$sealed"));
    grace.get(&format!("{path}/export")).problem(403, "forbidden");
    act(&grace, &path, "erase").problem(403, "forbidden");
    let one = admin.get(&format!("{PEOPLE}/{owned}/export")).expect(200).json();
    assert_eq!((&one["entity"]["data"]["no"], &one["events"][0]["action"]), (&json!("mine"), &json!("entity.created")));
    let after = act(&admin, &path, "anonymise").expect(200).json();
    assert_eq!((&after["name"], &after["data"], &after["status"]), (&Value::Null, &json!({}), &json!("disabled")));
    grace.get("/auth/me").problem(401, "unauthenticated");
    site.holder(&key).get(PEOPLE).problem(401, "unauthenticated");
    assert_eq!(
        admin.get(&format!("{PEOPLE}/{owned}")).expect(200).json()["owner_id"],
        json!(id),
        "what they own stays theirs"
    );
    let count = |table: &str, column: &str| {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = '{id}'");
        site.app.ledger.db().read(|reader| reader.query_one(&sql, &[], |row| row.get::<i64>(0))).unwrap().unwrap()
    };
    for (table, column) in [("sessions", "user_id"), ("api_keys", "owner_id"), ("one_time_links", "user_id")] {
        assert_eq!(count(table, column), 0, "{table}");
    }
    let about = admin.get(&format!("/audit?target_id={id}")).expect(200);
    assert!(about.text.contains("\"email\":\"erased\"") && !about.text.contains("SECRET"), "{}", about.text);
    let by = admin.get(&format!("/audit?actor_id={id}")).expect(200);
    assert!(by.text.contains("\"label\":\"erased\"") && !by.text.contains("grace"), "{}", by.text);
    ensure_gone(&site, &["grace@example.org", "Grace SECRET", "SECRET-team", "SECRET-key"]);
    admin.post("/users", &json!({"email": "grace@example.org", "password": PASSWORD})).expect(201);
    let gone = act(&admin, &path, "erase").expect(200).json();
    assert_eq!((gone["deleted_at"] == Value::Null, &gone["roles"]), (false, &json!([])));
    admin.get(&path).problem(404, "not_found");
    admin.send(admin.request(Method::POST, &format!("{path}/restore"))).problem(409, "conflict");
    act(&admin, &path, "erase").problem(409, "conflict");
    act(&admin, &format!("/users/{}", admin.id), "erase").problem(409, "conflict");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn the_files_of_an_entity_go_with_it() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let path = make(&admin, "SECRET-1", "1");
    let id = path.rsplit('/').next().unwrap();
    let file = admin.upload("SECRET-letter.txt", b"SECRET-content").expect(201).id();
    let other = admin.upload("other.txt", b"kept-content").expect(201).id();
    let file_path = format!("/files/{file}");
    let settled = || admin.get(&file_path).expect(200).json()["state"] != "processing";
    let begun = std::time::Instant::now();
    while !settled() {
        assert!(begun.elapsed().as_secs() < 30, "it is looked into");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    admin.patch(&file_path, &json!({"entity_id": id})).expect(200);
    let taken = admin.get(&format!("{path}/export")).expect(200).json();
    assert_eq!(taken["files"][0]["name"], "SECRET-letter.txt");
    let content = taken["files"][0]["content_url"].as_str().unwrap().trim_start_matches("/api/v1").to_owned();
    assert_eq!(admin.get(&content).expect(200).text, "SECRET-content");
    act(&admin, &path, "anonymise").expect(200);
    admin.get(&file_path).problem(404, "not_found");
    let told = admin.get(&format!("/audit?target_id={file}")).expect(200);
    assert!(told.text.contains("file.created") && !told.text.contains("SECRET"), "{}", told.text);
    let holds = |text: &str| {
        let mut waiting = vec![site.folder.path().join("data/files")];
        let mut found = false;
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    found |= fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes());
                }
            }
        }
        found
    };
    while holds("SECRET-content") {
        assert!(begun.elapsed().as_secs() < 60, "the content is removed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(holds("kept-content"));
    admin.get(&format!("/files/{other}")).expect(200);
    ensure_gone(&site, &["SECRET-1", "SECRET-letter", "SECRET-content"]);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

/// Somebody who owns two people, one held by a relationship, a note and a file.
struct Owner {
    path: String,
    id: String,
    one: String,
    held: String,
    note: String,
    file: String,
}

fn owner(site: &Site, admin: &Actor) -> Owner {
    people(admin);
    admin.post("/entity-types", &json!({"name": "notes", "owner_only": true})).expect(201);
    let grace = site.user(admin, "grace", &["analyst"]);
    let own = |kind: &str, body: Value| {
        let mut body = body;
        body["owner_id"] = json!(grace.id);
        admin.post(&format!("/entities/{kind}"), &body).expect(201).id()
    };
    let one = own("people", json!({"name": "SECRET-one", "data": {"iban": "SECRET-iban-1"}}));
    let held = own("people", json!({"name": "SECRET-two", "data": {"iban": "SECRET-iban-2", "score": 3}}));
    let note = own("notes", json!({"name": "SECRET-note"}));
    let other = admin.post(PEOPLE, &json!({"name": "other"})).expect(201).id();
    admin.post("/relationships", &json!({"type": "knows", "from_id": other, "to_id": held})).expect(201);
    let file = grace.upload("SECRET-letter.txt", b"SECRET-content").expect(201).id();
    let ready = || admin.get(&format!("/files/{file}")).expect(200).json()["state"] != "processing";
    wait("the file to be looked into", ready);
    Owner { path: format!("/users/{}", grace.id), id: grace.id, one, held, note, file }
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 60, "waited for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn settled(admin: &Actor) -> bool {
    let jobs = admin.get("/jobs?filter=kind%20%3D%20%22users.settle_owned%22").expect(200).json();
    let jobs = jobs["items"].as_array().unwrap();
    !jobs.is_empty() && jobs.iter().all(|job| job["state"] == "done")
}

#[test]
fn what_a_user_owns_is_erased_too_where_that_is_asked() {
    let site = Site::new();
    let admin = site.admin();
    let grace = owner(&site, &admin);
    for (role, permissions, clearance) in [
        ("part", &["users:delete", "users:read", "entities.people:delete", "entities.people:read"][..], "restricted"),
        (
            "low",
            &[
                "users:delete",
                "users:read",
                "entities.*:delete",
                "entities.*:read",
                "entities.notes:delete",
                "files:delete",
            ],
            "internal",
        ),
        (
            "own",
            &["users:delete", "users:read", "entities.people:delete:own", "entities.notes:delete", "files:delete"],
            "restricted",
        ),
        ("no_files", &["users:delete", "users:read", "entities.people:delete", "entities.notes:delete"], "restricted"),
    ] {
        admin.post("/roles", &json!({"name": role, "permissions": permissions, "clearance": clearance})).expect(201);
        let cleaner = site.user(&admin, role, &[role, "analyst"]);
        let refused = cleaner.post(&format!("{}/erase", grace.path), &json!({"owned": "erase"}));
        let told = refused.problem(403, "forbidden");
        assert!(!told["detail"].as_str().unwrap().contains("notes"), "{role}: {told}");
    }
    for body in [json!({"owned": "hand_over"}), json!({"owned": "erase", "to": admin.id}), json!({"owned": "burn"})] {
        admin.post(&format!("{}/erase", grace.path), &body).problem(422, "validation_failed");
    }
    assert_eq!(admin.get(&grace.path).expect(200).json()["status"], "active", "nothing was done so far");
    let answer = admin.post(&format!("{}/erase", grace.path), &json!({"owned": "erase", "reason": "by letter"}));
    let owned = answer.expect(200).json()["owned"].clone();
    assert_eq!(owned, json!({"fate": "erase", "entities": {"people": 2, "notes": 1}, "files": 1}));
    wait("the job", || settled(&admin));
    let (one, held) = (format!("{PEOPLE}/{}", grace.one), format!("{PEOPLE}/{}", grace.held));
    for gone in [&one, &format!("/entities/notes/{}", grace.note), &format!("/files/{}", grace.file)] {
        admin.get(gone).problem(404, "not_found");
    }
    admin.send(admin.request(Method::POST, &format!("{one}/restore"))).problem(409, "conflict");
    let held = admin.get(&held).expect(200).json();
    assert_eq!((&held["name"], &held["data"]), (&Value::Null, &json!({"score": 3})), "a relationship holds it");
    let event = admin.get(&format!("/audit?target_id={}", grace.one)).expect(200).json()["items"][0].clone();
    assert_eq!(
        (&event["action"], &event["changes"]["after"]["reason"]),
        (&json!("entity.erased"), &json!("by letter"))
    );
    let told = admin.get(&format!("/audit?target_id={}", grace.id)).expect(200).json();
    let actions: Vec<_> = told["items"].as_array().unwrap().iter().map(|event| &event["action"]).collect();
    assert!(actions.contains(&&json!("user.files_erased")) && actions.contains(&&json!("user.erased")), "{actions:?}");
    ensure_gone(&site, &["SECRET-one", "SECRET-two", "SECRET-iban", "SECRET-letter"]);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn what_a_user_owns_is_handed_over_or_stays() {
    let site = Site::new();
    let admin = site.admin();
    let grace = owner(&site, &admin);
    let ida = site.user(&admin, "ida", &["analyst"]);
    let note = format!("/entities/notes/{}", grace.note);
    ida.get(&note).problem(404, "not_found");
    for to in [grace.id.as_str(), grace.note.as_str()] {
        let body = json!({"owned": "hand_over", "to": to});
        admin.post(&format!("{}/erase", grace.path), &body).problem(422, "validation_failed");
    }
    let answer = admin.post(&format!("{}/erase", grace.path), &json!({"owned": "hand_over", "to": ida.id})).expect(200);
    assert_eq!(answer.json()["owned"]["fate"], "hand_over");
    wait("the job", || settled(&admin));
    let mine = ida.get(&note).expect(200).json();
    assert_eq!(
        (&mine["owner_id"], &mine["name"], &mine["version"]),
        (&json!(ida.id), &json!("SECRET-note"), &json!(2))
    );
    let file = ida.get(&format!("/files/{}", grace.file)).expect(200).json();
    assert_eq!((&file["owner_id"], &file["name"]), (&json!(ida.id), &json!("SECRET-letter.txt")));
    let one = admin.get(&format!("{PEOPLE}/{}", grace.one)).expect(200).json();
    assert_eq!((&one["owner_id"], &one["data"]["iban"]), (&json!(ida.id), &json!("SECRET-iban-1")));
    let event = admin.get(&format!("/audit?target_id={}&action=user.erased", grace.id)).expect(200).json();
    let told = &event["items"][0]["changes"]["after"];
    assert_eq!((&told["owned"], &told["to"]), (&json!("hand_over"), &json!(ida.id)));
    let kept = admin.post(&format!("/users/{}/erase", ida.id), &json!({})).expect(200).json()["owned"].clone();
    assert_eq!(kept, json!({"fate": "keep", "entities": {"people": 2, "notes": 1}, "files": 1}));
    let one = admin.get(&format!("{PEOPLE}/{}", grace.one)).expect(200).json();
    assert_eq!(one["owner_id"], json!(ida.id), "it stays as it was");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}
