//! Signed addresses: for one method, one file, one type and size, five minutes, and one upload.

use crate::{
    files::{processed, role},
    support::{Actor, PASSWORD, Site, png},
};
use reqwest::{Method, blocking::Client};
use serde_json::{Value, json};

struct Address {
    url: String,
    file: String,
}

fn address(answer: &Value) -> Address {
    Address { url: answer["url"].as_str().unwrap().into(), file: answer["file_id"].as_str().unwrap().into() }
}

fn to_bring(actor: &Actor, name: &str, content_type: &str, size: usize) -> Address {
    let body = json!({"method": "PUT", "name": name, "content_type": content_type, "size": size});
    address(&actor.post("/files/presign", &body).expect(200).json())
}

fn to_fetch(actor: &Actor, file: &str) -> Address {
    address(&actor.post("/files/presign", &json!({"method": "GET", "file_id": file})).expect(200).json())
}

/// Status and code of what somebody without any other credential gets.
fn call(method: Method, url: &str, content_type: Option<&str>, body: Vec<u8>) -> (u16, String) {
    let mut request = Client::new().request(method.clone(), url);
    if let Some(kind) = content_type {
        request = request.header("content-type", kind);
    }
    let response = if method == Method::PUT { request.body(body) } else { request }.send().unwrap();
    let status = response.status().as_u16();
    let text = response.text().unwrap();
    let code = serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body["code"].as_str()?.to_owned()));
    (status, code.unwrap_or(text))
}

fn put(url: &str, body: &[u8]) -> (u16, String) {
    call(Method::PUT, url, None, body.to_vec())
}

fn get(url: &str) -> (u16, String) {
    call(Method::GET, url, None, Vec::new())
}

fn forbidden() -> (u16, String) {
    (403, "forbidden".to_owned())
}

#[test]
fn somebody_without_credentials_brings_and_fetches_one_file() {
    let site = Site::new();
    let admin = site.admin();
    let content = png(b"x");
    let asked = json!({"method": "PUT", "name": "a.png", "content_type": "image/png", "size": content.len()});
    let answer = admin.post("/files/presign", &asked).expect(200).json();
    assert_eq!((&answer["method"], &answer["headers"]), (&json!("PUT"), &json!({"content-type": "image/png"})));
    let bring = address(&answer);
    assert!(bring.url.starts_with(&format!("{}/api/v1/files/{}/", site.url, bring.file)));
    admin.get(&format!("/files/{}", bring.file)).problem(404, "not_found");
    assert_eq!(call(Method::PUT, &bring.url, Some("image/png"), content.clone()).0, 201);
    let file = processed(&admin, &bring.file);
    assert_eq!(
        (&file["name"], &file["owner_id"], &file["state"]),
        (&json!("a.png"), &json!(admin.id), &json!("ready"))
    );
    let created = admin.get(&format!("/audit?target_id={}&action=file.created", bring.file)).expect(200).json();
    assert_eq!(created["items"][0]["actor"]["id"], admin.id);
    assert_eq!(put(&bring.url, &content), forbidden());

    let fetch = to_fetch(&admin, &bring.file);
    let response = Client::new().get(&fetch.url).header("range", "bytes=0-3").send().unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"a.png\"");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox;"));
    assert_eq!(response.bytes().unwrap(), content[..4]);
    assert_eq!(Client::new().get(&fetch.url).send().unwrap().bytes().unwrap(), content);
    assert_eq!(Client::new().head(&fetch.url).send().unwrap().status(), 200);
    admin.delete(&format!("/files/{}", bring.file)).expect(204);
    assert_eq!(get(&fetch.url).0, 404);
}

#[test]
fn an_address_that_was_altered_or_is_for_something_else_is_refused() {
    let site = Site::new();
    let admin = site.admin();
    let file = admin.upload("a.txt", b"words").expect(201).id();
    let other = admin.upload("b.txt", b"secret").expect(201).id();
    let (fetch, bring) = (to_fetch(&admin, &file), to_bring(&admin, "c.txt", "text/plain", 5));
    assert_eq!(get(&fetch.url), (200, "words".into()));
    assert_eq!(get(&fetch.url.replace(&file, &other)), forbidden());
    assert_eq!(get(&fetch.url.replace(&file, "nonsense")), forbidden());
    assert_eq!(put(&fetch.url, b"words"), forbidden());
    assert_eq!(get(&bring.url), forbidden());
    assert_eq!(put(&bring.url.replace(&bring.file, &file), b"words"), forbidden());
    let altered = |from: &str, to: &str| fetch.url.replace(from, to);
    for url in [
        altered("expires=1", "expires=9"),
        altered("expires=", "expired="),
        altered("&user=", "&user=0"),
        altered("&signature=", "&signature=A"),
        altered("&signature=", "&signature=%00"),
        format!("{}A", fetch.url),
        format!("{}&more=1", fetch.url),
        fetch.url[..fetch.url.find("&signature").unwrap()].to_owned(),
        fetch.url[..fetch.url.find('?').unwrap()].to_owned(),
    ] {
        assert_eq!(get(&url), forbidden(), "{url}");
    }
    // Every letter of the signature counts.
    let at = fetch.url.find("signature=").unwrap() + "signature=".len();
    for position in at..fetch.url.len() - 1 {
        let mut letters = fetch.url.clone().into_bytes();
        letters[position] = if letters[position] == b'x' { b'y' } else { b'x' };
        assert_eq!(get(std::str::from_utf8(&letters).unwrap()), forbidden());
    }
    assert_eq!(put(&bring.url, b"words").0, 201);
}

