//! Files: told by their content, served so that nothing runs, seen by those who may see them.

use crate::support::{Actor, GIF, Site, png, until};
use portcullis::jobs;
use reqwest::{
    Method,
    blocking::multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

const READS_OWN: &[&str] = &["files:read:own", "files:create", "files:update:own", "files:delete:own"];

pub fn role(admin: &Actor, name: &str, permissions: &[&str]) {
    admin.post("/roles", &json!({"name": name, "permissions": permissions, "clearance": "internal"})).expect(201);
}

/// The file once the job is done with it.
#[track_caller]
pub fn processed(actor: &Actor, id: &str) -> Value {
    until("the file is looked into", || {
        let file = actor.get(&format!("/files/{id}")).expect(200).json();
        (file["state"] != "processing").then_some(file)
    })
}

#[test]
fn a_file_comes_in_is_looked_into_and_goes_out_so_that_nothing_runs() {
    let site = Site::new();
    let admin = site.admin();
    let content = png(b"a comment");
    let made = admin.upload("Größe 2.txt", &content).expect(201);
    let file = made.json();
    assert_eq!(made.header("location"), format!("/api/v1/files/{}", file["id"].as_str().unwrap()));
    assert_eq!((&file["name"], &file["content_type"]), (&json!("Größe 2.txt"), &json!("image/png")));
    assert_eq!(file["size"], content.len());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
    let sha256 = hex::encode(digest);
    assert_eq!(file["sha256"], sha256);
    assert_eq!(file["owner_id"], admin.id);

    let id = file["id"].as_str().unwrap();
    let ready = processed(&admin, id);
    assert_eq!((&ready["state"], &ready["details"]), (&json!("ready"), &json!({"width": 3, "height": 2})));

    let path = format!("/files/{id}/content");
    assert_eq!(admin.bytes(&path), content);
    let served = admin.request(Method::GET, &path).send().unwrap();
    let header = |name: &str| served.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"Gr__e 2.txt\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%202.txt"
    );
    assert!(header("content-security-policy").starts_with("sandbox;"), "{}", header("content-security-policy"));
    assert_eq!(header("etag"), format!("\"{sha256}\""));
    assert_eq!(header("accept-ranges"), "bytes");
    assert_eq!(header("content-length"), content.len().to_string());
    let known = admin.request(Method::GET, &path).header("if-none-match", header("etag"));
    admin.send(known).expect(304);
    let head = admin.send(admin.request(Method::HEAD, &path)).expect(200);
    assert_eq!(head.header("content-length"), content.len().to_string());

    let actions: Vec<Value> = admin.get(&format!("/audit?target_id={id}")).expect(200).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    assert_eq!(actions, ["file.processed", "file.created"]);
    let again = admin.send(admin.request(Method::GET, &format!("/files/{id}")));
    let etag = again.header("etag").to_owned();
    admin.send(admin.request(Method::GET, &format!("/files/{id}")).header("if-none-match", etag)).expect(304);
}

#[test]
fn ranges_are_served_and_those_that_are_not_there_are_refused() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("letters.txt", b"abcdefghij").expect(201).id();
    let path = format!("/files/{id}/content");
    let part = |range: &str| admin.send(admin.request(Method::GET, &path).header("range", range));
    for (range, text, told) in [
        ("bytes=0-2", "abc", "bytes 0-2/10"),
        ("bytes=7-", "hij", "bytes 7-9/10"),
        ("bytes=-2", "ij", "bytes 8-9/10"),
        ("bytes=5-999", "fghij", "bytes 5-9/10"),
    ] {
        let answer = part(range).expect(206);
        assert_eq!((answer.text.as_str(), answer.header("content-range")), (text, told));
    }
    let beyond = part("bytes=10-");
    assert_eq!(beyond.header("content-range"), "bytes */10");
    beyond.problem(416, "range_not_satisfiable");
    for whole in ["bytes=0-1,3-4", "bytes=x", "lines=1-2"] {
        assert_eq!(part(whole).expect(200).text, "abcdefghij");
    }
    let request = admin.request(Method::GET, &path).header("range", "bytes=0-2").header("if-range", "\"other\"");
    assert_eq!(admin.send(request).expect(200).text, "abcdefghij");
}

