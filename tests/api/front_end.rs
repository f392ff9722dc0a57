//! A team's own front end at `/`, and whom to tell about a vulnerability.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::json;
use std::{fs, os::unix::fs::symlink, path::Path};
use tempfile::TempDir;

const PAGE: &str = "<!doctype html><title>Shop</title>";

/// A folder with a small front end.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("index.html", PAGE);
    write("assets/app.js", &"console.log('shop');\n".repeat(200));
    write("assets/logo.png", "0123456789");
    write("help/index.html", "help");
    write(".env", "SECRET=1");
    write(".git/config", "secret");
    write("api/v1/users", "not ours");
    folder
}

fn site(folder: &Path, more: &[(&str, &str)]) -> Site {
    let path = folder.display().to_string();
    let own = [("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_SERVER__PUBLIC_DIR", path.as_str())];
    Site::with(&[&own, more].concat())
}

fn get(nobody: &Actor, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = nobody.at(Method::GET, path);
    nobody.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

#[test]
fn files_are_served_with_type_tag_and_policy() {
    let folder = folder();
    let site = site(folder.path(), &[]);
    let nobody = site.nobody();
    let page = get(&nobody, "/", &[]).expect(200);
    assert_eq!((page.text.as_str(), page.header("content-type")), (PAGE, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    assert_eq!((page.header("x-content-type-options"), page.header("cache-control")), ("nosniff", "no-cache"));
    let script = get(&nobody, "/assets/app.js", &[]).expect(200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let tag = script.header("etag").to_owned();
    let again = get(&nobody, "/assets/app.js", &[("if-none-match", &tag)]).expect(304);
    assert_eq!((again.text.as_str(), again.header("etag")), ("", tag.as_str()));
    let since = script.header("last-modified").to_owned();
    get(&nobody, "/assets/app.js", &[("if-modified-since", &since)]).expect(304);
    fs::write(folder.path().join("assets/app.js"), "new").unwrap();
    assert_eq!(get(&nobody, "/assets/app.js", &[("if-none-match", &tag)]).expect(200).text, "new");
    let head = nobody.send(nobody.at(Method::HEAD, "/assets/logo.png")).expect(200);
    assert_eq!((head.header("content-length"), head.header("content-type")), ("10", "image/png"));
    nobody.send(nobody.at(Method::POST, "/assets/app.js")).problem(405, "method_not_allowed");
    assert_eq!(get(&nobody, "/help", &[]).expect(308).header("location"), "/help/");
    assert_eq!(get(&nobody, "/help/", &[]).expect(200).text, "help");
    get(&nobody, "/nowhere", &[]).problem(404, "not_found");
    assert!(get(&nobody, "/console/", &[]).expect(200).text.contains("Portcullis"));
    assert_eq!(get(&nobody, "/health", &[]).status, 200);
}

#[test]
fn text_is_compressed_and_parts_are_not() {
    let folder = folder();
    let site = site(folder.path(), &[]);
    let nobody = site.nobody();
    let packed = get(&nobody, "/assets/app.js", &[("accept-encoding", "gzip")]).expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    let image = get(&nobody, "/assets/logo.png", &[("accept-encoding", "gzip")]).expect(200);
    assert_eq!((image.header("content-encoding"), image.text.as_str()), ("", "0123456789"));
    for (range, expected, part) in
        [("bytes=2-4", "234", "bytes 2-4/10"), ("bytes=-3", "789", "bytes 7-9/10"), ("bytes=8-", "89", "bytes 8-9/10")]
    {
        let answer = get(&nobody, "/assets/logo.png", &[("range", range), ("accept-encoding", "gzip")]).expect(206);
        assert_eq!((answer.text.as_str(), answer.header("content-range")), (expected, part));
        assert_eq!(answer.header("content-encoding"), "");
    }
    let outside = get(&nobody, "/assets/logo.png", &[("range", "bytes=10-")]).expect(416);
    assert_eq!(outside.header("content-range"), "bytes */10");
    let tag = image.header("etag").to_owned();
    get(&nobody, "/assets/logo.png", &[("range", "bytes=0-1"), ("if-range", &tag)]).expect(206);
    let other = get(&nobody, "/assets/logo.png", &[("range", "bytes=0-1"), ("if-range", "\"other\"")]).expect(200);
    assert_eq!(other.text, "0123456789");
}

#[test]
fn nothing_hidden_outside_or_ours_is_served() {
    let (folder, outside) = (folder(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    symlink(outside.path().join("secret.txt"), folder.path().join("link.txt")).unwrap();
    symlink(outside.path(), folder.path().join("linked")).unwrap();
    symlink("/proc/self/environ", folder.path().join("environ")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    let site = site(folder.path(), &[("PORTCULLIS_SERVER__PUBLIC_FALLBACK", "index.html")]);
    let port = site.url.rsplit(':').next().unwrap().to_owned();
    for path in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/../secret",
        "/assets/../.env",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/link.txt",
        "/linked/secret.txt",
        "/assets//app.js",
        "/assets\\app.js",
        "/assets/app.js%00.png",
        "/assets/missing.js",
        "/index.html/x.js",
    ] {
        let text = raw(&port, path);
        assert!(text.starts_with("HTTP/1.1 404 ") || text.starts_with("HTTP/1.1 400"), "{path}: {text}");
    }
    for path in ["/environ", "/pipe", "/somewhere/else"] {
        assert!(raw(&port, path).ends_with(PAGE), "{path} is a page of the front end");
    }
    for path in ["/api/v1/users", "/API/v1/users", "/api/nothing", "/console/nothing", "/health/nothing", "/%61pi/x"] {
        let text = raw(&port, path);
        assert!(text.starts_with("HTTP/1.1 401") || text.starts_with("HTTP/1.1 404 "), "{path}: {text}");
        assert!(!text.contains("not ours") && !text.contains("Shop"), "{path}: {text}");
    }
}

/// What the server says to this path exactly as it is written.
fn raw(port: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn pages_of_the_browser_fall_back_and_the_kill_switch_closes_them() {
    let folder = folder();
    let policy = "default-src 'self'; connect-src https://maps.example.org";
    let site = site(
        folder.path(),
        &[("PORTCULLIS_SERVER__PUBLIC_FALLBACK", "index.html"), ("PORTCULLIS_SERVER__PUBLIC_CSP", policy)],
    );
    let nobody = site.nobody();
    let page = get(&nobody, "/orders/42", &[]).expect(200);
    assert_eq!((page.text.as_str(), page.header("content-security-policy")), (PAGE, policy));
    get(&nobody, "/orders/42.js", &[]).problem(404, "not_found");
    let admin = site.admin();
    let close = json!({"active": true, "reason": "a leaked key", "password": PASSWORD});
    admin.put("/kill-switch", &close).expect(200);
    get(&nobody, "/", &[]).problem(503, "kill_switch_active");
    get(&nobody, "/console/", &[]).expect(200);
}

#[test]
fn without_a_front_end_the_way_leads_to_the_console() {
    let site = Site::new();
    assert_eq!(get(&site.nobody(), "/", &[]).expect(302).header("location"), "/console/");
    get(&site.nobody(), "/.well-known/security.txt", &[]).problem(404, "not_found");
}

#[test]
fn whom_to_tell_about_a_vulnerability() {
    let site = Site::with(&[
        ("PORTCULLIS_SECURITY_TXT__CONTACT", "mailto:security@example.org"),
        ("PORTCULLIS_SERVER__PUBLIC_URL", "https://gate.example.org"),
    ]);
    let answer = get(&site.nobody(), "/.well-known/security.txt", &[]).expect(200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let field = |name: &str| {
        let line = answer.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", answer.text)).to_owned()
    };
    assert_eq!(field("Contact"), "mailto:security@example.org");
    assert_eq!(field("Canonical"), "https://gate.example.org/.well-known/security.txt");
    let expires: portcullis::clock::Time = field("Expires").parse().unwrap();
    let left = expires.since(site.clock.now()).as_secs() / 86_400;
    assert!((170..366).contains(&left), "in less than a year (RFC 9116): {left} days");
}