#[test]
fn an_upload_brings_what_was_agreed_on() {
    let site = Site::new();
    let admin = site.admin();
    let content = png(b"x");
    let bring = to_bring(&admin, "a.png", "image/png", content.len());
    let with = |kind: &str, body: &[u8]| call(Method::PUT, &bring.url, Some(kind), body.to_vec());
    assert_eq!(with("text/plain", &content), forbidden());
    assert_eq!(put(&bring.url, &content[1..]), forbidden());
    assert_eq!(put(&bring.url, &[&content[..], b"x"].concat()).0, 413);
    assert_eq!(put(&bring.url, &vec![b'a'; content.len()]).0, 415);
    let chunked = |bytes: Vec<u8>| {
        let body = reqwest::blocking::Body::new(std::io::Cursor::new(bytes));
        Client::new().put(&bring.url).body(body).send().unwrap().status().as_u16()
    };
    assert_eq!(chunked([&content[..], b"x"].concat()), 413);
    assert_eq!(chunked(content[..content.len() - 1].to_vec()), 422);
    assert_eq!(admin.get("/files?count=true").expect(200).json()["total"], 0);
    assert_eq!(put(&bring.url, &content).0, 201);
    for (body, status) in [
        (json!({"method": "PUT", "name": "a.svg", "content_type": "image/svg+xml", "size": 5}), 415),
        (json!({"method": "PUT", "name": "a.html", "content_type": "text/html", "size": 5}), 415),
        (json!({"method": "PUT", "name": "../a", "content_type": "text/plain", "size": 5}), 422),
        (json!({"method": "PUT", "name": "a%00b", "content_type": "text/plain", "size": 5}), 422),
        (json!({"method": "PUT", "name": "a", "content_type": "text/plain", "size": 0}), 422),
        (json!({"method": "PUT", "name": "a", "content_type": "text/plain", "size": -1}), 422),
        (json!({"method": "PUT", "name": "a", "content_type": "text/plain", "size": 1_u64 << 40}), 413),
        (json!({"method": "PUT", "name": "a"}), 422),
        (json!({"method": "GET"}), 422),
        (json!({"method": "DELETE", "file_id": bring.file}), 422),
        (json!({"method": "GET", "file_id": bring.file, "size": 5}), 422),
    ] {
        admin.post("/files/presign", &body).expect(status);
    }
}

#[test]
fn two_uploads_to_one_address_make_one_file() {
    let site = Site::new();
    let admin = site.admin();
    let bring = to_bring(&admin, "a.txt", "text/plain", 200_000);
    let content = vec![b'a'; 200_000];
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| put(&bring.url, &content).0)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 403, 409].contains(status)), "{statuses:?}");
    assert_eq!(admin.bytes(&format!("/files/{}/content", bring.file)), content);
}

#[test]
fn addresses_end_after_five_minutes_and_with_whoever_asked_for_them() {
    let site = Site::new();
    let admin = site.admin();
    role(&admin, "member", &["files:read:own", "files:create", "api_keys:create"]);
    let olga = site.user(&admin, "olga", &["member"]);
    let file = olga.upload("a.txt", b"words").expect(201).id();
    let addresses = || (to_fetch(&olga, &file), to_bring(&olga, "b.txt", "text/plain", 5));
    let key = olga.post("/api-keys", &json!({"name": "k", "scopes": ["files:read:own"]})).expect(201).json();
    let holder = site.holder(key["key"].as_str().unwrap());
    let by_key = to_fetch(&holder, &file);
    assert_eq!(get(&by_key.url).0, 200);
    let bring = json!({"method": "PUT", "name": "a", "content_type": "text/plain", "size": 5});
    holder.post("/files/presign", &bring).problem(403, "forbidden");
    olga.delete(&format!("/api-keys/{}", key["id"].as_str().unwrap())).expect(204);
    assert_eq!(get(&by_key.url), forbidden());

    let (fetch, bring) = addresses();
    site.clock.advance(5 * 60 * 1000 - 1000);
    assert_eq!(get(&fetch.url).0, 200);
    site.clock.advance(1001);
    assert_eq!(get(&fetch.url), forbidden());
    assert_eq!(put(&bring.url, b"words"), forbidden());

    let (fetch, bring) = addresses();
    let user = format!("/users/{}", olga.id);
    admin.patch(&user, &json!({"roles": []})).expect(200);
    assert_eq!((get(&fetch.url), put(&bring.url, b"words")), (forbidden(), forbidden()));
    admin.patch(&user, &json!({"roles": ["member"], "status": "disabled"})).expect(200);
    assert_eq!((get(&fetch.url), put(&bring.url, b"words")), (forbidden(), forbidden()));
    admin.patch(&user, &json!({"status": "active"})).expect(200);
    assert_eq!((get(&fetch.url).0, put(&bring.url, b"words").0), (200, 201));
}

