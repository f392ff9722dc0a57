//! Requests of the last hour, minute by minute, in fixed memory.

use crate::clock::{Clock, Time};
use serde::Serialize;
use std::{
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
    time::Duration,
};

const MINUTES: usize = 60;
/// Upper bounds of the latency buckets, in microseconds: powers of two from 64 µs to 67 s.
const BUCKETS: usize = 21;

struct Minute {
    number: AtomicI64,
    requests: AtomicU32,
    client_errors: AtomicU32,
    server_errors: AtomicU32,
    latencies: [AtomicU32; BUCKETS],
}

impl Minute {
    fn new() -> Self {
        Self {
            number: AtomicI64::new(-1),
            requests: AtomicU32::new(0),
            client_errors: AtomicU32::new(0),
            server_errors: AtomicU32::new(0),
            latencies: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    fn clear(&self) {
        for counter in [&self.requests, &self.client_errors, &self.server_errors].into_iter().chain(&self.latencies) {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Counts without a lock.
pub struct Traffic {
    clock: Clock,
    minutes: Vec<Minute>,
}

/// One minute: requests, refusals (4xx), failures (5xx), and the latency that 95 % stayed under.
#[derive(Debug, Serialize)]
pub struct Point {
    pub at: Time,
    pub requests: u32,
    pub client_errors: u32,
    pub server_errors: u32,
    pub p95_ms: f64,
}

impl Traffic {
    pub fn new(clock: Clock) -> Self {
        Self { clock, minutes: (0..MINUTES).map(|_| Minute::new()).collect() }
    }

    pub fn count(&self, status: u16, took: Duration) {
        let number = self.clock.now().millis() / 60_000;
        let minute = &self.minutes[number.rem_euclid(MINUTES as i64) as usize];
        let seen = minute.number.load(Ordering::Relaxed);
        if seen != number && minute.number.compare_exchange(seen, number, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            minute.clear();
        }
        minute.requests.fetch_add(1, Ordering::Relaxed);
        match status {
            400..=499 => minute.client_errors.fetch_add(1, Ordering::Relaxed),
            500.. => minute.server_errors.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        minute.latencies[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The last hour, oldest first, quiet minutes included.
    pub fn points(&self) -> Vec<Point> {
        let now = self.clock.now().millis() / 60_000;
        (now - MINUTES as i64 + 1..=now).map(|number| self.point(number)).collect()
    }

    fn point(&self, number: i64) -> Point {
        let at = Time(number * 60_000);
        let minute = &self.minutes[number.rem_euclid(MINUTES as i64) as usize];
        if minute.number.load(Ordering::Relaxed) != number {
            return Point { at, requests: 0, client_errors: 0, server_errors: 0, p95_ms: 0.0 };
        }
        let read = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        let counts: Vec<u32> = minute.latencies.iter().map(read).collect();
        Point {
            at,
            requests: read(&minute.requests),
            client_errors: read(&minute.client_errors),
            server_errors: read(&minute.server_errors),
            p95_ms: p95(&counts),
        }
    }
}

fn bucket(took: Duration) -> usize {
    let micros = took.as_micros().max(1) as u64;
    (64 - (micros - 1).leading_zeros() as usize).saturating_sub(6).min(BUCKETS - 1)
}

fn p95(counts: &[u32]) -> f64 {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut seen = 0;
    for (index, count) in counts.iter().enumerate() {
        seen += u64::from(*count);
        if total > 0 && seen * 100 >= total * 95 {
            return f64::from(64_u32 << index) / 1000.0;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_counted_and_pass() {
        let clock = Clock::movable();
        let traffic = Traffic::new(clock.clone());
        for status in [200, 404, 500, 503] {
            traffic.count(status, Duration::from_millis(3));
        }
        let last = traffic.points().pop().unwrap();
        assert_eq!((last.requests, last.client_errors, last.server_errors), (4, 1, 2));
        assert!((last.p95_ms - 4.096).abs() < 0.001, "{}", last.p95_ms);
        clock.advance(3_600_000);
        assert!(traffic.points().iter().all(|point| point.requests == 0));
    }
}
