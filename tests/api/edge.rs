//! What every answer has, and what never gets past the edge.

use crate::support::Site;
use reqwest::Method;
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const HEADERS: [&str; 10] = [
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
    "strict-transport-security",
    "content-security-policy",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "x-request-id",
];

#[test]
fn every_answer_carries_the_security_headers_and_a_request_id() {
    let site = Site::new();
    let nobody = site.nobody();
    for path in ["/health", "/health/ready", "/console/", "/console/app.css", "/api/v1/users", "/nowhere", "/"] {
        let answer = nobody.send(nobody.at(Method::GET, path));
        for header in HEADERS {
            assert!(!answer.header(header).is_empty(), "{path} lacks {header}");
        }
        assert!(!answer.header("cache-control").is_empty(), "{path} lacks cache-control");
    }
}

#[test]
fn a_well_formed_request_id_is_kept_and_others_are_replaced() {
    let site = Site::new();
    let nobody = site.nobody();
    let ask = |id: &str| nobody.send(nobody.at(Method::GET, "/health").header("x-request-id", id));
    assert_eq!(ask("Trace-1.2_3").header("x-request-id"), "Trace-1.2_3");
    for bad in ["", "has space", "semi;colon", &"x".repeat(129)] {
        assert_ne!(ask(bad).header("x-request-id"), bad);
    }
}

#[test]
fn unknown_addresses_and_methods_are_problems() {
    let site = Site::new();
    let nobody = site.nobody();
    for path in
        ["/api/v1/nothing", "/api/v1/users/", "//api/v1/users", "/api/v1//users", "/api/v2/users", "/console/nope"]
    {
        let problem = nobody.send(nobody.at(Method::GET, path)).problem(404, "not_found");
        assert_eq!(problem["instance"], path);
    }
    let answer = nobody.send(nobody.request(Method::DELETE, "/overview"));
    assert_eq!(answer.header("allow"), "GET, HEAD");
    answer.problem(405, "method_not_allowed");
}

#[test]
fn encoded_and_unversioned_spellings_meet_the_same_route() {
    let site = Site::new();
    let admin = site.admin();
    let spelled = admin.send(admin.at(Method::GET, "/api/v1/%75sers")).expect(200);
    assert!(spelled.header("deprecation").is_empty());
    let old = admin.send(admin.at(Method::GET, "/api/users?limit=1")).expect(200);
    assert!(old.header("deprecation").starts_with('@'));
    assert_eq!(old.header("link"), "</api/v1/users>; rel=\"successor-version\"");
    let head = admin.send(admin.request(Method::HEAD, "/users")).expect(200);
    assert!(head.text.is_empty());
}

#[test]
fn bodies_heads_and_addresses_have_their_limits() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_SERVER__BODY_LIMIT_MB", "1")]);
    let admin = site.admin();
    let large = json!({"email": "a@example.org", "name": "x".repeat(1 << 20)});
    admin.post("/users", &large).problem(413, "payload_too_large");
    let long = format!("/users?filter={}", "x".repeat(9000));
    admin.get(&long).problem(414, "uri_too_long");
    let heavy = admin.request(Method::GET, "/users").header("x-padding", "x".repeat(17_000));
    admin.send(heavy).problem(431, "headers_too_large");
}

#[test]
fn only_plain_utf8_json_is_taken() {
    let site = Site::new();
    let admin = site.admin();
    let post = |kind: &str, body: &'static str| {
        admin.send(admin.request(Method::POST, "/roles").header("content-type", kind).body(body))
    };
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/merge-patch+json",
    ] {
        post(kind, "{}").problem(415, "unsupported_media_type");
    }
    post("application/json", "{").problem(400, "malformed_json");
    post("application/json", "{\"name\":\"a\",\"name\":\"b\"}").problem(400, "malformed_json");
    post("application/json", "[]").problem(422, "validation_failed");
    let problem = post("application/json; charset=UTF-8", "{\"nam\":\"a\",\"x\":1}").problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/nam");
    assert_eq!(problem["errors"][1]["pointer"], "/x");
    let zipped = admin.request(Method::POST, "/roles").header("content-encoding", "gzip").json(&json!({}));
    admin.send(zipped).problem(415, "unsupported_media_type");
}

#[test]
fn origins_are_strangers_unless_configured() {
    let site = Site::new();
    let nobody = site.nobody();
    let ask = |origin: &str| nobody.send(nobody.at(Method::GET, "/health").header("origin", origin));
    assert!(ask("https://evil.example").header("access-control-allow-origin").is_empty());
    let settings = [("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_CORS__ORIGINS", "https://good.example")];
    let site = Site::with(&settings);
    let nobody = site.nobody();
    let ask = |origin: &str| nobody.send(nobody.at(Method::GET, "/health").header("origin", origin));
    assert_eq!(ask("https://good.example").header("access-control-allow-origin"), "https://good.example");
    for bad in ["null", "https://good.example.evil", "https://goodXexample", "http://good.example"] {
        assert!(ask(bad).header("access-control-allow-origin").is_empty(), "{bad}");
    }
}

