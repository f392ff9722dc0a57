//! Spans of requests arrive at a collector: built and run with `cargo nextest run --features opentelemetry --test
//! telemetry`.
#![cfg(feature = "opentelemetry")]

mod support;

use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// A collector on loopback: path and body of each call.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (heard, calls) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = heard.clone();
            thread::spawn(move || while answer(&stream).is_some_and(|call| heard.send(call).is_ok()) {});
        }
    });
    (address, calls)
}

fn answer(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut out = stream;
    out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), body))
}

#[test]
fn requests_are_spans_with_route_status_and_parent_and_nothing_personal() {
    let (address, calls) = collector();
    let folder = tempfile::tempdir().unwrap();
    let environment =
        [support::PLAIN, &[("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "200")]]
            .concat();
    let mut server = support::start_with(folder.path(), &environment);
    let token = server.set_up();
    let made = server.post(&token, "/users", &json!({"email": "secret.person@example.org", "roles": []}));
    let id = made.json::<serde_json::Value>().unwrap()["id"].as_str().unwrap().to_owned();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = server.client.get(server.path(&format!("/users/{id}?deleted=include"))).bearer_auth(&token);
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    assert_eq!(request.header("traceparent", parent).send().unwrap().status(), 200);
    let mut all = Vec::new();
    let holds = |all: &[u8], needle: &[u8]| all.windows(needle.len()).any(|part| part == needle);
    while !holds(&all, b"GET /api/v1/users/{id}") {
        let (path, body) = calls.recv_timeout(Duration::from_secs(20)).expect("the collector is called");
        assert_eq!(path, "/v1/traces");
        all.extend(body);
    }
    for told in [&b"POST /api/v1/users"[..], b"http.response.status_code", b"portcullis", &hex::decode(trace).unwrap()]
    {
        assert!(holds(&all, told), "{}", String::from_utf8_lossy(told));
    }
    for kept in ["secret.person", &id, "deleted=include", &token, support::EMAIL] {
        assert!(!holds(&all, kept.as_bytes()), "{kept}");
    }
}
