//! A hundred megabytes up and down a server of its own, with little memory; uploads that break off; and listeners that
//! never read.

use crate::process::{self, added};
use aws_lc_rs::digest::{Context, SHA256};
use reqwest::blocking::{
    Client,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const SIZE: u64 = 100 << 20;
/// What a hundred megabytes may add to the memory that the server holds, at most.
const BOUND: u64 = 48 << 20;

/// Lines of text without end.
struct Lines(u64);

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for byte in &mut *buffer {
            *byte = if self.0 % 64 == 63 { b'\n' } else { b'a' + (self.0 / 64 % 26) as u8 };
            self.0 += 1;
        }
        Ok(buffer.len())
    }
}

fn digest(mut content: impl Read) -> (u64, String) {
    let (mut hasher, mut size, mut piece) = (Context::new(&SHA256), 0, vec![0; 64 << 10]);
    loop {
        let read = content.read(&mut piece).expect("a content");
        if read == 0 {
            return (size, hex::encode(hasher.finish()));
        }
        hasher.update(&piece[..read]);
        size += read as u64;
    }
}

#[test]
fn a_hundred_megabytes_come_and_go_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = process::start(folder.path());
    let token = server.set_up();
    let client = Client::builder().timeout(Duration::from_secs(300)).build().unwrap();
    let part = Part::reader_with_length(Lines(0).take(SIZE), SIZE).file_name("large.txt");
    let sent = client.post(server.path("/files")).bearer_auth(&token).multipart(Form::new().part("file", part));
    let (for_upload, answer) = added(&server, || sent.send().expect("an answer"));
    assert_eq!(answer.status(), 201, "{}", answer.text().unwrap());
    let file: Value = answer.json().unwrap();
    let (_, sha256) = digest(Lines(0).take(SIZE));
    assert_eq!((&file["size"], &file["sha256"]), (&json!(SIZE), &json!(sha256)));

    let path = format!("/files/{}", file["id"].as_str().unwrap());
    let (for_download, ()) = added(&server, || {
        let content = client.get(server.path(&format!("{path}/content"))).bearer_auth(&token).send();
        assert_eq!(digest(content.expect("an answer")), (SIZE, sha256.clone()));
        // The job that looks into it holds no more either.
        let begun = Instant::now();
        while server.get(&token, &path)["state"] == "processing" {
            assert!(begun.elapsed() < Duration::from_secs(120), "it is looked into");
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(server.get(&token, &path)["state"], "ready");
    println!(
        "memory added: {} MB by the upload, {} MB by the download and the job",
        for_upload.own >> 20,
        for_download.own >> 20
    );
    let (up, down) = (for_upload.own, for_download.own);
    assert!(up.max(down) < BOUND, "{up} bytes by the upload, {down} by the download");
    let over = Part::reader_with_length(Lines(0).take(SIZE + 1), SIZE + 1).file_name("over.txt");
    let over = client.post(server.path("/files")).bearer_auth(&token).multipart(Form::new().part("file", over));
    assert_eq!(over.send().expect("an answer").status(), 413);
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = process::start(folder.path());
    let token = server.set_up();
    let stored = folder.path().join("files");
    let address = server.url.trim_start_matches("http://").to_owned();
    let presigned = json!({"method": "PUT", "name": "b.txt", "content_type": "text/plain", "size": 10_000_000});
    let presigned: Value = server.post(&token, "/files/presign", &presigned).json().unwrap();
    let signed = presigned["url"].as_str().unwrap();
    let signed = &signed[signed.find("/api/").unwrap()..];
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cut.txt\"\r\n\r\n";
    for (head, begin) in [
        (
            format!(
                "POST /api/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n"
            ),
            form,
        ),
        (
            format!("PUT {signed} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10000000\r\n\r\n"),
            "",
        ),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        stream.write_all(&vec![b'a'; 4_000_000]).unwrap();
        let begun = Instant::now();
        while files_below(&stored) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is taken in");
            thread::sleep(Duration::from_millis(5));
        }
        drop(stream);
        let begun = Instant::now();
        while files_below(&stored) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "what came of it goes");
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(server.get(&token, "/files?count=true&deleted=include")["total"], 0);
    assert_eq!(server.get(&token, "/audit?action=file.created")["items"], json!([]));
    // The address is still good for the whole.
    let url = presigned["url"].as_str().unwrap();
    let put = server.client.put(url).header("content-type", "text/plain").body(vec![b'a'; 10_000_000]);
    assert_eq!(put.send().unwrap().status(), 201);
    let path = format!("/files/{}", presigned["file_id"].as_str().unwrap());
    let begun = Instant::now();
    while server.get(&token, &path)["state"] == "processing" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is looked into");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(files_below(&stored), 1);
    // A server that was killed in the middle begins clean.
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /api/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n{form}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'a'; 4_000_000]).unwrap();
    let begun = Instant::now();
    while files_below(&stored) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is taken in");
        thread::sleep(Duration::from_millis(5));
    }
    server.kill();
    let server = process::start(folder.path());
    assert_eq!(files_below(&stored.join("incoming")), 0, "what was cut by a crash is gone");
    assert_eq!(server.get(&server.log_in(), "/files?count=true")["total"], 1);
}

/// Whether the server still holds its end of a connection open. What it sent and nobody took may wait in the system for
/// much longer.
fn is_kept(port: u16, peer: u16) -> bool {
    let ends = |line: &str, at: usize, port: u16| {
        line.split_whitespace().nth(at).is_some_and(|address| address.ends_with(&format!(":{port:04X}")))
    };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| ends(line, 1, port) && ends(line, 2, peer) && line.split_whitespace().nth(3) == Some("01"))
}

#[test]
fn a_listener_that_never_reads_is_cut_and_holds_no_memory() {
    /// Whoever is further behind than 10,000 is sent less.
    const PORTION: usize = 5_000;
    const EVENTS: usize = 12 * PORTION;
    let folder = tempfile::tempdir().unwrap();
    let mut server = process::start(folder.path());
    let token = server.set_up();
    assert_eq!(server.post(&token, "/entity-types", &json!({"name": "rows"})).status(), 201);
    let import = |rows: usize| {
        let lines = "{\"name\":\"one\"}\n".repeat(rows);
        let request = server.post_builder(&token, "/entities/rows/import?mode=skip_errors");
        let request = request.timeout(Duration::from_secs(300)).header("content-type", "application/x-ndjson");
        assert_eq!(request.body(lines).send().unwrap().status(), 200);
    };
    import(5_000);
    let deaf: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
            // A small window, so that it is full soon.
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
            let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut first = [0; 64];
            assert!(stream.read(&mut first).unwrap() > 0);
            stream
        })
        .collect();
    let (grown, ()) = added(&server, || {
        for _ in 0..EVENTS / PORTION {
            import(PORTION);
            thread::sleep(Duration::from_millis(500));
        }
        let port = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let begun = Instant::now();
        while deaf.iter().any(|stream| is_kept(port, stream.local_addr().unwrap().port())) {
            assert!(begun.elapsed() < Duration::from_secs(60), "a connection is kept for whoever does not read");
            thread::sleep(Duration::from_millis(200));
        }
    });
    println!("{EVENTS} events before two deaf listeners: {} MB more at most", grown.own >> 20);
    assert!(grown.own < 64 << 20, "{} MB", grown.own >> 20);
    assert_eq!(server.get(&token, "/entities/rows?limit=1&count=true")["total"], 5_000 + EVENTS);
}
