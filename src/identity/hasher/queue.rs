//! What waits to be hashed: for the threads that step back behind everybody, and for the one that works in their place
//! when they get no time.

use crate::error::{self, Error};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Log-ins that may wait for each thread. At cost 12 these take about four seconds.
const WAITING_PER_THREAD: usize = 16;
/// Whoever is at one password for so long gets no time, up to cost 12.
const STARVED: Duration = Duration::from_secs(1);

/// Room for one password, taken before anything is done for it, so that refusing a flood costs next to nothing.
pub struct Place(Arc<Queue>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
    }
}

pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    most: usize,
    starved: Duration,
}

struct State {
    waiting: VecDeque<(Instant, Work)>,
    /// What each usual thread is at and since when; without the work once the spare one has it too.
    in_hand: Vec<Option<(Instant, Option<Work>)>>,
    taken: usize,
    is_closed: bool,
}

/// Done twice where the one who took it gets no time; the first answer counts.
pub(super) type Work = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Steps back behind everybody.
    Usual(usize),
    /// Works when the usual ones get no time.
    Spare,
}

impl State {
    /// Since when nobody has come for what waits first.
    fn left_alone(&self) -> Option<Instant> {
        let (asked, _) = self.waiting.front()?;
        let all: Option<Vec<Instant>> =
            self.in_hand.iter().map(|held| held.as_ref().map(|(since, _)| *since)).collect();
        Some(all.and_then(|all| all.into_iter().max()).unwrap_or(*asked))
    }

    /// What the spare thread takes, or how long until there may be something.
    fn starving(&mut self, starved: Duration) -> Result<Work, Option<Duration>> {
        let held = self.in_hand.iter_mut().flatten().filter(|(_, work)| work.is_some()).min_by_key(|(since, _)| *since);
        let first = held.as_ref().map(|(since, _)| starved.saturating_sub(since.elapsed()));
        if first == Some(Duration::ZERO)
            && let Some(work) = held.and_then(|(_, work)| work.take())
        {
            return Ok(work);
        }
        let next = self.left_alone().map(|since| starved.saturating_sub(since.elapsed()));
        if next == Some(Duration::ZERO)
            && let Some((_, work)) = self.waiting.pop_front()
        {
            return Ok(work);
        }
        Err(first.into_iter().chain(next).min())
    }
}

impl Queue {
    pub fn new(threads: usize, cost: u32) -> Self {
        let in_hand = (0..threads).map(|_| None).collect();
        let state = State { waiting: VecDeque::new(), in_hand, taken: 0, is_closed: false };
        let starved = STARVED * 2u32.pow(cost.saturating_sub(12).min(8));
        Self { state: Mutex::new(state), more: Condvar::new(), most: threads * (WAITING_PER_THREAD + 1), starved }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, work: Work) {
        self.lock().waiting.push_back((Instant::now(), work));
        self.more.notify_all();
    }

    /// Room for one password, or the advice to come again.
    pub fn place(self: &Arc<Self>) -> error::Result<Place> {
        let mut state = self.lock();
        if state.taken >= self.most {
            return Err(Error::unavailable("Too many sign-ins at once. Try again in a few seconds.")
                .retry_after(Duration::from_secs(2)));
        }
        state.taken += 1;
        Ok(Place(self.clone()))
    }

    /// Nobody can ask any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
        self.more.notify_all();
    }

    /// How many places are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The next one for this turn; none once there will be no more.
    fn next(&self, turn: Turn) -> Option<Work> {
        if let Turn::Usual(number) = turn {
            // Dropped outside of the lock, which a place that comes back with it takes.
            let over = self.lock().in_hand[number].take();
            drop(over);
        }
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let next = match turn {
                Turn::Usual(_) => state.waiting.pop_front().map(|(_, work)| work).ok_or(None),
                Turn::Spare => state.starving(self.starved),
            };
            state = match next {
                Ok(work) => {
                    if let Turn::Usual(number) = turn {
                        state.in_hand[number] = Some((Instant::now(), Some(work.clone())));
                    }
                    return Some(work);
                }
                Err(Some(left)) => {
                    self.more.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |(state, _)| state)
                }
                Err(None) => self.more.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub fn run(&self, turn: Turn) {
        while let Some(work) = self.next(turn) {
            if catch_unwind(AssertUnwindSafe(|| work())).is_err() {
                tracing::error!("hashing a password panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWEST: u32 = 10;

    fn work() -> Work {
        Arc::new(|| ())
    }

    #[test]
    fn what_nobody_comes_for_is_done_by_the_spare_thread() {
        let queue = Queue::new(1, LOWEST);
        let begun = Instant::now();
        queue.push(work());
        assert!(queue.lock().starving(STARVED).err().is_some_and(|left| left.is_some()));
        assert!(queue.next(Turn::Spare).is_some());
        assert!(begun.elapsed() >= STARVED);
        assert!(queue.lock().starving(STARVED).is_err_and(|left| left.is_none()));
    }

    #[test]
    fn what_a_thread_without_time_is_at_is_done_over_and_what_waits_behind_it_at_once() {
        let queue = Queue::new(1, LOWEST);
        queue.push(work());
        assert!(queue.next(Turn::Usual(0)).is_some());
        queue.push(work());
        queue.lock().in_hand[0].as_mut().unwrap().0 = Instant::now().checked_sub(STARVED).unwrap();
        for _ in 0..2 {
            assert!(queue.lock().starving(STARVED).is_ok());
        }
        assert!(queue.lock().starving(STARVED).is_err_and(|left| left.is_none()), "each is done over once");
        queue.push(work());
        assert!(queue.next(Turn::Usual(0)).is_some(), "who has time again is left to it");
        assert!(queue.lock().starving(STARVED).is_err_and(|left| left.is_some()));
    }
}
