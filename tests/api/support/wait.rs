//! Waiting for what happens in the background.

use std::{
    thread,
    time::{Duration, Instant},
};

/// What `look` finds, within so many seconds.
#[track_caller]
pub fn within<T>(seconds: u64, what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What `look` finds, within a minute.
#[track_caller]
pub fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    within(60, what, look)
}
