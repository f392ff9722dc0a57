//! No key of the instance and no secret of its configuration leaves it: looked for in everything that it says.

use crate::{
    backups::make,
    support::{Actor, PASSWORD, Site},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use portcullis::observability::start_log;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

const METRICS: &str = "5e0c9be27d5a48e3a6b1c4d27e8f9a03";
const MAIL: &str = "postern-of-the-mail";
const STORE: &str = "drawbridge-of-the-bucket";
const SENTRY: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("portcullis.log").to_str().unwrap().to_owned();
    let mail = format!("smtp://gate:{MAIL}@127.0.0.1:9");
    let sentry = format!("http://{SENTRY}@127.0.0.1:9/7");
    let site = Site::on(
        folder,
        &[
            ("PORTCULLIS_LIMITS__ENABLED", "false"),
            ("PORTCULLIS_LOG__FILE", &log),
            ("PORTCULLIS_LOG__FORMAT", "json"),
            ("PORTCULLIS_LOG__LEVEL", "debug"),
            ("PORTCULLIS_METRICS__TOKEN", METRICS),
            ("PORTCULLIS_MAIL__SMTP_URL", &mail),
            ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
            ("PORTCULLIS_SENTRY__DSN", &sentry),
            ("PORTCULLIS_S3__ENDPOINT", "http://127.0.0.1:9"),
            ("PORTCULLIS_S3__ACCESS_KEY", "id-of-the-key"),
            ("PORTCULLIS_S3__SECRET_KEY", STORE),
            ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
        ],
    );
    start_log(&site.app.config.load());
    site
}

/// What must stand nowhere, with what it is: as somebody may write it down, and as it is.
struct Secrets {
    texts: Vec<(String, String)>,
    bytes: Vec<(String, Vec<u8>)>,
}

impl Secrets {
    fn of(site: &Site) -> Self {
        let file = fs::read_to_string(site.folder.path().join("data/keyring.json")).unwrap();
        let ring: Value = serde_json::from_str(&file).unwrap();
        let settings = [METRICS, MAIL, STORE, SENTRY, PASSWORD];
        let (mut texts, mut all): (Vec<_>, Vec<_>) =
            (settings.map(|secret| ("a setting".to_owned(), secret.to_owned())).into(), Vec::new());
        for key in ring["keys"].as_array().unwrap() {
            let bytes = URL_SAFE_NO_PAD.decode(key["secret"].as_str().unwrap()).unwrap();
            let name = format!("the key for {}", key["purpose"]);
            let written = [
                URL_SAFE_NO_PAD.encode(&bytes),
                STANDARD_NO_PAD.encode(&bytes),
                hex::encode(&bytes),
                hex::encode_upper(&bytes),
                format!("{bytes:?}"),
            ];
            texts.extend(written.map(|text| (name.clone(), text)));
            all.push((name, bytes));
        }
        assert_eq!(all.len(), 9, "five keys, and four that were rotated");
        Self { texts, bytes: all }
    }

    #[track_caller]
    fn are_not_in(&self, place: &str, content: &[u8]) {
        assert!(!content.is_empty(), "{place} says nothing");
        let text = String::from_utf8_lossy(content);
        for (what, secret) in &self.texts {
            assert!(!text.contains(secret), "{what}, {secret}, is in {place}");
        }
        for (what, secret) in &self.bytes {
            assert!(!content.windows(secret.len()).any(|window| window == secret), "{what} is in {place}");
        }
    }
}

/// Refusals and failures of every kind, as they were answered.
fn problems(site: &Site, admin: &Actor) -> String {
    let nobody = site.nobody();
    let viewer = site.user(admin, "viewer", &["viewer"]);
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON roles BEGIN SELECT RAISE(ABORT, 'internal words'); END";
    site.app.ledger.unrecorded_blocking("test", move |tx| tx.execute(broken, &[])).unwrap();
    let forged = "eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.x";
    let reset = json!({"emergency": true, "reason": "x", "password": "wrong wrong wrong"});
    let answers = [
        (nobody.get("/users"), 401),
        (site.holder(forged).get("/users"), 401),
        (nobody.post("/auth/login", &json!({"email": "viewer@example.org", "password": "wrong"})), 401),
        (viewer.get("/secrets"), 403),
        (admin.post("/secrets/jwt/rotate", &reset), 403),
        (admin.get("/users/01900000-0000-7000-8000-000000000000"), 404),
        (nobody.get("/files/01900000-0000-7000-8000-000000000000/content?expires=1&signature=x"), 401),
        (admin.send(admin.request(Method::DELETE, "/secrets")), 405),
        (admin.post("/users", &json!({"email": "viewer@example.org"})), 409),
        (admin.post("/users", &json!({"email": "no address"})), 422),
        (admin.send(admin.request(Method::POST, "/users").header("content-type", "application/json").body("{")), 400),
        (admin.post("/roles", &json!({"name": "team", "permissions": []})), 500),
    ];
    answers.into_iter().map(|(answer, status)| answer.expect(status).text).collect()
}

#[test]
fn no_secret_is_in_anything_that_the_instance_says_or_keeps_for_others() {
    let site = site();
    let admin = site.admin();
    admin.patch("/settings", &json!({"log": {"bodies": true, "slow_ms": 1}})).expect(200);
    for kind in ["jwt", "fields", "presign", "webhooks"] {
        let body = json!({"reason": "a drill", "password": PASSWORD});
        admin.post(&format!("/secrets/{kind}/rotate"), &body).expect(200);
    }
    let admin = site.log_in("admin@example.org");
    let secrets = Secrets::of(&site);
    let file = admin.upload("a.txt", b"words").expect(201).id();
    admin.post("/files/presign", &json!({"method": "GET", "file_id": file})).expect(200);
    site.nobody().post("/auth/password/forgot", &json!({"email": "admin@example.org"})).expect(202);
    let (made, _) = make(&admin);
    secrets.are_not_in("the problems", problems(&site, &admin).as_bytes());
    for path in ["/logs?limit=200", "/settings", "/secrets", "/overview", "/doctor", "/audit?limit=200", "/jobs"] {
        secrets.are_not_in(path, admin.get(path).expect(200).text.as_bytes());
    }
    let of_server = |path: &str| site.nobody().send(site.nobody().at(Method::GET, path)).expect(200).text;
    for path in ["/metrics", "/health/ready", "/openapi.json"] {
        secrets.are_not_in(path, of_server(path).as_bytes());
    }
    let shown = site.app.config.loaded();
    for text in [shown.show(), shown.show_json().to_string(), format!("{:?}", *site.app.config.load())] {
        assert!(text.contains("smtp_url"), "{text}");
        secrets.are_not_in("config show", text.as_bytes());
    }
    let backup = site.folder.path().join("data/backups").join(made["name"].as_str().unwrap());
    secrets.are_not_in("the backup", &fs::read(backup).unwrap());
    let log = fs::read(site.folder.path().join("portcullis.log")).unwrap();
    assert!(log.len() > 10_000, "it was on");
    secrets.are_not_in("the log", &log);
    for name in ["portcullis.db", "portcullis.db-wal"] {
        secrets.are_not_in(name, &fs::read(site.folder.path().join("data").join(name)).unwrap());
    }
}
