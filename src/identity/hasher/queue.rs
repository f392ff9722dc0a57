//! What waits to be hashed: for the threads that step back behind everybody, and for the one that works in their place
//! when they get no time.

use crate::{
    error::{self, Error},
    priority,
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Log-ins that may wait for each thread. At cost 12 these take about four seconds.
const WAITING_PER_THREAD: usize = 16;
/// Whoever is at one password for so long gets no time; it is longer where passwords have been seen to take long.
const STARVED: Duration = Duration::from_secs(1);
/// A thread that gets no quarter of a core is one that gets no time.
const SHARE: u32 = 4;

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
}

struct State {
    waiting: VecDeque<(Instant, Work)>,
    /// What each usual thread is at and since when; without the work once the spare one has it too.
    in_hand: Vec<Option<(Instant, Option<Work>)>>,
    taken: usize,
    /// The most time on a core that one of them took.
    dearest: Duration,
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
    /// Since when nobody comes for what waits first: since it was asked for, or, where all are at something, since the
    /// last of them began.
    fn left_alone(&self) -> Option<Instant> {
        let (asked, _) = self.waiting.front()?;
        let all: Option<Vec<Instant>> =
            self.in_hand.iter().map(|held| held.as_ref().map(|(since, _)| *since)).collect();
        Some(all.and_then(|all| all.into_iter().max()).unwrap_or(*asked))
    }

    /// What the spare thread takes, or how long until there may be something.
    fn starving(&mut self) -> Result<Work, Option<Duration>> {
        let starved = STARVED.max(self.dearest * SHARE);
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
    pub fn new(threads: usize) -> Self {
        let in_hand = (0..threads).map(|_| None).collect();
        let state = State { waiting: VecDeque::new(), in_hand, taken: 0, dearest: Duration::ZERO, is_closed: false };
        Self { state: Mutex::new(state), more: Condvar::new(), most: threads * (WAITING_PER_THREAD + 1) }
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
            drop(self.over(number));
        }
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let next = match turn {
                Turn::Usual(_) => state.waiting.pop_front().map(|(_, work)| work).ok_or(None),
                Turn::Spare => state.starving(),
            };
            if let Turn::Usual(number) = turn {
                state.in_hand[number] = next.as_ref().ok().map(|work| (Instant::now(), Some(work.clone())));
            }
            state = match next {
                Ok(work) => return Some(work),
                Err(Some(left)) => {
                    self.more.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |(state, _)| state)
                }
                Err(None) => self.more.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What a thread was at. It is not taken for one that waits until it does.
    fn over(&self, number: usize) -> Option<Work> {
        self.lock().in_hand[number].as_mut().and_then(|(since, work)| {
            *since = Instant::now();
            work.take()
        })
    }

    pub fn run(&self, turn: Turn) {
        while let Some(work) = self.next(turn) {
            let before = priority::worked();
            if catch_unwind(AssertUnwindSafe(|| work())).is_err() {
                tracing::error!("hashing a password panicked");
            }
            let took = priority::worked().saturating_sub(before);
            let mut state = self.lock();
            state.dearest = state.dearest.max(took);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A queue of one usual thread that takes nobody to starve but who was made to.
    fn queue() -> Queue {
        let queue = Queue::new(1);
        queue.lock().dearest = HOUR;
        queue
    }

    fn work() -> Work {
        Arc::new(|| ())
    }

    fn long_ago() -> Instant {
        Instant::now().checked_sub(HOUR * SHARE).unwrap()
    }

    fn waits(queue: &Queue) -> bool {
        queue.lock().starving().is_err_and(|left| left.is_some())
    }

    fn has_nothing(queue: &Queue) -> bool {
        queue.lock().starving().is_err_and(|left| left.is_none())
    }

    #[test]
    fn what_nobody_comes_for_is_done_by_the_spare_thread() {
        let queue = queue();
        queue.push(work());
        assert!(waits(&queue));
        queue.lock().waiting[0].0 = long_ago();
        assert!(queue.next(Turn::Spare).is_some());
        assert!(has_nothing(&queue));
    }

    #[test]
    fn the_spare_thread_comes_by_itself() {
        let (queue, begun) = (Queue::new(1), Instant::now());
        queue.push(work());
        assert!(queue.next(Turn::Spare).is_some() && begun.elapsed() >= STARVED);
    }

    #[test]
    fn what_a_thread_without_time_is_at_is_done_over_and_what_waits_behind_it_at_once() {
        let queue = queue();
        queue.push(work());
        assert!(queue.next(Turn::Usual(0)).is_some());
        queue.push(work());
        assert!(waits(&queue));
        queue.lock().in_hand[0].as_mut().unwrap().0 = long_ago();
        assert!(queue.lock().starving().is_ok() && queue.lock().starving().is_ok());
        assert!(has_nothing(&queue), "each is done over once");
        queue.push(work());
        assert!(queue.next(Turn::Usual(0)).is_some(), "who has time again is left to it");
        assert!(waits(&queue));
    }
}
