//! A bucket that lists nothing and takes no upload to its end: a backup that goes there stays under way.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

const EMPTY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>team-backups</Name>\
    <Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";

/// It lets go of everybody when it is dropped.
pub struct HeldStore {
    port: u16,
    /// The connections that are held; none once it has let go.
    held: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl HeldStore {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let held = Arc::new(Mutex::new(Some(Vec::new())));
        let holding = held.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(kept) = stream.try_clone() else { continue };
                match &mut *holding.lock().expect("no panic") {
                    Some(held) => held.push(kept),
                    None => continue,
                }
                thread::spawn(move || serve(stream));
            }
        });
        Self { port, held }
    }

    /// Settings of a server whose backups go there, as the environment gives them.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PORTCULLIS_BACKUP__TO", "s3://team-backups".to_owned()),
            ("PORTCULLIS_S3__ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("PORTCULLIS_S3__ACCESS_KEY", "key".to_owned()),
            ("PORTCULLIS_S3__SECRET_KEY", "secret".to_owned()),
            ("PORTCULLIS_OUTBOUND__ALLOW", format!("127.0.0.1:{}", self.port)),
        ]
    }
}

impl Drop for HeldStore {
    fn drop(&mut self) {
        for stream in self.held.lock().expect("no panic").take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers what only looks; whoever brings something waits until it gives up.
fn serve(stream: TcpStream) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if !line.starts_with("GET ") {
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        while !line.trim_end().is_empty() {
            line.clear();
            if reader.read_line(&mut line).is_err() {
                return;
            }
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: ";
        if write!(writer, "{head}{}\r\n\r\n{EMPTY}", EMPTY.len()).is_err() {
            return;
        }
    }
}
