//! Whether the time of a refused log-in tells whose it was, and what log-ins cost the others.
//!
//! `cargo bench --bench log_in`, on a quiet machine. `PORTCULLIS_BENCH_PAIRS` (500) interleaved pairs of refusals are
//! compared by the area under the ROC curve: 0.5 says nothing, 0.45 to 0.55 is wanted. Then reads by somebody signed
//! in are timed, quiet and beside `PORTCULLIS_BENCH_LOGINS` (200) log-ins a second, for `PORTCULLIS_BENCH_SECONDS`
//! (10) each: their 99th percentile may double.

#[path = "../tests/support/mod.rs"]
mod support;

use reqwest::blocking::Client;
use serde_json::json;
use std::{
    fs,
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// Every attempt comes from an address of its own, so that none has to wait or to work.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PORTCULLIS_LIMITS__ENABLED", "false"),
    ("PORTCULLIS_AUTH__BCRYPT_COST", "10"),
    ("PORTCULLIS_AUTH__CHALLENGE_AFTER", "0"),
    ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
];
const WRONG: &str = "four copper weathervanes";
/// Threads that ask to sign in, and threads that read.
const GUESSERS: u32 = 40;
const READERS: u32 = 4;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a data folder");
    let mut server = support::start_with(&data, ENVIRONMENT);
    let token = server.set_up();
    for (name, status) in [("known", "active"), ("disabled", "disabled"), ("pending", "pending")] {
        let body = json!({"email": address(name), "password": support::PASSWORD, "status": status});
        let made = server.post(&token, "/users", &body);
        assert_eq!(made.status(), 201, "{}", made.text().unwrap_or_default());
    }
    let guesser = Guesser { client: &server.client, door: server.path("/auth/login"), asked: AtomicU32::new(0) };
    let me = server.get(&token, "/auth/me")["id"].as_str().expect("an id").to_owned();
    let (client, own) = (&server.client, server.path(&format!("/users/{me}")));
    let pairs = number("PORTCULLIS_BENCH_PAIRS", 500);
    for (name, password) in [("unknown", WRONG), ("disabled", support::PASSWORD), ("pending", support::PASSWORD)] {
        println!("{name} against a wrong password: {:.3}", guesser.compare(pairs, (name, password), ("known", WRONG)));
    }
    let seconds = Duration::from_secs(number("PORTCULLIS_BENCH_SECONDS", 10).into());
    let quiet = read(client, &own, &token, seconds);
    let (refused, beside) =
        guesser.flood(number("PORTCULLIS_BENCH_LOGINS", 200), || read(client, &own, &token, seconds));
    println!("a read, quiet: {quiet}");
    println!("a read, beside log-ins: {beside}; {refused}");
    println!("99th percentile: {:.2} times", beside.late.as_secs_f64() / quiet.late.as_secs_f64());
}

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn address(name: &str) -> String {
    format!("{name}@example.org")
}

struct Guesser<'s> {
    client: &'s Client,
    door: String,
    asked: AtomicU32,
}

impl Guesser<'_> {
    fn guess(&self, name: &str, password: &str) -> (u16, Duration) {
        let network = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + self.asked.fetch_add(1, Relaxed));
        let request = self.client.post(&self.door);
        let request = request.header("x-forwarded-for", network.to_string());
        let body = json!({"email": address(name), "password": password});
        let began = Instant::now();
        let answer = request.json(&body).send().expect("an answer");
        let status = answer.status().as_u16();
        let _ = answer.bytes();
        (status, began.elapsed())
    }

    /// How often the first of two refusals takes longer; half is what says nothing.
    fn compare(&self, pairs: u32, one: (&str, &str), other: (&str, &str)) -> f64 {
        let timed = |(name, password): (&str, &str)| {
            let (status, time) = self.guess(name, password);
            assert_eq!(status, 401, "{name}");
            time
        };
        // The first ones open connections and fill caches.
        for _ in 0..5 {
            timed(one);
            timed(other);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            // Whoever goes first changes, so that neither has the warmer machine.
            if pair % 2 == 0 {
                first.push(timed(one));
                second.push(timed(other));
            } else {
                second.push(timed(other));
                first.push(timed(one));
            }
        }
        area(&first, &second)
    }

    /// Asks to sign in so many times a second while `work` is done; what became of it, and the work's result.
    fn flood<R>(&self, each_second: u32, work: impl FnOnce() -> R) -> (String, R) {
        let done = AtomicBool::new(false);
        let answers: [AtomicU32; 3] = std::array::from_fn(|_| AtomicU32::new(0));
        let pause = Duration::from_secs_f64(f64::from(GUESSERS) / f64::from(each_second.max(1)));
        let began = Instant::now();
        let result = thread::scope(|scope| {
            for number in 0..GUESSERS {
                let (done, answers) = (&done, &answers);
                scope.spawn(move || {
                    let mut next = Instant::now() + pause * number / GUESSERS;
                    while !done.load(Relaxed) {
                        thread::sleep(next.saturating_duration_since(Instant::now()));
                        next += pause;
                        let kind = match self.guess(if number % 2 == 0 { "known" } else { "unknown" }, WRONG).0 {
                            401 => 0,
                            503 => 1,
                            _ => 2,
                        };
                        answers[kind].fetch_add(1, Relaxed);
                    }
                });
            }
            let result = work();
            done.store(true, Relaxed);
            result
        });
        let rate = |count: &AtomicU32| f64::from(count.load(Relaxed)) / began.elapsed().as_secs_f64();
        let [wrong, busy, other] = answers.each_ref().map(rate);
        (format!("{wrong:.0} a second told wrong, {busy:.0} told to come again, {other:.0} other"), result)
    }
}

/// The area under the ROC curve of telling `first` from `second` by time.
fn area(first: &[Duration], second: &[Duration]) -> f64 {
    let longer: f64 = first
        .iter()
        .flat_map(|one| second.iter().map(move |other| one.cmp(other)))
        .map(|order| 0.5 + 0.5 * f64::from(order as i8))
        .sum();
    longer / (first.len() * second.len()).max(1) as f64
}

struct Times {
    median: Duration,
    late: Duration,
    count: usize,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:?}, 99th percentile {:?} of {}", self.median, self.late, self.count)
    }
}

fn read(client: &Client, address: &str, token: &str, long: Duration) -> Times {
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let reader = || {
            let (began, mut times) = (Instant::now(), Vec::new());
            while began.elapsed() < long {
                let start = Instant::now();
                let answer = client.get(address).bearer_auth(token).send().expect("an answer");
                let status = answer.status().as_u16();
                let _ = answer.bytes();
                times.push(start.elapsed());
                assert_eq!(status, 200);
                thread::sleep(Duration::from_millis(1));
            }
            times
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader")).collect()
    });
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Times { median: at(0.5), late: at(0.99), count: times.len() }
}