#[test]
fn what_is_not_what_it_should_be_is_refused_by_content() {
    let site = Site::new();
    let admin = site.admin();
    let behind = [png(b"x"), b"<html><script>alert(1)</script></html>".to_vec()].concat();
    let gifar = [GIF, b"PK\x05\x06", &[0; 18]].concat();
    let refused: [(&str, &[u8]); 12] = [
        ("photo.png", b"<html><script>alert(1)</script></html>"),
        ("photo.png", b"\n <!DOCTYPE html><p>"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("drawing.png", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("photo.png", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"),
        ("photo.png", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("notes.txt", b"#!/bin/sh\nrm -rf /\n"),
        ("notes.txt", b"words\0and a NUL"),
        ("photo.png", &behind),
        ("photo.gif", &gifar),
        ("photo.gif", b"GIF89a/*\0\0\0\0,*/=1;alert(document.domain);;"),
        ("paper.pdf", b"%PDF-1.7\n<script>alert(1)</script>\n%%EOF\n"),
    ];
    for (name, content) in refused {
        admin.upload(name, content).problem(415, "unsupported_media_type");
    }
    admin.upload("photo.png", &png(b"<script>alert(1)</script>")).problem(415, "unsupported_media_type");
    let empty = admin.upload("empty.txt", b"").problem(422, "validation_failed");
    assert_eq!(empty["errors"][0]["code"], "empty");
    assert_eq!(admin.get("/files?count=true").expect(200).json()["total"], 0);
    let left: Vec<_> = std::fs::read_dir(site.folder.path().join("data/files/incoming")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn names_are_names_and_nothing_else() {
    let site = Site::new();
    let admin = site.admin();
    let named = |name: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nwords\r\n--b--\r\n"
        );
        admin.upload_raw("b", body)
    };
    let long = format!("{}.txt", "n".repeat(300));
    for bad in [
        "../../etc/passwd",
        "..",
        "a/b.txt",
        "a%2fb.txt",
        "%2e%2e%2fpasswd",
        "a.png%00.exe",
        "C:boot.ini",
        "nul.txt",
        ".htaccess",
        "gpj.\u{202e}exe",
        "a\u{7f}b",
        &long,
    ] {
        let answer = named(bad);
        assert_eq!(answer.status, 422, "{bad}: {}", answer.text);
    }
    // A NUL itself is not even a header.
    assert_eq!(named("a.png\0.exe").status, 422);
    named("").expect(422);
    for good in ["report (1).txt", "100% sure.txt", "日本.txt"] {
        assert_eq!(named(good).expect(201).json()["name"], good);
    }
    let id = named("one.txt").expect(201).id();
    let path = format!("/files/{id}");
    for bad in ["../x", "a\u{0}b", &long] {
        admin.patch(&path, &json!({"name": bad})).expect(422);
    }
    admin.patch(&path, &json!({"content_type": "text/html"})).expect(422);
    assert_eq!(admin.patch(&path, &json!({"name": "two.txt"})).expect(200).json()["name"], "two.txt");
}

#[test]
fn forms_that_are_none_are_refused() {
    let site = Site::new();
    let admin = site.admin();
    let part = |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n");
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nx\r\n";
    let raw = |body: String| admin.upload_raw("b", body);
    raw(part("other").repeat(10_000) + "--b--\r\n").problem(422, "validation_failed");
    raw(file.repeat(10_000) + "--b--\r\n").problem(422, "validation_failed");
    raw(part("entity_id").repeat(2) + "--b--\r\n").problem(422, "validation_failed");
    raw("--b--\r\n".into()).problem(422, "validation_failed");
    raw("not a form".into()).problem(422, "validation_failed");
    raw(file.to_owned()).problem(422, "validation_failed");
    raw(part("file") + "--b--\r\n").problem(422, "validation_failed");
    let head = format!("--b\r\nX-Long: {}\r\n\r\nx\r\n--b--\r\n", "x".repeat(200_000));
    raw(head).problem(422, "validation_failed");
    let long = format!("{}{}", part("entity_id").replace("\r\n\r\nx", &format!("\r\n\r\n{}", "1".repeat(5000))), file);
    raw(long + "--b--\r\n").problem(422, "validation_failed");
    let send = |kind: &str| {
        let request = admin.request(Method::POST, "/files").header("content-type", kind);
        admin.send(request.body(format!("{file}--b--\r\n")))
    };
    for kind in ["multipart/form-data", "multipart/form-data; boundary=", "text/plain", "application/json"] {
        send(kind).problem(415, "unsupported_media_type");
    }
    let packed = admin.request(Method::POST, "/files").header("content-type", "multipart/form-data; boundary=b");
    admin.send(packed.header("content-encoding", "gzip").body("x")).problem(415, "unsupported_media_type");
    admin.get("/files").expect(200);
}

#[test]
fn the_limit_holds_with_and_without_a_length() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_FILES__MAX_MB", "1")]);
    let admin = site.admin();
    let text = |bytes: usize| "a".repeat(bytes).into_bytes();
    admin.upload("fits.txt", &text(1 << 20)).expect(201);
    admin.upload("over.txt", &text((1 << 20) + 1)).problem(413, "payload_too_large");
    let chunked = |bytes: usize| {
        let part = Part::reader(std::io::Cursor::new(text(bytes))).file_name("over.txt");
        admin.upload_with(Form::new().part("file", part))
    };
    chunked(1 << 20).expect(201);
    chunked((1 << 20) + 1).problem(413, "payload_too_large");
    // One that says so beforehand is not waited for.
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://")).unwrap();
    let token = admin.token.as_deref().unwrap();
    write!(
        stream,
        "POST /api/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999999\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn only_listed_types_are_taken() {
    let site = Site::with(&[
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_FILES__ALLOW", "image/png,application/pdf"),
    ]);
    let admin = site.admin();
    admin.upload("a.png", &png(b"x")).expect(201);
    admin.upload("a.txt", b"words").problem(415, "unsupported_media_type");
    admin.upload("a.png", GIF).problem(415, "unsupported_media_type");
}

#[test]
fn others_files_do_not_exist_by_any_verb() {
    let site = Site::new();
    let admin = site.admin();
    role(&admin, "member", READS_OWN);
    let (olga, otto) = (site.user(&admin, "olga", &["member"]), site.user(&admin, "otto", &["member"]));
    let id = olga.upload("hers.txt", b"words").expect(201).id();
    let path = format!("/files/{id}");
    olga.get(&path).expect(200);
    otto.get(&path).problem(404, "not_found");
    otto.get(&format!("{path}/content")).problem(404, "not_found");
    otto.patch(&path, &json!({"name": "his.txt"})).problem(404, "not_found");
    otto.delete(&path).problem(404, "not_found");
    otto.post(&format!("{path}/restore"), &json!({})).problem(404, "not_found");
    otto.post("/files/presign", &json!({"method": "GET", "file_id": id})).problem(404, "not_found");
    assert_eq!(otto.get("/files?count=true").expect(200).json()["total"], 0);
    assert!(!otto.get("/files?deleted=include").text.contains(&id));
    site.user(&admin, "stranger", &[]).get(&path).problem(403, "forbidden");
    role(&admin, "reader", &["files:read"]);
    let reader = site.user(&admin, "reader", &["reader"]);
    reader.get(&path).expect(200);
    reader.patch(&path, &json!({"name": "x.txt"})).problem(403, "forbidden");
    role(&admin, "small", &["files:read:where(size < 3)", "files:create:where(size < 3)"]);
    let small = site.user(&admin, "small", &["small"]);
    small.get(&path).problem(404, "not_found");
    small.upload("a.txt", b"too long").problem(403, "forbidden");
    small.upload("a.txt", b"ab").expect(201);
}

#[test]
fn a_file_of_an_entity_is_seen_by_those_who_see_the_entity() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "projects"})).expect(201);
    role(
        &admin,
        "member",
        &[
            "entities.projects:read:own",
            "entities.projects:create",
            "entities.projects:update:own",
            "entities.projects:delete:own",
            "files:read",
            "files:create",
            "files:update",
            "files:delete",
        ],
    );
    role(&admin, "reader", &["entities.projects:read", "files:read", "files:create"]);
    let (olga, otto) = (site.user(&admin, "olga", &["member"]), site.user(&admin, "otto", &["member"]));
    let reader = site.user(&admin, "reader", &["reader"]);
    let project = olga.post("/entities/projects", &json!({"owner_id": olga.id})).expect(201).id();
    let file = olga.upload_to(&project, "plan.txt", b"words").expect(201).json();
    assert_eq!(file["entity_id"], project);
    let path = format!("/files/{}", file["id"].as_str().unwrap());
    otto.get(&path).problem(404, "not_found");
    otto.get(&format!("{path}/content")).problem(404, "not_found");
    otto.delete(&path).problem(404, "not_found");
    reader.get(&path).expect(200);
    otto.upload_to(&project, "his.txt", b"words").problem(422, "validation_failed");
    reader.upload_to(&project, "its.txt", b"words").problem(403, "forbidden");
    let absent = "01980000-0000-7000-8000-000000000000";
    olga.upload_to(absent, "a.txt", b"words").problem(422, "validation_failed");
    let of_project = |actor: &Actor| actor.get(&format!("/files?entity_id={project}&count=true")).expect(200).json();
    assert_eq!(of_project(&olga)["total"], 1);
    assert_eq!(of_project(&otto)["total"], 0);
    // With the entity it goes, and comes back.
    olga.delete(&format!("/entities/projects/{project}")).expect(204);
    olga.get(&path).problem(404, "not_found");
    olga.post(&format!("/entities/projects/{project}/restore"), &json!({})).expect(200);
    olga.get(&path).expect(200);
    // Its type closed, it is closed.
    admin
        .put(
            "/kill-switch",
            &json!({"active": true, "scope": "type:projects", "reason": "audit",
            "password": crate::support::PASSWORD}),
        )
        .expect(200);
    olga.get(&format!("{path}/content")).problem(404, "not_found");
}

