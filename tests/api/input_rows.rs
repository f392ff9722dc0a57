//! What comes in by the other doors: relationships, rows of imports, what is said of files, and what users carry.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

const LINES: &str = "application/x-ndjson";
const TABLE: &str = "text/csv";

/// Data that is no JSON, or none that is kept, with the status of its refusal where it is a body of its own.
fn wrong() -> Vec<(Vec<u8>, u16)> {
    let keys: Vec<String> = (0..201).map(|n| format!("\"k{n}\":{n}")).collect();
    let deep = "{\"a\":".repeat(9) + "1" + &"}".repeat(9);
    let large = json!({"a": "x".repeat(10 * 1024 - 7)}).to_string();
    let mut all: Vec<(Vec<u8>, u16)> = vec![
        ("[".repeat(100_000).into_bytes(), 400),
        (b"{\"b\":{\"c\":1,\"c\":2}}".to_vec(), 400),
        (b"{\"b\":1e400}".to_vec(), 400),
        (b"{\"b\":18446744073709551616}".to_vec(), 400),
        (b"{\"b\":\"\\ud800\"}".to_vec(), 400),
        (b"{\"b\":\"\xff\"}".to_vec(), 400),
        (b"\xef\xbb\xbf{}".to_vec(), 400),
        (b"{\"b\":NaN}".to_vec(), 400),
    ];
    for kept in [
        "{\"b\":\"\\u0000\"}",
        "{\"\\u0001\":1}",
        "[]",
        "5",
        "\"text\"",
        &deep,
        &format!("{{{}}}", keys.join(",")),
        &large,
    ] {
        all.push((kept.as_bytes().to_vec(), 422));
    }
    all
}

fn told(data: &[u8]) -> String {
    String::from_utf8_lossy(&data[..data.len().min(60)]).into_owned()
}

fn json_body(actor: &Actor, method: Method, path: &str, parts: [&[u8]; 3]) -> Answer {
    let request = actor.request(method, path).header("content-type", "application/json");
    actor.send(request.body(parts.concat()))
}

#[track_caller]
fn refused(answer: Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    answer.problem(status, if status == 400 { "malformed_json" } else { "validation_failed" });
}

#[test]
fn relationships_take_what_entities_take() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes"})).expect(201);
    let note = || admin.post("/entities/notes", &json!({})).expect(201).id();
    let (one, two) = (note(), note());
    let head = format!("{{\"from_id\":\"{one}\",\"to_id\":\"{two}\",\"type\":\"knows\",\"data\":");
    let path = admin.post("/relationships", &json!({"from_id": two, "to_id": one, "type": "knows", "data": {"a": 1}}));
    let path = format!("/relationships/{}", path.expect(201).id());
    let before = admin.get("/relationships").expect(200).text;
    for (data, status) in wrong() {
        let join = json_body(&admin, Method::POST, "/relationships", [head.as_bytes(), &data, b"}"]);
        refused(join, status, &format!("join with {}", told(&data)));
        let change = json_body(&admin, Method::PATCH, &path, [b"{\"data\":", &data, b"}"]);
        refused(change, status, &format!("change to {}", told(&data)));
    }
    for body in [
        json!([]),
        json!("x"),
        json!({"from_id": 5, "to_id": two, "type": "knows"}),
        json!({"from_id": one, "to_id": two, "type": "Bad Name"}),
        json!({"from_id": one, "type": "knows"}),
        json!({"from_id": one, "to_id": two, "type": "knows", "data": []}),
    ] {
        admin.post("/relationships", &body).problem(422, "validation_failed");
    }
    for encoding in ["gzip", "gzip, gzip"] {
        let request = admin.request(Method::POST, "/relationships").header("content-type", "application/json");
        admin.send(request.header("content-encoding", encoding).body("x")).problem(415, "unsupported_media_type");
    }
    assert_eq!(admin.get("/relationships").expect(200).text, before);
    let kept = "{\"__proto__\":{\"$ne\":1},\"a.b\":9223372036854775807}";
    let join = json_body(&admin, Method::POST, "/relationships", [head.as_bytes(), kept.as_bytes(), b"}"]).expect(201);
    assert_eq!(join.json()["data"], serde_json::from_str::<Value>(kept).unwrap());
}

