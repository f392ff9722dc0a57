//! What a server holds of memory while something is done.

use super::Portcullis;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// Bytes.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// What it made for itself.
    pub own: u64,
    /// That, and what it has mapped of files, which the system takes back where it needs the room.
    pub mapped: u64,
}

impl Memory {
    fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = |name: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            found.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
        };
        Self { own: line("RssAnon:"), mapped: line("VmRSS:") }
    }
}

/// The most that a server holds while `work` goes on, beyond what it held before; looked at each 2 ms.
pub fn added<T>(server: &Portcullis, work: impl FnOnce() -> T) -> (Memory, T) {
    let (process, done) = (server.id(), AtomicBool::new(false));
    let before = Memory::of(process);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = before;
            while !done.load(Relaxed) {
                let now = Memory::of(process);
                most = Memory { own: most.own.max(now.own), mapped: most.mapped.max(now.mapped) };
                thread::sleep(Duration::from_millis(2));
            }
            Memory { own: most.own - before.own, mapped: most.mapped - before.mapped }
        });
        let outcome = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Relaxed);
        let most = watcher.join().expect("it is measured");
        (most, outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
