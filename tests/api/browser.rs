//! What another site could have a browser do, and what a browser keeps.

use crate::support::{Actor, Answer, PASSWORD, Site};
use portcullis::server::routes::routes;
use reqwest::Method;
use serde_json::{Value, json};

const FORMS: [&str; 4] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; charset=utf-8; x=application/json",
];

/// The console's cookie and the CSRF token of a new session.
fn console(site: &Site, cookie: Option<&str>) -> (String, String) {
    let nobody = site.nobody();
    let body = json!({"email": "admin@example.org", "password": PASSWORD, "cookie": true});
    let mut request = nobody.request(Method::POST, "/auth/login").json(&body);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let answer = nobody.send(request).expect(200);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    (cookie, answer.json()["csrf_token"].as_str().unwrap().to_owned())
}

fn send(actor: &Actor, method: Method, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let request =
        headers.iter().fold(actor.request(method, path), |request, (name, value)| request.header(*name, *value));
    actor.send(request.body(body))
}

/// A path of the route that leads to nothing that is there.
fn absent(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{type}" => "orders",
        "{seq}" | "{version}" => "999999",
        part if part.starts_with('{') => "01980000-0000-7000-8000-000000000000",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn no_write_takes_what_a_form_can_send() {
    let site = Site::new();
    let admin = site.admin();
    let (cookie, _) = console(&site, None);
    let form = [("cookie", cookie.as_str()), ("content-type", "multipart/form-data; boundary=x")];
    send(&site.nobody(), Method::POST, "/files", &form, "--x--").problem(403, "csrf_failed");
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let mut taken = Vec::new();
    for route in
        routes().iter().filter(|route| route.method.as_str() != "GET" && !route.path.starts_with("/auth/logout"))
    {
        let method: Method = route.method.as_str().parse().unwrap();
        for kind in FORMS {
            let answer = send(&admin, method.clone(), &absent(route.path), &[("content-type", kind)], "{}");
            // A form of a file has to come with the CSRF token, and a signed address with its signature.
            let guarded = match route.path {
                "/files" => kind.starts_with("multipart/"),
                path => path.ends_with("/presigned") && answer.status == 403,
            };
            if answer.status != 415 && !guarded {
                taken.push(format!("{method} {} with {kind}: {}", route.path, answer.status));
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
}

#[test]
fn nothing_overrides_the_method() {
    let site = Site::new();
    let admin = site.admin();
    let vera = site.user(&admin, "vera", &[]);
    let path = format!("/users/{}", vera.id);
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "_method"] {
        let headers = [(name, "DELETE"), ("content-type", "application/json")];
        send(&admin, Method::POST, &path, &headers, "{}").problem(405, "method_not_allowed");
        send(&admin, Method::GET, &path, &[(name, "DELETE")], "").expect(200);
        send(&admin, Method::PATCH, &path, &headers, "{\"name\":\"V\"}").expect(200);
    }
    for query in ["_method=DELETE", "method=delete", "X-HTTP-Method-Override=DELETE"] {
        let answer = send(&admin, Method::POST, &format!("{path}?{query}"), &[], "");
        answer.problem(405, "method_not_allowed");
        assert_ne!(admin.get(&format!("{path}?{query}")).status, 204);
    }
    let body = "{\"_method\":\"DELETE\"}";
    let headers = [("content-type", "application/json")];
    send(&admin, Method::PATCH, &path, &headers, body).problem(422, "validation_failed");
    for method in ["TRACE", "CONNECT", "PROPFIND", "DELETE\u{9}", "get"] {
        if let Ok(method) = method.parse::<Method>() {
            let status = send(&admin, method.clone(), &path, &[], "").status;
            assert!(matches!(status, 400 | 404 | 405), "{method}: {status}");
        }
    }
    admin.get(&path).expect(200);
    vera.get("/auth/me").expect(200);
}

/// What there is, without what reading may leave: when a session was last used, and the record that somebody read or was
/// refused.
fn state(admin: &Actor) -> Value {
    let items = |path: &str| admin.get(path).expect(200).json()["items"].clone();
    let events = admin.get("/audit?limit=200").expect(200).json()["items"].as_array().unwrap().clone();
    let actions = events.iter().map(|event| event["action"].as_str().unwrap().to_owned());
    let read = |action: &String| matches!(action.rsplit('.').next(), Some("exported" | "read" | "denied"));
    let events: Vec<_> = actions.filter(|action| !read(action)).collect();
    json!([items("/users"), items("/roles"), items("/entity-types"), items("/api-keys"), events])
}

#[test]
fn no_get_changes_anything() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let order = admin.post("/entities/orders", &json!({"name": "one"})).expect(201).id();
    let vera = site.user(&admin, "vera", &["viewer"]);
    let before = state(&admin);
    for route in routes().iter().filter(|route| route.method.as_str() == "GET") {
        let real = route.path.replace("{type}", "orders").replace("{name}", "viewer").replace("{seq}", "1");
        let id = if route.path.starts_with("/entities") { &order } else { &vera.id };
        let real = real.replace("{id}", id).replace("{version}", "1");
        for path in [real, absent(route.path)] {
            for method in [Method::GET, Method::HEAD] {
                let request = admin.request(method.clone(), &path);
                // What goes on for ever is looked at and left.
                let status = request.send().expect("an answer").status().as_u16();
                assert!(status < 500, "{method} {path}: {status}");
            }
        }
    }
    assert_eq!(state(&admin), before);
}

#[test]
fn tokens_and_keys_are_no_cookie_and_need_no_csrf_token() {
    let site = Site::new();
    let admin = site.admin();
    let made = admin.post("/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201).json();
    let key = site.holder(made["key"].as_str().unwrap());
    let foreign = [
        ("origin", "https://attacker.example"),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/json"),
    ];
    send(&admin, Method::PATCH, "/auth/me", &foreign, "{\"name\":\"Ada\"}").expect(200);
    send(&key, Method::POST, "/roles", &foreign, "{\"name\":\"r\",\"permissions\":[]}").expect(201);
    let (cookie, _) = console(&site, None);
    let with_cookie = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    send(&admin, Method::PATCH, "/auth/me", &with_cookie, "{\"name\":\"Ada A\"}").expect(200);
    let nobody = site.nobody();
    send(&nobody, Method::PATCH, "/auth/me", &with_cookie, "{\"name\":\"x\"}").problem(403, "csrf_failed");
    let bad = [("authorization", "Bearer x"), ("cookie", cookie.as_str())];
    send(&nobody, Method::GET, "/auth/me", &bad, "").problem(401, "unauthenticated");
}

#[test]
fn a_log_in_gives_a_session_of_its_own() {
    let site = Site::new();
    site.admin();
    let planted = format!("portcullis={}", "a".repeat(43));
    let (first, csrf) = console(&site, Some(&planted));
    let (second, other) = console(&site, Some(&first));
    assert!(first != planted && first != second && csrf != other);
    let nobody = site.nobody();
    let see = |cookie: &str| send(&nobody, Method::GET, "/auth/me", &[("cookie", cookie)], "").status;
    assert_eq!((see(&planted), see(&first), see(&second)), (401, 200, 200));
    assert_eq!(see(&format!("{first}; {second}")), 401, "two are none");
    let own = |csrf: &str| {
        let headers = [
            ("cookie", second.as_str()),
            ("x-csrf-token", csrf),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ];
        send(&nobody, Method::PATCH, "/auth/me", &headers, "{}").status
    };
    assert_eq!((own(&csrf), own(&other)), (403, 200), "the token belongs to its session");
}

#[test]
fn no_route_tells_a_foreign_page_anything() {
    let site = Site::new();
    let admin = site.admin();
    for origin in ["null", "https://attacker.example", "http://127.0.0.1", "https://127.0.0.1.evil", "file://"] {
        for path in ["/users", "/auth/me", "/overview", "/audit/export", "/nowhere"] {
            for method in [Method::GET, Method::OPTIONS, Method::POST] {
                let headers = [("origin", origin), ("access-control-request-method", "GET")];
                let answer = send(&admin, method.clone(), path, &headers, "");
                for name in answer.headers.keys().map(reqwest::header::HeaderName::as_str) {
                    assert!(!name.starts_with("access-control-"), "{method} {path} from {origin} has {name}");
                }
                assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
                assert_eq!(answer.header("x-frame-options"), "DENY");
                assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
            }
        }
    }
}

/// Ends a session: whose it is, an administrator, and what else it takes.
type End<'e> = &'e dyn Fn(&Actor, &Actor, &str);

#[test]
fn what_ends_a_session_holds_on_every_connection_at_once() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_SERVER__WORKERS", "4")]);
    let admin = site.admin();
    let change = json!({"current_password": PASSWORD, "new_password": "quiet marble lantern"});
    let ends: [(&str, End<'_>); 6] = [
        ("log_out", &|vera, _, _| drop(vera.post("/auth/logout", &json!({})).expect(204))),
        ("password", &|vera, _, _| drop(site.log_in_as(vera).post("/auth/password", &change).expect(204))),
        ("disabled", &|vera, admin, _| {
            drop(admin.patch(&format!("/users/{}", vera.id), &json!({"status": "disabled"})).expect(200));
        }),
        ("deleted", &|vera, admin, _| drop(admin.delete(&format!("/users/{}", vera.id)).expect(204))),
        ("role", &|vera, admin, _| {
            drop(admin.patch(&format!("/users/{}", vera.id), &json!({"roles": []})).expect(200));
        }),
        ("key", &|vera, _, key| drop(vera.delete(&format!("/api-keys/{key}")).expect(204))),
    ];
    for (name, end) in ends {
        admin.post("/roles", &json!({"name": name, "permissions": ["users:read"]})).expect(201);
        let vera = site.user(&admin, name, &[name]);
        let key = vera.post("/api-keys", &json!({"name": "k", "scopes": ["users:read"]})).expect(201).json();
        let holder = site.holder(key["key"].as_str().unwrap());
        let of_key = matches!(name, "key" | "role" | "disabled" | "deleted");
        let of_session = name != "key";
        let clients: Vec<_> = (0..12).map(|at| site.another(if at % 2 == 0 { &vera } else { &holder })).collect();
        for client in &clients {
            client.get("/users").expect(200);
        }
        end(&vera, &admin, key["id"].as_str().unwrap());
        let after: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = clients.iter().map(|client| scope.spawn(|| client.get("/users").status)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let refused = if name == "role" { 403 } else { 401 };
        for (at, status) in after.iter().enumerate() {
            let ended = if at % 2 == 0 { of_session } else { of_key };
            assert_eq!(*status, if ended { refused } else { 200 }, "{name}, client {at}: {after:?}");
        }
    }
}