fn import(actor: &Actor, query: &str, kind: &str, rows: &[u8]) -> Answer {
    let request = actor.request(Method::POST, &format!("/entities/notes/import?{query}"));
    actor.send(request.header("content-type", kind).body(rows.to_vec()))
}

fn notes(site: &Site) -> Actor {
    let admin = site.admin();
    let schema =
        json!({"properties": {"size": {"type": "number"}, "count": {"type": "integer"}, "text": {"type": "string"}}});
    admin.post("/entity-types", &json!({"name": "notes", "schema": schema})).expect(201);
    admin
}

fn count(actor: &Actor) -> Value {
    actor.get("/entities/notes?count=true&limit=1").expect(200).json()["total"].clone()
}

#[test]
fn each_line_of_an_import_is_read_like_a_body() {
    let site = Site::new();
    let admin = notes(&site);
    for (data, _) in wrong() {
        // The last that fits in a row is the limit of rows.
        let line = [b"{\"data\":", &data[..], b"}"].concat();
        let rows = [b"{\"name\":\"good\"}\n", &line[..], b"\n{\"name\":\"good\"}\n"].concat();
        let problem = import(&admin, "", LINES, &rows).problem(422, "validation_failed");
        assert_eq!((&problem["failed"], &problem["errors"][0]["row"]), (&json!(1), &json!(2)), "{}", told(&data));
        assert_eq!(count(&admin), 0, "{}", told(&data));
        let report = import(&admin, "mode=skip_errors", LINES, &line).expect(200).json();
        assert_eq!((&report["created"], &report["failed"]), (&json!(0), &json!(1)), "{}: {report}", told(&data));
    }
    for line in [
        "[]",
        "5",
        "\"x\"",
        "null",
        "{\"name\":5}",
        "{\"confidence\":1e400}",
        "{\"confidence\":\"0.5\"}",
        "{\"confidence\":1.5}",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"nme\":\"a\"}",
        "{\"id\":\"x\"}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"version\":2}",
        "{\"name\":\"a\"} {\"name\":\"b\"}",
    ] {
        let problem = import(&admin, "", LINES, line.as_bytes()).problem(422, "validation_failed");
        assert_eq!(problem["failed"], 1, "{line}: {problem}");
    }
    let bom = b"\xef\xbb\xbf{\"name\":\"good\"}\n";
    import(&admin, "", LINES, bom).problem(422, "validation_failed");
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(300 * 1024));
    import(&admin, "mode=skip_errors", LINES, long.as_bytes()).problem(422, "validation_failed");
    assert_eq!(count(&admin), 0);
}

#[test]
fn each_cell_of_a_table_is_read_by_its_type() {
    let site = Site::new();
    let admin = notes(&site);
    let row = |head: &str, cells: &[u8]| [head.as_bytes(), b"\n", cells, b"\n"].concat();
    let many: Vec<String> = (0..201).map(|n| format!("k{n}")).collect();
    let many = many.join(",");
    let large = "x".repeat(10 * 1024);
    for (head, cells, at) in [
        ("size", &b"1e400"[..], "/data/size"),
        ("size", b"NaN", "/data/size"),
        ("size", b"Infinity", "/data/size"),
        ("size", b"0x10", "/data/size"),
        ("count", b"1.5", "/data/count"),
        ("count", b"9223372036854775808000", "/data/count"),
        ("confidence", b"1e400", "/confidence"),
        ("confidence", b"NaN", "/confidence"),
        ("confidence", b"2", "/confidence"),
        ("id,name", b"x,a", "/id"),
        ("text", b"a\0b", "/data/text"),
        ("text", b"\xff", ""),
        ("text", b"\xed\xa0\x80", ""),
        ("text,size", b"a", ""),
        (&many, many.as_bytes(), "/data"),
        ("text", large.as_bytes(), "/data"),
    ] {
        let answer = import(&admin, "", TABLE, &row(head, cells));
        assert_eq!(answer.status, 422, "{head} {}: {}", told(cells), answer.text);
        let problem = answer.problem(422, "validation_failed");
        let error = &problem["errors"][0];
        assert_eq!((&error["row"], &error["pointer"]), (&json!(1), &json!(at)), "{}: {problem}", told(cells));
        assert_eq!(count(&admin), 0);
    }
    for head in ["text,text", "name,name", "text,"] {
        import(&admin, "", TABLE, &row(head, b"a,b")).problem(422, "validation_failed");
    }
    // Tables from spreadsheets begin with a mark of their encoding.
    let marked = import(&admin, "", TABLE, b"\xef\xbb\xbftext,size\nfirst,1\n").expect(200).json();
    assert_eq!(marked["created"], 1);
    let first = admin.get("/entities/notes").expect(200).json()["items"][0]["data"].clone();
    assert_eq!(first, json!({"text": "first", "size": 1}));
}