#[test]
fn deleted_files_can_be_restored_and_then_are_gone() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    processed(&admin, &id);
    let path = format!("/files/{id}");
    let stale = admin.request(Method::DELETE, &path).header("if-match", "\"1\"");
    admin.send(stale).problem(412, "precondition_failed");
    admin.delete(&path).expect(204);
    admin.get(&path).problem(404, "not_found");
    admin.get(&format!("{path}/content")).problem(404, "not_found");
    let deleted = admin.get(&format!("{path}?deleted=only")).expect(200).json();
    assert_eq!(deleted["deleted_by"], admin.id);
    admin.post(&format!("{path}/restore"), &json!({})).expect(200);
    assert_eq!(admin.bytes(&format!("{path}/content")), b"words");
    admin.delete(&path).expect(204);
    let stored = || walk(&site.folder.path().join("data/files"));
    assert_eq!(stored(), 1);
    site.clock.advance(31 * 24 * 3600 * 1000);
    jobs::wake();
    until("the content is removed", || (stored() == 0).then_some(()));
    let admin = site.log_in("admin@example.org");
    admin.get(&format!("{path}?deleted=include")).problem(404, "not_found");
    assert_eq!(
        admin.get(&format!("/audit?target_id={id}&action=file.purged")).expect(200).json()["items"][0]["outcome"],
        "success"
    );
}