#[test]
fn a_page_of_an_allowed_origin_may_send_what_the_api_takes() {
    let settings = [
        ("PORTCULLIS_CORS__ORIGINS", "https://good.example,https://second.example"),
        ("PORTCULLIS_CORS__CREDENTIALS", "true"),
    ];
    let site = Site::with(&settings);
    let nobody = site.nobody();
    let headers = ["authorization", "content-type", "x-api-key", "x-csrf-token", "idempotency-key", "if-match"];
    for header in headers.into_iter().chain(["if-none-match", "last-event-id", "x-request-id"]) {
        let asked = nobody
            .request(Method::OPTIONS, "/auth/me")
            .header("origin", "https://second.example")
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", header);
        let answer = nobody.send(asked).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), "https://second.example");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(answer.header("access-control-allow-methods").contains("PATCH"));
        assert!(answer.header("access-control-allow-headers").to_lowercase().contains(header), "{header}");
        assert!(answer.header("vary").to_lowercase().contains("origin"), "{}", answer.header("vary"));
    }
    let ask = || nobody.send(nobody.request(Method::GET, "/users").header("origin", "https://good.example"));
    let mut last = ask();
    assert_eq!((last.status, last.header("access-control-allow-origin")), (401, "https://good.example"));
    while last.status != 429 {
        last = ask();
    }
    assert_eq!(last.header("access-control-allow-origin"), "https://good.example");
    assert!(last.header("access-control-expose-headers").to_lowercase().contains("retry-after"));
}

#[test]
fn a_request_that_takes_too_long_is_given_up_and_says_so() {
    let slow = [
        ("PORTCULLIS_LIMITS__ENABLED", "false"),
        ("PORTCULLIS_SERVER__REQUEST_TIMEOUT_S", "1"),
        ("PORTCULLIS_AUTH__BCRYPT_COST", "15"),
    ];
    let site = Site::with(&slow);
    let nobody = site.nobody();
    let log_in = json!({"email": "nobody@example.org", "password": "four copper weathervanes"});
    nobody.post("/auth/login", &log_in).problem(408, "request_timeout");
    nobody.send(nobody.at(Method::GET, "/health")).expect(200);
}

fn raw(site: &Site, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// How long until the server ends the connection, reading what it says.
fn closed_after(mut stream: TcpStream) -> Duration {
    let began = Instant::now();
    let _ = stream.read_to_end(&mut Vec::new());
    began.elapsed()
}

#[test]
fn slow_connections_are_closed_within_fifteen_seconds() {
    let site = Site::new();
    let half_head = raw(&site, b"GET /health HTTP/1.1\r\nHost: x\r\n");
    let second_head = raw(&site, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHo");
    let head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let stalled_body = raw(&site, head);
    let silent = raw(&site, b"");
    let waits =
        [half_head, second_head, stalled_body, silent].map(|stream| std::thread::spawn(|| closed_after(stream)));
    for (index, wait) in waits.into_iter().enumerate() {
        let took = wait.join().unwrap();
        assert!(took < Duration::from_secs(15), "connection {index} stayed open for {took:?}");
    }
    site.nobody().send(site.nobody().at(Method::GET, "/health")).expect(200);
}

#[test]
fn an_answer_never_outgrows_what_it_answers_to() {
    let site = Site::new();
    let admin = site.admin();
    let nobody = site.nobody();
    let many = |one: &dyn Fn(usize) -> String| (0..100_000).map(one).collect::<Vec<_>>().join(",");
    let unknown = format!("{{{}}}", many(&|number| format!("\"k{number}\":1")));
    let control = format!("{{\"data\":{{\"a\":[{}]}}}}", many(&|_| "\"\\u0001\"".to_owned()));
    let roles = format!("{{\"email\":\"x@example.org\",\"roles\":[{}]}}", many(&|_| "\"viewer\"".to_owned()));
    let indexes = format!("{{\"name\":\"x\",\"indexes\":[{}]}}", many(&|number| format!("\"/f{number}\"")));
    let long = format!("{{\"{}\":1}}", "k".repeat(1 << 20));
    for (path, body) in [
        ("/auth/login", &unknown),
        ("/auth/login", &control),
        ("/auth/login", &long),
        ("/users", &roles),
        ("/entity-types", &indexes),
    ] {
        let actor = if path == "/auth/login" { &nobody } else { &admin };
        let request = actor.request(Method::POST, path).header("content-type", "application/json").body(body.clone());
        let began = Instant::now();
        let answer = actor.send(request);
        assert!(answer.text.len() < 300_000, "{path} answers with {} bytes", answer.text.len());
        answer.problem(422, "validation_failed");
        assert!(began.elapsed() < Duration::from_secs(10), "{path} took {:?}", began.elapsed());
    }
}

#[test]
fn what_is_wrong_with_a_body_is_said_before_an_id_that_is_none() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "things"})).expect(201);
    for path in ["/users/none", "/entities/things/none"] {
        let send = |kind: &str, body: &'static str| {
            admin.send(admin.request(Method::PATCH, path).header("content-type", kind.to_owned()).body(body))
        };
        send("text/plain", "x").problem(415, "unsupported_media_type");
        send("application/json", "{x").problem(400, "malformed_json");
        send("application/json", "{\"x\": 1}").problem(422, "validation_failed");
        send("application/json", "{}").problem(404, "not_found");
    }
}

