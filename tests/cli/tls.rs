//! Encryption by the server itself: certificates from files and from a real authority on this machine.

use crate::place::Place;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Certificate, blocking::Client, redirect::Policy};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

const HOST: &str = "gate.example.org";
const PATIENCE: Duration = Duration::from_secs(60);

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that encrypts, and where it says that it is.
struct Encrypting {
    server: Ended,
    lines: Receiver<String>,
    address: SocketAddr,
    plain: Option<SocketAddr>,
}

fn serve(place: &Place, env: &[(&str, &str)]) -> Encrypting {
    let mut program = place.program();
    program.args(["serve", "--listen", "127.0.0.1:0"]).envs(env.iter().copied());
    let mut server = Ended(program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"));
    let (sender, lines) = channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(server.0.stdout.take().unwrap()), Box::new(server.0.stderr.take().unwrap())];
    for stream in streams {
        let sender = sender.clone();
        let lines = BufReader::new(stream).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    }
    let said =
        |marker: &str| wait_for(&lines, marker).split(marker).nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let address = said("serves on https://").parse().expect("an address");
    let plain = env.iter().any(|(name, _)| name.contains("REDIRECT")).then(|| said("Plain HTTP on ").parse().unwrap());
    Encrypting { server, lines, address, plain }
}

/// The first line with the marker.
#[track_caller]
fn wait_for(lines: &Receiver<String>, marker: &str) -> String {
    let begun = Instant::now();
    let mut seen = Vec::new();
    while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(marker) => return line,
            Ok(line) => seen.push(line),
            Err(_) => break,
        }
    }
    panic!("no {marker:?} among {seen:#?}");
}

impl Encrypting {
    /// A client that trusts this one certificate.
    fn client(&self, trusted: &str) -> Client {
        Client::builder()
            .tls_certs_only([Certificate::from_pem(trusted.as_bytes()).unwrap()])
            .resolve(HOST, self.address)
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    fn is_trusted_by(&self, trusted: &str) -> bool {
        self.client(trusted).get(self.url("/health")).send().is_ok_and(|answer| answer.status() == 200)
    }
}

fn write_pair(folder: &Path, pair: &CertifiedKey<KeyPair>) {
    let key = folder.join("key.pem");
    fs::write(folder.join("cert.pem"), pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec![HOST.to_owned()]).unwrap()
}

const FILES: &[(&str, &str)] = &[("PORTCULLIS_TLS__CERT", "cert.pem"), ("PORTCULLIS_TLS__KEY", "key.pem")];

#[test]
fn certificates_come_from_files_and_are_exchanged_while_running() {
    let place = Place::new();
    let (first, second) = (pair(), pair());
    write_pair(place.path(), &first);
    let server = serve(&place, &[FILES, &[("PORTCULLIS_TLS__REDIRECT_LISTEN", "127.0.0.1:0")]].concat());
    let answer = server.client(&first.cert.pem()).get(server.url("/console/")).send().expect("an answer");
    let health = format!("https://{}/health", server.address);
    let told =
        Command::new("curl").args(["-sk", "--http2", "-w", "%{http_version}", "-o", "/dev/null", &health]).output();
    assert_eq!(String::from_utf8(told.expect("tests/run installs it").stdout).unwrap(), "2");
    assert!(answer.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age=31536000"));
    assert!(!server.is_trusted_by(&second.cert.pem()));

    let plain = Client::builder().redirect(Policy::none()).build().unwrap();
    let answer = plain.get(format!("http://{}/console/?a=b", server.plain.unwrap())).send().unwrap();
    assert_eq!(answer.status(), 308);
    let expected = format!("https://127.0.0.1:{}/console/?a=b", server.address.port());
    assert_eq!(answer.headers()["location"].to_str().unwrap(), expected);

    let key = place.path().join("key.pem");
    fs::write(&key, "half a key").unwrap();
    wait_for(&server.lines, "cannot be used");
    assert!(server.is_trusted_by(&first.cert.pem()), "the last one stays");
    write_pair(place.path(), &second);
    wait_for(&server.lines, "was exchanged");
    assert!(server.is_trusted_by(&second.cert.pem()) && !server.is_trusted_by(&first.cert.pem()));
    drop(server.server);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    let place = Place::new();
    write_pair(place.path(), &pair());
    fs::write(place.path().join("other.pem"), pair().signing_key.serialize_pem()).unwrap();
    fs::set_permissions(place.path().join("other.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(place.path().join("open.pem"), pair().signing_key.serialize_pem()).unwrap();
    let refused = |env: &[(&str, &str)], named: &str| {
        let said = place.run_with(&["config", "check"], env);
        assert_eq!(said.status, Some(2), "{named}: {}", said.talk);
        assert!(said.talk.contains(named), "{named}: {}", said.talk);
    };
    let cert = ("PORTCULLIS_TLS__CERT", "cert.pem");
    refused(&[cert], "must be set where tls.cert is");
    refused(&[cert, ("PORTCULLIS_TLS__KEY", "other.pem")], "does not go with tls.cert");
    refused(&[cert, ("PORTCULLIS_TLS__KEY", "open.pem")], "chmod 600");
    refused(&[cert, ("PORTCULLIS_TLS__KEY", "missing.pem")], "cannot be read");
    refused(&[("PORTCULLIS_TLS__ACME_DOMAINS", HOST)], "tls.redirect_listen");
    refused(&[("PORTCULLIS_TLS__ACME_DOMAINS", "*.example.org")], "a host name");
    refused(&[("PORTCULLIS_TLS__REDIRECT_LISTEN", "127.0.0.1:0")], "without tls.cert");
    let public = [("PORTCULLIS_ENVIRONMENT", "production"), ("PORTCULLIS_SERVER__LISTEN", "0.0.0.0:8080")];
    refused(&public, "needs TLS");
    let said = place.run_with(&["config", "check"], &[FILES, &public].concat());
    assert_eq!(said.status, Some(0), "{}", said.talk);
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Ports that nothing listens on, no two of them the same.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|socket| socket.local_addr().unwrap().port())
}

/// Pebble, the authority for tests of those who run Let's Encrypt, with a name server that knows one host.
struct Authority {
    directory: String,
    management: u16,
    port: u16,
    own: CertifiedKey<KeyPair>,
    _programs: [Ended; 2],
}

impl Authority {
    /// Certificates that it issues are good for `seconds`; it asks for challenges at `http_port`.
    fn start(folder: &Path, http_port: u16, seconds: u64) -> Self {
        let [port, management, names, names_management] = free_ports();
        let own = generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        fs::write(folder.join("authority.pem"), own.cert.pem()).unwrap();
        fs::write(folder.join("authority-key.pem"), own.signing_key.serialize_pem()).unwrap();
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": "authority.pem", "privateKey": "authority-key.pem", "httpPort": http_port, "tlsPort": 1,
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": seconds,
        }});
        fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let quiet = |command: &mut Command| {
            Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tests/run installs it"))
        };
        let names_at = format!("127.0.0.1:{names}");
        let name_server = quiet(
            Command::new("pebble-challtestsrv")
                .args(["-dns01", &names_at, "-management", &format!("127.0.0.1:{names_management}")])
                .args([
                    "-defaultIPv4",
                    "127.0.0.1",
                    "-defaultIPv6",
                    "",
                    "-http01",
                    "",
                    "-https01",
                    "",
                    "-tlsalpn01",
                    "",
                ]),
        );
        let pebble = quiet(
            Command::new("pebble")
                .args(["-config", "pebble.json", "-dnsserver", &names_at])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", "20")
                .current_dir(folder),
        );
        let directory = format!("https://localhost:{port}/dir");
        let authority = Self { directory, management, port, own, _programs: [name_server, pebble] };
        until("the name server is up", || TcpStream::connect(("127.0.0.1", names_management)).is_ok());
        authority.root();
        authority
    }