/// Files below a folder.
pub fn walk(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { walk(&path) } else { 1 })
        .sum()
}

#[test]
fn lists_are_searched_filtered_and_sorted() {
    let site = Site::new();
    let admin = site.admin();
    for (name, content) in [("alpha.txt", &b"a"[..]), ("Beta 100%.txt", b"bb"), ("gamma.csv", b"a,b\n1,2\n")] {
        let id = admin.upload(name, content).expect(201).id();
        processed(&admin, &id);
    }
    let names = |query: &str| -> Vec<String> {
        let page = admin.get(&format!("/files?{query}")).expect(200).json();
        page["items"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("sort=name"), ["Beta 100%.txt", "alpha.txt", "gamma.csv"]);
    assert_eq!(names("q=BETA"), ["Beta 100%.txt"]);
    assert_eq!(names("q=%25"), ["Beta 100%.txt"]);
    assert_eq!(names("q=_"), Vec::<String>::new());
    assert_eq!(names("filter=content_type%20%3D%20%22text%2Fcsv%22"), ["gamma.csv"]);
    assert_eq!(names("filter=size%20%3E%201&sort=-size"), ["gamma.csv", "Beta 100%.txt"]);
    let first = admin.get("/files?limit=2&sort=name").expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(names(&format!("limit=2&sort=name&cursor={cursor}")), ["gamma.csv"]);
    admin.get(&format!("/files?limit=2&sort=-name&cursor={cursor}")).problem(422, "validation_failed");
    for bad in ["sort=content", "filter=content%20%3D%201", "limit=0", "entity_id=x", "unknown=1"] {
        admin.get(&format!("/files?{bad}")).problem(422, "validation_failed");
    }
    let csv = admin.get("/files?q=gamma").expect(200).json()["items"][0].clone();
    assert_eq!(csv["details"], json!({"rows": 1, "columns": 2}));
}
