//! Threads that make way for those that answer requests. A thread cannot take either step back.

use thread_priority::{
    NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal, set_thread_priority_and_policy,
    thread_native_id,
};

const NICE: i32 = 10;

/// This thread takes about a tenth of a busy core from now on.
pub fn lower() {
    // Linux keeps a nice value for each thread.
    if let Err(cause) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%cause, "a thread goes on at the usual priority");
    }
}

/// This thread takes the time that nobody else wants (`SCHED_IDLE`), and leaves the core at once to whoever does.
pub fn idle() {
    if let Err(cause) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle)) {
        tracing::debug!(?cause, "a thread goes on at a low priority instead of an idle one");
        lower();
    }
}