#[test]
fn addresses_are_not_counted_but_closed_with_everything_else() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "5")]);
    let admin = site.admin();
    let file = admin.upload("a.txt", b"words").expect(201).id();
    let (fetch, bring) = (to_fetch(&admin, &file), to_bring(&admin, "b.txt", "text/plain", 5));
    for _ in 0..30 {
        assert_eq!(get(&fetch.url).0, 200);
    }
    let close = |body: Value| admin.put("/kill-switch", &body).expect(200);
    close(json!({"active": true, "scope": "writes", "reason": "drill", "password": PASSWORD}));
    assert_eq!(get(&fetch.url).0, 200);
    assert_eq!(put(&bring.url, b"words"), (503, "kill_switch_active".into()));
    close(json!({"active": true, "reason": "drill", "password": PASSWORD}));
    assert_eq!(get(&fetch.url), (503, "kill_switch_active".into()));
    close(json!({"active": false, "reason": "over", "password": PASSWORD}));
    assert_eq!((get(&fetch.url).0, put(&bring.url, b"words").0), (200, 201));
}

#[test]
fn a_signed_address_tells_a_missing_content_from_a_store_that_fails() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let (fetch, bring) = (to_fetch(&admin, &id), to_bring(&admin, "b.txt", "text/plain", 5));
    let (folder, away) = (site.folder.path().join("data/files"), site.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let failing = (503, "unavailable".to_owned());
    assert_eq!((get(&fetch.url), put(&bring.url, b"words")), (failing.clone(), failing.clone()));
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(get(&fetch.url), (200, "words".into()));
    assert_eq!(put(&bring.url, b"words").0, 201, "a store that failed used nothing up");
    for shard in std::fs::read_dir(&folder).unwrap().flatten().filter(|shard| shard.file_name() != "incoming") {
        std::fs::remove_dir_all(shard.path()).unwrap();
    }
    assert_eq!(get(&fetch.url), (404, "not_found".into()));

    let bucket = crate::support::Bucket::start();
    let settings = bucket.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::with(&settings);
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let (fetch, bring) = (to_fetch(&admin, &id), to_bring(&admin, "b.txt", "text/plain", 5));
    bucket.weather(crate::support::Weather::Down);
    assert_eq!((get(&fetch.url), put(&bring.url, b"words")), (failing.clone(), failing));
    bucket.weather(crate::support::Weather::Fair);
    assert_eq!(get(&fetch.url), (200, "words".into()));
    for key in bucket.keys() {
        bucket.plain(Method::DELETE, &format!("/team-files/{key}"));
    }
    assert_eq!(get(&fetch.url), (404, "not_found".into()));
    assert_eq!(put(&bring.url, b"words").0, 201);
}

#[test]
fn a_rotation_lets_addresses_live_out_their_time_and_an_emergency_ends_them() {
    let site = Site::new();
    let admin = site.admin();
    let file = admin.upload("a.txt", b"words").expect(201).id();
    let rotate = |emergency: bool| {
        let body = json!({"emergency": emergency, "reason": "a drill", "password": PASSWORD});
        admin.post("/secrets/presign/rotate", &body).expect(200);
    };
    let before = (to_fetch(&admin, &file), to_bring(&admin, "b.txt", "text/plain", 5));
    rotate(false);
    let between = (to_fetch(&admin, &file), to_bring(&admin, "c.txt", "text/plain", 5));
    assert_eq!((get(&before.0.url).0, put(&before.1.url, b"words").0), (200, 201), "the key before still counts");
    assert_eq!(get(&between.0.url).0, 200);
    rotate(true);
    for fetch in [&before.0, &between.0] {
        assert_eq!(get(&fetch.url), forbidden());
    }
    assert_eq!(put(&between.1.url, b"words"), forbidden());
    assert_eq!(admin.get("/files?count=true").expect(200).json()["total"], 2, "nothing came in");
    let after = (to_fetch(&admin, &file), to_bring(&admin, "d.txt", "text/plain", 5));
    assert_eq!((get(&after.0.url).0, put(&after.1.url, b"words").0), (200, 201));
}
