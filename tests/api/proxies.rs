//! The recipes in `deploy/`, run by the real nginx and Caddy in front of the real server and another app.

use crate::support::{PASSWORD, Receiver, Site};
use reqwest::{
    Certificate, Method,
    blocking::{Client, Response},
    redirect::Policy,
};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const HOST: &str = "gate.example.org";

/// A proxy in front of a site and of another app. It ends with the test.
struct Proxy {
    site: Site,
    other_app: Receiver,
    port: u16,
    plain_port: u16,
    certificate: Certificate,
    child: Child,
    _folder: TempDir,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// The recipe with this machine's ports and paths; each of them has to be in it.
fn recipe(name: &str, places: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = fs::read_to_string(path).expect("the recipe");
    for (written, here) in places {
        assert!(text.contains(written), "{name} says {written}");
        text = text.replace(written, here);
    }
    text
}

impl Proxy {
    fn start(run: impl FnOnce(&Path, &Places) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).expect("a certificate");
        fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("written");
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        let (port, plain_port) = (free_port(), free_port());
        let url = format!("https://{HOST}:{port}");
        let site = Site::with(&[
            ("PORTCULLIS_LIMITS__ENABLED", "false"),
            ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
            ("PORTCULLIS_SERVER__PUBLIC_URL", &url),
        ]);
        let other_app = Receiver::start();
        let places = Places {
            port,
            plain_port,
            portcullis: site.url.strip_prefix("http://").expect("an address").to_owned(),
            other_app: other_app.allowed(),
        };
        let child = run(folder.path(), &places).current_dir(&folder).spawn().expect("tests/run installs it");
        let certificate = Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate");
        let proxy = Self { site, other_app, port, plain_port, certificate, child, _folder: folder };
        let begun = Instant::now();
        while proxy.client().get(proxy.url("/health")).send().is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the proxy is up within 20 s");
            thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    fn nginx() -> Self {
        Self::start(|folder, places| {
            let text = recipe(
                "nginx.conf",
                &[
                    ("server 127.0.0.1:8080", format!("server {}", places.portcullis)),
                    ("server 127.0.0.1:3000", format!("server {}", places.other_app)),
                    ("listen 80;", format!("listen 127.0.0.1:{};", places.plain_port)),
                    ("listen 443 ssl", format!("listen 127.0.0.1:{} ssl", places.port)),
                    ("/etc/ssl/gate.example.org/fullchain.pem", folder.join("cert.pem").display().to_string()),
                    ("/etc/ssl/gate.example.org/privkey.pem", folder.join("key.pem").display().to_string()),
                ],
            );
            fs::write(folder.join("portcullis.conf"), text).expect("written");
            let around = "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}\n\
                http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
                uwsgi_temp_path uwsgi; scgi_temp_path scgi; include portcullis.conf; }\n";
            fs::write(folder.join("nginx.conf"), around).expect("written");
            let mut nginx = Command::new("/usr/sbin/nginx");
            nginx.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).stderr(Stdio::null());
            nginx
        })
    }

    fn caddy() -> Self {
        Self::start(|folder, places| {
            let text = recipe(
                "Caddyfile",
                &[
                    ("127.0.0.1:8080", places.portcullis.clone()),
                    ("127.0.0.1:3000", places.other_app.clone()),
                    ("tls operator@example.org", "tls cert.pem key.pem".to_owned()),
                ],
            );
            let (plain, port) = (places.plain_port, places.port);
            let around =
                format!("{{\n admin off\n http_port {plain}\n https_port {port}\n default_bind 127.0.0.1\n}}\n");
            fs::write(folder.join("Caddyfile"), around + &text).expect("written");
            let mut caddy = Command::new("caddy");
            caddy.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
            caddy.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).stderr(Stdio::null());
            caddy
        })
    }

    fn client(&self) -> Client {
        self.client_from(Ipv4Addr::LOCALHOST)
    }

    /// A browser somewhere else, as far as this machine has somewhere else.
    fn client_from(&self, address: Ipv4Addr) -> Client {
        Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(Policy::none())
            .local_address(IpAddr::V4(address))
            .resolve(HOST, SocketAddr::from(([127, 0, 0, 1], self.port)))
            .tls_certs_only([self.certificate.clone()])
            .build()
            .expect("a client")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    fn app(&self, headers: &[(&str, &str)]) -> Response {
        let request = headers
            .iter()
            .fold(self.client().get(self.url("/app/page")), |request, (name, value)| request.header(*name, *value));
        request.send().expect("an answer")
    }

    /// Signs in through the proxy: the console's cookie.
    fn sign_in(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD, "cookie": true});
        let answer = self.client().post(self.url("/api/v1/auth/login")).json(&body).send().expect("an answer");
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-portcullis="), "{cookie}");
        cookie
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Places {
    port: u16,
    plain_port: u16,
    portcullis: String,
    other_app: String,
}

