//! The guard against real sockets on this machine, with a resolver that says what the test wants.

use super::*;
use crate::config;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{IpAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// Answers what is next, the last for ever.
struct Told(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names for Told {
    fn look_up(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

const QUICK: Limits =
    Limits { connect: Duration::from_millis(400), whole: Duration::from_millis(1_500), answer: 4_096 };

fn outbound(allow: &[&str], answers: &[&[&str]]) -> Outbound {
    use crate::config::Sources;
    let folder = tempfile::tempdir().unwrap();
    let env = [("PORTCULLIS_OUTBOUND__ALLOW".into(), allow.join(",").into())];
    let sources = Sources { directory: folder.path().into(), env: env.into(), ..Sources::default() };
    let settings: config::Outbound = config::Config::load(&sources).unwrap().config.outbound;
    let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let names = Told(Mutex::new(answers.iter().map(parse).collect()));
    Outbound::with(&settings, Arc::new(names), QUICK)
}

fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

/// Takes connections on loopback, says `answer` to each, and counts them.
fn listener(answer: fn(&mut dyn Write)) -> (u16, Arc<AtomicUsize>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken) = (socket.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = taken.clone();
    thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, SeqCst);
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 8_192]);
                answer(&mut stream);
            });
        }
    });
    (port, taken)
}

async fn post(outbound: &Outbound, url: &str) -> Result<Answer, Failure> {
    outbound.post(&target(url), &[("content-type", "application/json".into())], Bytes::from_static(b"{}")).await
}

fn ok(stream: &mut dyn Write) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
}

#[tokio::test]
async fn addresses_in_any_form_are_refused_when_saved_and_when_called() {
    let outbound = outbound(&[], &[&["8.8.8.8"]]);
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://10.0.0.1/",
        "http://172.16.5.4/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/",
        "http://2852039166/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://100.64.0.1/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ] {
        assert!(outbound.check(&target(url)).await.is_err(), "{url}");
        assert!(matches!(post(&outbound, url).await, Err(Failure::Refused(_))), "{url}");
    }
    assert!(outbound.check(&target("https://example.org/hook")).await.is_ok());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_even_among_others() {
    for inside in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:192.168.0.1"] {
        let outbound = outbound(&[], &[&["8.8.8.8", inside]]);
        let refused = outbound.check(&target("http://hooks.example.org/")).await.unwrap_err();
        assert!(refused.to_string().contains("hooks.example.org"), "{refused}");
        assert!(outbound.resolve("hooks.example.org", 25).await.is_err());
    }
    assert!(outbound(&[], &[]).check(&target("http://unknown.example.org/")).await.is_ok(), "judged when it resolves");
    assert!(outbound(&[], &[]).resolve("unknown.example.org", 25).await.is_err());
    assert!(outbound(&[], &[&["8.8.8.8"]]).resolve("127.1", 25).await.is_err());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_where_it_is_connected_to() {
    let (port, taken) = listener(ok);
    let outbound = outbound(&[], &[&["8.8.8.8"], &["127.0.0.1"]]);
    let url = format!("http://rebind.example.org:{port}/");
    assert!(outbound.check(&target(&url)).await.is_ok());
    assert!(matches!(post(&outbound, &url).await, Err(Failure::Refused(_))));
    assert_eq!(taken.load(SeqCst), 0);
}

#[tokio::test]
async fn what_is_allowed_is_called_and_no_other_port_of_it() {
    let (port, taken) = listener(ok);
    let (other, untouched) = listener(ok);
    for allow in [format!("127.0.0.1:{port}"), format!("hooks.internal:{port}")] {
        let outbound = outbound(&[&allow], &[&["127.0.0.1"]]);
        let answer = post(&outbound, &format!("http://hooks.internal:{port}/")).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice(), answer.cut), (200, b"hi".as_slice(), false));
        let refused = post(&outbound, &format!("http://hooks.internal:{other}/")).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    }
    let whole = outbound(&["127.0.0.0/8"], &[]);
    assert_eq!(post(&whole, &format!("http://2130706433:{port}/")).await.unwrap().status, 200);
    assert_eq!(whole.resolve("127.1", 25).await.unwrap()[0].to_string(), "127.0.0.1:25");
    assert!(taken.load(SeqCst) >= 2);
    assert_eq!(untouched.load(SeqCst), 0);
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let (port, taken) = listener(|stream| {
        let head = "HTTP/1.1 307 Go\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
    });
    let outbound = outbound(&["127.0.0.1", "169.254.169.254"], &[]);
    assert_eq!(post(&outbound, &format!("http://127.0.0.1:{port}/")).await.unwrap().status, 307);
    assert_eq!(taken.load(SeqCst), 1);
}

#[tokio::test]
async fn endless_slow_and_silent_answers_are_cut() {
    let (endless, _) = listener(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"400\r\n").and_then(|()| stream.write_all(&[b'x'; 0x400])).is_ok() {
            if stream.write_all(b"\r\n").is_err() {
                break;
            }
        }
    });
    let (slow, _) = listener(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (head, _) = listener(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x: y\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (silent, _) = listener(|_| thread::sleep(Duration::from_secs(5)));
    let (noise, _) = listener(|stream| drop(stream.write_all(b"220 mail.example.org ESMTP\r\n")));
    let outbound = outbound(&["127.0.0.1"], &[]);
    let begun = Instant::now();
    let call = async |port: u16| post(&outbound, &format!("http://127.0.0.1:{port}/")).await;
    let answer = call(endless).await.unwrap();
    assert_eq!((answer.status, answer.body.len(), answer.cut), (200, QUICK.answer, true));
    let answer = call(slow).await.unwrap();
    assert!(answer.cut && answer.body.len() < 100);
    assert_eq!(call(head).await.unwrap_err(), Failure::TimedOut);
    assert_eq!(call(silent).await.unwrap_err(), Failure::TimedOut);
    assert_eq!(call(noise).await.unwrap_err(), Failure::Broken);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(matches!(call(closed).await, Err(Failure::Connect(_))));
    assert!(begun.elapsed() < QUICK.whole * 4, "{:?}", begun.elapsed());
}