#[test]
fn rows_come_plain() {
    let site = Site::new();
    let admin = notes(&site);
    for kind in ["text/csv", "application/x-ndjson"] {
        for encoding in ["gzip", "br", "gzip, gzip"] {
            let request = admin.request(Method::POST, "/entities/notes/import").header("content-type", kind);
            let answer = admin.send(request.header("content-encoding", encoding).body("{}"));
            answer.problem(415, "unsupported_media_type");
        }
        for charset in ["utf-16", "latin1"] {
            let answer = import(&admin, "", &format!("{kind}; charset={charset}"), b"{}");
            answer.problem(415, "unsupported_media_type");
        }
    }
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        import(&admin, "", kind, b"{}").problem(415, "unsupported_media_type");
    }
    import(&admin, "", "text/csv; charset=utf-8", b"text\na\n").expect(200);
    assert_eq!(count(&admin), 1);
}

#[test]
fn what_is_said_of_a_file_is_read_like_any_body() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.upload("a.txt", b"words").expect(201).id();
    crate::files::processed(&admin, &id);
    let path = format!("/files/{id}");
    let before = admin.get(&path).expect(200).text;
    let change = |body: &[u8]| json_body(&admin, Method::PATCH, &path, [body, b"", b""]);
    for (body, status) in [
        ("[".repeat(100_000).as_bytes(), 400),
        (&b"{\"name\":\"b.txt\",\"name\":\"c.txt\"}"[..], 400),
        (b"{\"name\":\"\\ud800.txt\"}", 400),
        (b"{\"name\":\"\xff.txt\"}", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"{", 400),
        (b"[]", 422),
        (b"5", 422),
        (b"{\"name\":5}", 422),
        (b"{\"name\":\"\"}", 422),
        (b"{\"name\":\"a\\u0000.txt\"}", 422),
        (b"{\"entity_id\":\"x\"}", 422),
        (b"{\"entity_id\":5}", 422),
        (b"{\"entity_id\":\"01980000-0000-7000-8000-000000000000\"}", 422),
        (b"{\"nme\":\"b.txt\"}", 422),
    ] {
        refused(change(body), status, &told(body));
        assert_eq!(admin.get(&path).expect(200).text, before);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
        let request = admin.request(Method::PATCH, &path).header("content-type", kind);
        admin.send(request.body("{}")).problem(415, "unsupported_media_type");
    }
    let request = admin.request(Method::PATCH, &path).header("content-type", "application/json");
    admin.send(request.header("content-encoding", "gzip").body("x")).problem(415, "unsupported_media_type");
}

#[test]
fn what_users_carry_is_read_like_data() {
    let site = Site::new();
    let admin = site.admin();
    let id = admin.post("/users", &json!({"email": "old@example.org", "data": {"team": "red"}})).expect(201).id();
    let path = format!("/users/{id}");
    let before = admin.get(&path).expect(200).text;
    let mut number = 0;
    for (data, status) in wrong() {
        number += 1;
        let head = format!("{{\"email\":\"u{number}@example.org\",\"data\":");
        let made = json_body(&admin, Method::POST, "/users", [head.as_bytes(), &data, b"}"]);
        refused(made, status, &format!("a user with {}", told(&data)));
        let changed = json_body(&admin, Method::PATCH, &path, [b"{\"data\":", &data, b"}"]);
        refused(changed, status, &format!("a change to {}", told(&data)));
    }
    assert_eq!(admin.get(&path).expect(200).text, before);
    assert_eq!(admin.get("/users?count=true").expect(200).json()["total"], 2);
    let kept = json!({"__proto__": {"$ne": 1}, "a.b": [1, {"c": "d"}]});
    let made = admin.post("/users", &json!({"email": "new@example.org", "data": kept})).expect(201).json();
    assert_eq!(made["data"], kept);
}