/// The other app is closed, open to the role, without our credentials, and closed again by the kill switch.
fn guards_the_other_app(proxy: &Proxy) {
    let admin = proxy.site.admin();
    let ann = proxy.site.user(&admin, "ann", &["analyst"]);
    proxy.site.user(&admin, "vic", &["viewer"]);
    let (cookie, other) = (proxy.sign_in("ann@example.org"), proxy.sign_in("vic@example.org"));
    let forged = [("x-auth-user", "root@example.org"), ("x-auth-roles", "analyst,admin"), ("x-auth-user-id", "1")];
    assert_eq!(proxy.app(&forged).status(), 401);
    assert_eq!(proxy.app(&[("cookie", &other)]).status(), 403);
    assert_eq!(proxy.app(&[("cookie", "__Host-portcullis=nonsense")]).status(), 401);
    assert!(proxy.other_app.calls().is_empty(), "nobody came through");

    let cookies = format!("theme=dark; {cookie}; portcullis=stale; last=1");
    let with_cookie = [forged.as_slice(), &[("cookie", cookies.as_str())]].concat();
    assert_eq!(proxy.app(&with_cookie).status(), 204);
    let call = proxy.other_app.calls().pop().expect("it came through");
    assert_eq!(call.path, "/page");
    assert_eq!(call.headers["x-auth-user"], "ann@example.org");
    assert_eq!((&call.headers["x-auth-roles"], &call.headers["x-auth-user-id"]), (&"analyst".to_owned(), &ann.id));
    let passed = &call.headers["cookie"];
    assert!(passed.contains("theme=dark") && passed.contains("last=1") && !passed.contains("portcullis"), "{passed}");
    assert_eq!(proxy.app(&[("cookie", &cookie)]).status(), 204);
    let call = proxy.other_app.calls().pop().expect("it came through");
    assert!(call.headers.get("cookie").is_none_or(String::is_empty), "{call:?}");

    let bearer = format!("Bearer {}", ann.token.clone().unwrap());
    let made = ann.post("/api-keys", &json!({"name": "app", "scopes": ["entities.*:read"]})).expect(201).json();
    let key = made["key"].as_str().unwrap();
    assert_eq!(proxy.app(&[("authorization", &bearer)]).status(), 204);
    assert_eq!(proxy.app(&[("x-api-key", key)]).status(), 403, "its scopes are not all of the role");
    let call = proxy.other_app.calls().pop().expect("it came through");
    assert!(!call.headers.contains_key("authorization") && !call.headers.contains_key("x-api-key"), "{call:?}");

    let came = proxy.other_app.calls().len();
    let switch = |active: bool| {
        let body = json!({"active": active, "reason": "a leaked key", "password": PASSWORD});
        admin.put("/kill-switch", &body).expect(200);
    };
    switch(true);
    assert_eq!(proxy.app(&[("cookie", &cookie)]).status(), 403);
    assert_eq!(proxy.other_app.calls().len(), came);
    switch(false);
    assert_eq!(proxy.app(&[("cookie", &cookie)]).status(), 204);
}

/// Who somebody is said to be is what the proxy sees of them, never what they say themselves.
fn tells_where_somebody_is(proxy: &Proxy) {
    let admin = proxy.site.admin();
    let client = proxy.client_from(Ipv4Addr::new(127, 0, 0, 7));
    let body = json!({"email": "admin@example.org", "password": PASSWORD});
    let request = client.post(proxy.url("/api/v1/auth/login")).header("x-forwarded-for", "203.0.113.9").json(&body);
    let token = request.send().expect("an answer").json::<serde_json::Value>().unwrap();
    let token = token["access_token"].as_str().expect("a token");
    let sessions = client.get(proxy.url("/api/v1/auth/sessions")).bearer_auth(token).send().expect("an answer");
    let sessions: serde_json::Value = sessions.json().unwrap();
    let own = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == true);
    assert_eq!(own.expect("this session")["ip"], "127.0.0.7", "{sessions}");
    drop(admin);
}

/// Large bodies are Portcullis's to judge, events come as they happen, and plain HTTP leads to HTTPS.
fn passes_on_what_is_large_slow_or_plain(proxy: &Proxy) {
    let admin = proxy.site.admin();
    let token = admin.token.clone().unwrap();
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(12 << 20));
    let request = proxy.client().post(proxy.url("/api/v1/roles")).bearer_auth(&token);
    let answer = request.header("content-type", "application/json").body(large).send().expect("an answer");
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "in our words");

    let stream = proxy.client().get(proxy.url("/api/v1/events?types=users")).bearer_auth(&token).send().unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(stream).lines();
    proxy.site.user(&admin, "new", &[]);
    let event = lines.find_map(|line| line.ok().filter(|line| line.contains("user.created"))).expect("an event");
    assert!(event.starts_with("data:"), "{event}");

    let plain = SocketAddr::from(([127, 0, 0, 1], proxy.plain_port));
    let client = Client::builder().redirect(Policy::none()).resolve(HOST, plain).build().unwrap();
    let url = format!("http://{HOST}:{}/console/", proxy.plain_port);
    let answer = client.request(Method::GET, url).send().expect("an answer");
    assert_eq!(answer.status(), 308);
    assert!(answer.headers()["location"].to_str().unwrap().starts_with(&format!("https://{HOST}")));
    let mut text = String::new();
    proxy.client().get(proxy.url("/console/")).send().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("<html"));
}

#[test]
fn nginx_guards_another_app() {
    guards_the_other_app(&Proxy::nginx());
}

#[test]
fn caddy_guards_another_app() {
    guards_the_other_app(&Proxy::caddy());
}

#[test]
fn nginx_tells_where_somebody_is() {
    tells_where_somebody_is(&Proxy::nginx());
}

#[test]
fn caddy_tells_where_somebody_is() {
    tells_where_somebody_is(&Proxy::caddy());
}

#[test]
fn nginx_passes_on_what_is_large_slow_or_plain() {
    passes_on_what_is_large_slow_or_plain(&Proxy::nginx());
}

#[test]
fn caddy_passes_on_what_is_large_slow_or_plain() {
    passes_on_what_is_large_slow_or_plain(&Proxy::caddy());
}
