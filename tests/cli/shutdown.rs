//! Ending the server: what is under way is finished, a second signal ends at once, and the database is left tidy.

use crate::place::{PASSWORD, Place, Serving};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

fn signal(server: &Serving) {
    let id = server.server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

fn ends_within(server: &mut Serving, longest: Duration) -> Duration {
    let began = Instant::now();
    loop {
        if let Some(status) = server.server.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return began.elapsed();
        }
        assert!(began.elapsed() < longest, "it still runs after {longest:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_under_way_is_answered_and_the_log_of_the_database_is_emptied() {
    let place = Place::new();
    place.make_admin();
    // Slow enough to be under way when the signal comes.
    std::fs::write(place.path().join("portcullis.toml"), "[auth]\nbcrypt_cost = 14\n").unwrap();
    let mut server = place.serve();
    let token = server.log_in();
    let made = server.send("/entity-types", &token, json!({"name": "orders"}));
    assert_eq!(made.status(), 201);
    let under_way: Vec<_> = (0..2)
        .map(|_| {
            let url = format!("http://{}/api/v1/auth/login", server.address);
            let body = json!({"email": "ada@team.example", "password": PASSWORD});
            thread::spawn(move || reqwest::blocking::Client::new().post(url).json(&body).send().unwrap().status())
        })
        .collect();
    thread::sleep(Duration::from_millis(300));
    signal(&server);
    ends_within(&mut server, Duration::from_secs(31));
    for request in under_way {
        assert_eq!(request.join().unwrap(), 200);
    }
    assert!(TcpStream::connect(&server.address).is_err(), "nothing listens any more");
    let left = std::fs::metadata(place.path().join("portcullis-data/portcullis.db-wal")).map_or(0, |file| file.len());
    assert_eq!(left, 0, "bytes in the write-ahead log");
    assert!(place.run(&["audit", "verify"]).out.starts_with("valid"));
}

#[test]
fn a_second_signal_ends_at_once_and_nothing_is_lost() {
    let place = Place::new();
    place.make_admin();
    let mut server = place.serve();
    let token = server.log_in();
    assert_eq!(server.send("/entity-types", &token, json!({"name": "orders"})).status(), 201);
    let made = server.send("/entities/orders", &token, json!({"name": "kept"}));
    assert_eq!(made.status(), 201);
    // Somebody who sends a body slowly is waited for.
    let mut slow = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /api/v1/entities/orders/import HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: 100000\r\n\r\n{{\"name\":\"a\"}}\n",
        server.address
    );
    slow.write_all(head.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    signal(&server);
    thread::sleep(Duration::from_millis(700));
    assert!(server.server.try_wait().unwrap().is_none(), "it waits for what is under way");
    signal(&server);
    let took = ends_within(&mut server, Duration::from_secs(5));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let _ = slow.read(&mut [0; 16]);
    let server = place.serve();
    let token = server.log_in();
    let listed = server.get("/entities/orders?count=true", &token);
    assert_eq!(listed["items"][0]["name"], "kept", "{listed}");
    assert!(place.run(&["audit", "verify"]).out.starts_with("valid"));
}
