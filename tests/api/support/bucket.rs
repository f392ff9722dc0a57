//! A server that speaks S3 over HTTP: moto, which tests of Amazon's own clients use. What it does can be held or broken
//! by the relay in front of it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// What becomes of calls.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Weather {
    Fair,
    /// Nobody is answered until it is fair again.
    Held,
    /// Connections are cut.
    Down,
}

pub struct Bucket {
    server: Child,
    server_port: u16,
    pub port: u16,
    weather: Arc<AtomicU8>,
}

/// Where `tests/run` installs it.
fn moto() -> PathBuf {
    let fitted = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/moto_server");
    let given = std::env::var_os("MOTO_SERVER").map(PathBuf::from);
    let found = given.unwrap_or(fitted);
    assert!(found.exists(), "{} is missing: tests/run installs it", found.display());
    found
}

impl Bucket {
    /// An empty bucket called `team-files`.
    pub fn start() -> Self {
        let server_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(moto())
            .args(["-H", "127.0.0.1", "-p", &server_port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", server_port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "moto does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let weather = Arc::new(AtomicU8::new(Weather::Fair as u8));
        let relayed = weather.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let weather = relayed.clone();
                thread::spawn(move || relay(stream, server_port, &weather));
            }
        });
        let bucket = Self { server, server_port, port, weather };
        bucket.plain(reqwest::Method::PUT, "/team-files");
        bucket
    }

    pub fn weather(&self, weather: Weather) {
        self.weather.store(weather as u8, SeqCst);
    }

    /// A call past the relay, as another program would make it.
    pub fn plain(&self, method: reqwest::Method, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.server_port);
        let request = reqwest::blocking::Client::new().request(method, url).header("authorization", SIGNED);
        request.send().unwrap().error_for_status().expect("moto does as it is told").text().unwrap()
    }

    /// Puts these bytes there, past the relay.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let url = format!("http://127.0.0.1:{}{path}", self.server_port);
        let request = reqwest::blocking::Client::new().put(url).header("authorization", SIGNED).body(bytes.to_vec());
        request.send().unwrap().error_for_status().expect("moto does as it is told");
    }

    /// The keys in the bucket.
    pub fn keys(&self) -> Vec<String> {
        let listed = self.plain(reqwest::Method::GET, "/team-files?list-type=2");
        listed.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }

    /// Settings of a server that keeps its files there.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PORTCULLIS_FILES__STORE", "s3://team-files/uploads".to_owned()),
            ("PORTCULLIS_S3__ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("PORTCULLIS_S3__ACCESS_KEY", "key".to_owned()),
            ("PORTCULLIS_S3__SECRET_KEY", "secret".to_owned()),
            ("PORTCULLIS_OUTBOUND__ALLOW", format!("127.0.0.1:{}", self.port)),
            ("PORTCULLIS_LIMITS__ENABLED", "false".to_owned()),
        ]
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Passes bytes on in both directions, as the weather is when they come.
fn relay(client: TcpStream, port: u16, weather: &Arc<AtomicU8>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let pass = |mut from: TcpStream, mut to: TcpStream, weather: Arc<AtomicU8>| {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while weather.load(SeqCst) == Weather::Held as u8 {
                thread::sleep(Duration::from_millis(10));
            }
            if weather.load(SeqCst) == Weather::Down as u8 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    };
    let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let beside = weather.clone();
    thread::spawn(move || pass(forth, back, beside));
    pass(client, server, weather.clone());
}
