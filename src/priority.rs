//! Threads that make way for those that answer requests.

use rustix::time::{ClockId, clock_gettime};
use std::{
    cell::Cell,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};
use thread_priority::{
    NormalThreadSchedulePolicy::{self, Idle, Other},
    ThreadPriority,
    ThreadSchedulePolicy::Normal,
    set_thread_priority_and_policy, thread_native_id,
};

const NICE: i32 = 10;
/// Work between two rests, at least.
const SPELL: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(200);
/// After so long it is looked whether a thread gets time at all.
const LOOK: Duration = Duration::from_secs(2);

/// Of a thread that makes way.
#[derive(Clone, Copy)]
struct Making {
    rested: Instant,
    looked: Instant,
    /// Time on a core until then.
    worked: Duration,
    slept: Duration,
    idle: bool,
}

thread_local! {
    static MAKING: Cell<Option<Making>> = const { Cell::new(None) };
}

/// This thread takes the time that nobody else wants, leaves the core at once to whoever does, and rests where it calls
/// [`make_way`]. Where it gets next to none, or where it could not come back from there, it takes about a tenth of a
/// busy core.
pub fn lower() {
    let idle = comes_back() && set(Idle);
    if !idle {
        nice();
    }
    let now = Instant::now();
    MAKING.set(Some(Making { rested: now, looked: now, worked: worked(), slept: Duration::ZERO, idle }));
}

/// This thread takes about a tenth of a busy core.
pub fn nice() {
    // Linux keeps a nice value for each thread.
    if let Err(cause) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%cause, "a thread goes on at the usual priority");
    }
}

/// This thread takes the time that nobody else wants (`SCHED_IDLE`): it may get none at all.
pub fn idle() {
    if !set(Idle) {
        nice();
    }
}

/// A thread that was lowered rests for as long as it worked since its last rest; others go on.
pub fn make_way() {
    let Some(mut making) = MAKING.get() else { return };
    let since = making.rested.elapsed();
    if since < SPELL {
        return;
    }
    let rest = since.min(LONGEST_REST);
    thread::sleep(rest);
    making.slept += rest;
    if making.idle && making.looked.elapsed() > LOOK {
        let (awake, worked) = (making.looked.elapsed().saturating_sub(making.slept), worked());
        if worked.saturating_sub(making.worked) * 10 < awake && set(Other) {
            nice();
            making.idle = false;
        }
        making = Making { looked: Instant::now(), worked, slept: Duration::ZERO, ..making };
    }
    MAKING.set(Some(Making { rested: Instant::now(), ..making }));
}

fn set(policy: NormalThreadSchedulePolicy) -> bool {
    let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(policy));
    set.inspect_err(|cause| tracing::debug!(?cause, ?policy, "a thread cannot be scheduled so")).is_ok()
}

/// Whether a thread that is idle can be made a usual one again, which takes a right (`RLIMIT_NICE` of 20).
fn comes_back() -> bool {
    static COMES_BACK: OnceLock<bool> = OnceLock::new();
    *COMES_BACK.get_or_init(|| thread::spawn(|| set(Idle) && set(Other)).join().unwrap_or(false))
}

/// How long this thread was on a core.
pub fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_thread_that_was_lowered_rests() {
        let rests = || {
            let before = MAKING.get().map(|making| making.rested);
            thread::sleep(SPELL);
            make_way();
            MAKING.get().map(|making| making.rested) != before
        };
        assert!(!rests());
        let lowered = thread::spawn(move || {
            lower();
            rests()
        });
        assert!(lowered.join().unwrap());
    }

    #[test]
    fn a_thread_that_gets_no_time_is_no_longer_idle() {
        let starved = thread::spawn(|| {
            lower();
            let now = Instant::now();
            let long_ago = now.checked_sub(2 * LOOK).unwrap();
            let making = MAKING.get().unwrap();
            MAKING.set(Some(Making { rested: long_ago, looked: long_ago, ..making }));
            make_way();
            MAKING.get().unwrap().idle
        });
        assert!(!starved.join().unwrap());
    }
}
