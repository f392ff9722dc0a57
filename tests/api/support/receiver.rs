//! A server on this machine that somebody else's webhooks call.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// One call as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Received {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    calls: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

impl Receiver {
    /// Answers 204 to everything, unless told otherwise.
    pub fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let receiver = Self { port, calls: Arc::default(), answers: Arc::default() };
        let serving = receiver.clone();
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let receiver = serving.clone();
                thread::spawn(move || receiver.serve(stream));
            }
        });
        receiver
    }

    /// `PORTCULLIS_OUTBOUND__ALLOW` for it.
    pub fn allowed(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next answer, as status and further header lines, or to the end of its body; then the one after that.
    pub fn answer(&self, head: &str) {
        self.answers.lock().unwrap().push_back(head.to_owned());
    }

    pub fn calls(&self) -> Vec<Received> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls, once there are so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let calls = self.calls();
            if calls.len() >= count {
                return calls;
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "{count} calls expected, there were {calls:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().expect("a second handle");
        let mut reader = BufReader::new(stream);
        while let Some(received) = read(&mut reader) {
            self.calls.lock().unwrap().push(received);
            let head = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| "204 No Content".into());
            let answer = if head.contains("\r\n\r\n") {
                format!("HTTP/1.1 {head}")
            } else if head.starts_with("204") {
                format!("HTTP/1.1 {head}\r\n\r\n")
            } else {
                format!("HTTP/1.1 {head}\r\ncontent-length: 9\r\n\r\nhello you")
            };
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).ok()? })
}