#[test]
fn a_condition_that_cannot_be_read_is_not_met() {
    let site = Site::new();
    let admin = site.admin();
    let path = format!(
        "/roles/{}",
        admin.post("/roles", &json!({"name": "r", "permissions": []})).expect(201).json()["name"].as_str().unwrap()
    );
    admin.post("/entity-types", &json!({"name": "things"})).expect(201);
    let thing = format!("/entities/things/{}", admin.post("/entities/things", &json!({})).expect(201).id());
    for tag in [&b"\"\xff\""[..], b"", b"nonsense", b"\"7\"", b"W/\"9\", \"8\""] {
        for (path, change) in [(&path, json!({"permissions": []})), (&thing, json!({"name": "x"}))] {
            let value = reqwest::header::HeaderValue::from_bytes(tag).unwrap();
            let request = admin.request(Method::PATCH, path).header("if-match", value).json(&change);
            admin.send(request).problem(412, "precondition_failed");
        }
    }
}

#[test]
fn origins_that_are_not_ours_are_refused_with_everything_an_answer_has() {
    let allowed = "https://good.example";
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_CORS__ORIGINS", allowed)]);
    let nobody = site.nobody();
    let ask = |method: Method, origin: &str| {
        let request = nobody.request(method, "/users").header("origin", origin);
        nobody.send(request.header("access-control-request-method", "GET"))
    };
    let good = ask(Method::OPTIONS, allowed).expect(200);
    assert_eq!(good.header("access-control-allow-origin"), allowed);
    for origin in ["null", "https://good.example.evil", "https://goodXexample", "http://good.example", "https://evil"] {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = ask(method.clone(), origin);
            assert!(answer.header("access-control-allow-origin").is_empty(), "{method} from {origin}");
            if method == Method::OPTIONS {
                answer.problem(403, "forbidden");
            }
        }
    }
    for header in HEADERS {
        assert!(!good.header(header).is_empty() && !ask(Method::OPTIONS, "null").header(header).is_empty(), "{header}");
    }
}

/// Whether the server closes the connection within the time, whatever it sends.
fn is_closed_within(mut stream: TcpStream, limit: Duration, read: bool) -> bool {
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut bytes = [0; 4096];
    while began.elapsed() < limit {
        if !read {
            // A write to a connection that was shut down fails at last.
            std::thread::sleep(Duration::from_millis(500));
            if stream.write_all(b" ").is_err() {
                return true;
            }
            continue;
        }
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return true,
            _ => {}
        }
    }
    false
}

#[test]
fn clients_that_stall_an_import_or_never_read_are_cut() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "things"})).expect(201);
    for _ in 0..150 {
        admin.post("/entities/things", &json!({"data": {"pad": "x".repeat(10_000)}})).expect(201);
    }
    let address = site.url.trim_start_matches("http://").to_owned();
    let open = |head: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let token = admin.token.as_deref().unwrap();
        stream
            .write_all(head.replace("\r\n\r\n", &format!("\r\nauthorization: Bearer {token}\r\n\r\n")).as_bytes())
            .unwrap();
        stream
    };
    let import = "POST /api/v1/entities/things/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 9999\r\n\r\nname\r\n";
    let list = "GET /api/v1/entities/things?limit=150 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(12);
    let export = "GET /api/v1/entities/things/export HTTP/1.1\r\nhost: x\r\n\r\n".repeat(12);
    let stalled = [(open(import), true), (open(&list), false), (open(&export), false)];
    let cut = stalled
        .map(|(stream, read)| std::thread::spawn(move || is_closed_within(stream, Duration::from_secs(15), read)));
    let cut = cut.map(|thread| thread.join().unwrap());
    assert_eq!(cut, [true; 3], "an import that stalls, a list and an export that nobody reads");
    assert_eq!(admin.get("/entities/things/export").expect(200).text.lines().count(), 151);
}
