//! What comes in by every door that writes entities: one, in place of one, merged into one, in a batch.

use crate::support::{Actor, Answer, Site};
use reqwest::{Method, blocking::Body};
use serde_json::{Value, json};

const PATH: &str = "/entities/notes";

/// Sends `data`, as it is written, through each door.
struct Doors {
    admin: Actor,
    id: String,
}

impl Doors {
    fn new(site: &Site) -> Self {
        let admin = site.admin();
        admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
        let id = admin.post(PATH, &json!({"name": "first", "data": {"a": 1}})).expect(201).id();
        Self { admin, id }
    }

    fn each(&self, data: &[u8]) -> Vec<Answer> {
        let one = format!("{PATH}/{}", self.id);
        let plain = [b"{\"data\":", data, b"}"].concat();
        let create = [b"{\"operations\":[{\"op\":\"create\",\"type\":\"notes\",\"data\":", data, b"}]}"].concat();
        let update =
            format!("{{\"operations\":[{{\"op\":\"update\",\"type\":\"notes\",\"id\":\"{}\",\"data\":", self.id);
        let update = [update.as_bytes(), data, b"}]}"].concat();
        let doors = [
            (Method::POST, PATH, plain.clone()),
            (Method::PUT, &one, plain.clone()),
            (Method::PATCH, &one, plain),
            (Method::POST, "/batch", create),
            (Method::POST, "/batch", update),
        ];
        let send = |(method, path, body)| {
            let request = self.admin.request(method, path).header("content-type", "application/json");
            self.admin.send(request.body::<Vec<u8>>(body))
        };
        doors.into_iter().map(send).collect()
    }

    fn state(&self) -> (Value, Value) {
        let list = self.admin.get(&format!("{PATH}?deleted=include&sort=id")).expect(200).json();
        (list["items"].clone(), self.admin.get("/audit?limit=1").expect(200).json()["items"][0]["seq"].clone())
    }
}

#[test]
fn what_is_no_json_or_no_data_is_refused_at_every_door() {
    let site = Site::new();
    let doors = Doors::new(&site);
    let before = doors.state();
    let deep = "{\"a\":".repeat(9) + "1" + &"}".repeat(9);
    let brackets = "[".repeat(100_000);
    let keys: Vec<String> = (0..201).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = format!("{{{}}}", keys.join(","));
    let large = json!({"a": "x".repeat(10 * 1024 - 7)}).to_string();
    let twice = "{\"b\":{\"c\":1,\"c\":2}}";
    for (data, status) in [
        (brackets.as_bytes(), 400),
        (twice.as_bytes(), 400),
        (&b"{\"b\":1e400}"[..], 400),
        (&b"{\"b\":18446744073709551616}"[..], 400),
        (&b"{\"b\":\"\\ud800\"}"[..], 400),
        (&b"{\"b\":\"\xff\"}"[..], 400),
        (&b"\xef\xbb\xbf{}"[..], 400),
        (&b"{\"b\":NaN}"[..], 400),
        (&b"{\"b\":\"\\u0000\"}"[..], 422),
        (&b"{\"\\u0001\":1}"[..], 422),
        (&b"[]"[..], 422),
        (&b"[1]"[..], 422),
        (&b"5"[..], 422),
        (&b"\"text\""[..], 422),
        (deep.as_bytes(), 422),
        (many.as_bytes(), 422),
        (large.as_bytes(), 422),
    ] {
        for answer in doors.each(data) {
            let told = String::from_utf8_lossy(&data[..data.len().min(60)]);
            assert_eq!(answer.status, status, "{told}: {}", answer.text);
            let code = if status == 400 { "malformed_json" } else { "validation_failed" };
            answer.problem(status, code);
        }
        assert_eq!(doors.state(), before);
    }
}

#[test]
fn what_is_at_the_limit_is_taken_and_names_are_data() {
    let site = Site::new();
    let doors = Doors::new(&site);
    let keys: Vec<String> = (0..199).map(|n| format!("\"k{n}\":{n}")).collect();
    let deep = "{\"b\":".repeat(8) + "1" + &"}".repeat(8);
    for data in [
        json!({"a": "x".repeat(10 * 1024 - 8)}).to_string(),
        format!("{{\"a\":1,{}}}", keys.join(",")),
        deep,
        "{\"b\":9223372036854775807,\"c\":9223372036854775808,\"d\":-9223372036854775808}".to_owned(),
        "{\"__proto__\":{\"$ne\":1},\"constructor\":{\"prototype\":{}},\"a.b\":1,\"$where\":\"1\",\"~\":1,\"/\":2}"
            .to_owned(),
    ] {
        for (index, answer) in doors.each(data.as_bytes()).into_iter().enumerate() {
            let told = &data[..data.len().min(60)];
            assert!(
                answer.status < 300 || (index == 2 || index == 4) && answer.status == 422,
                "{told}: {}",
                answer.text
            );
            if index == 0 {
                let sent: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(answer.json()["data"], sent, "nothing is rewritten");
            }
        }
        doors.admin.put(&format!("{PATH}/{}", doors.id), &json!({"data": {}})).expect(200);
    }
}

#[test]
fn bodies_have_their_size_and_form_however_they_come() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_SERVER__BODY_LIMIT_MB", "1")]);
    let doors = Doors::new(&site);
    let before = doors.state();
    let admin = &doors.admin;
    let one = format!("{PATH}/{}", doors.id);
    for (method, path) in [(Method::POST, PATH), (Method::PUT, &one), (Method::PATCH, &one), (Method::POST, "/batch")] {
        let request = || admin.request(method.clone(), path).header("content-type", "application/json");
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
        admin.send(request().body(large.clone())).problem(413, "payload_too_large");
        let chunked = Body::new(std::io::Cursor::new(large.into_bytes()));
        admin.send(request().body(chunked)).problem(413, "payload_too_large");
        for encoding in ["gzip", "br", "gzip, gzip"] {
            admin.send(request().header("content-encoding", encoding).body("x")).problem(415, "unsupported_media_type");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
            let other = admin.request(method.clone(), path).header("content-type", kind);
            admin.send(other.body("{}")).problem(415, "unsupported_media_type");
        }
        admin.send(request().body("[]")).problem(422, "validation_failed");
    }
    assert_eq!(doors.state(), before);
}

#[test]
fn a_schema_that_could_hang_or_reach_out_is_refused() {
    let site = Site::new();
    let admin = site.admin();
    for schema in [
        json!({"properties": {"a": {"$ref": "https://example.com/schema.json"}}}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
        json!({"patternProperties": {"(x*)*y": {}}}),
        json!({"$ref": "#"}),
    ] {
        admin.post("/entity-types", &json!({"name": "orders", "schema": schema})).problem(422, "validation_failed");
    }
    admin.get("/entity-types/orders").problem(404, "not_found");
}