    /// What its certificates lead to.
    fn root(&self) -> String {
        let own = Certificate::from_pem(self.own.cert.pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([own]).build().unwrap();
        let ask = || client.get(format!("https://localhost:{}/roots/0", self.management)).send();
        until("the authority is up", || ask().is_ok());
        ask().unwrap().text().unwrap()
    }
}

#[test]
fn an_authority_issues_certificates_that_are_renewed_and_kept() {
    let place = Place::new();
    let plain = free_port();
    let authority = Authority::start(place.path(), plain, 21);
    let (listen, allowed) = (format!("127.0.0.1:{plain}"), format!("localhost:{}", authority.port));
    let trusted = place.path().join("authority.pem").display().to_string();
    let env = [
        ("PORTCULLIS_TLS__ACME_DOMAINS", HOST),
        ("PORTCULLIS_TLS__ACME_EMAIL", "ops@example.org"),
        ("PORTCULLIS_TLS__ACME_DIRECTORY", authority.directory.as_str()),
        ("PORTCULLIS_TLS__REDIRECT_LISTEN", listen.as_str()),
        ("PORTCULLIS_OUTBOUND__ALLOW", allowed.as_str()),
        ("SSL_CERT_FILE", trusted.as_str()),
    ];
    let server = serve(&place, &env);
    wait_for(&server.lines, "issued a certificate");
    let root = authority.root();
    assert!(server.is_trusted_by(&root));
    let kept = |name: &str| place.path().join("portcullis-data/acme").join(name);
    for name in ["account.json", "certificate.pem"] {
        assert_eq!(fs::metadata(kept(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let (account, first) = (fs::read(kept("account.json")).unwrap(), fs::read(kept("certificate.pem")).unwrap());
    wait_for(&server.lines, "issued a certificate");
    assert!(server.is_trusted_by(&root), "renewed before it ended");
    assert_ne!(fs::read(kept("certificate.pem")).unwrap(), first);
    assert_eq!(fs::read(kept("account.json")).unwrap(), account, "by the same account");
    let unknown = format!("http://127.0.0.1:{plain}/.well-known/acme-challenge/unknown");
    assert_eq!(reqwest::blocking::get(unknown).unwrap().status(), 404);
    drop(server);
    let again = serve(&place, &env);
    assert!(again.is_trusted_by(&root), "from the start, by what was kept");
    drop(again);
    assert!(place.run(&["audit", "export"]).out.contains("certificate.issued"));
}
