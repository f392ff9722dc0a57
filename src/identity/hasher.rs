//! bcrypt on a few threads of its own behind a bounded queue, so that a flood of log-ins leaves the rest fast.
//!
//! These threads take the time that nobody else wants (`SCHED_IDLE`): whatever answers a request goes first, at once.
//! Should others leave them none, a spare thread does over what they are at and goes on with what waits, so that people
//! get in all the same.

use super::password::{MAX_BYTES, Password};
use crate::{
    error::{Error, Result},
    priority,
};
use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Log-ins that may wait for each thread. At cost 12 these take about four seconds.
const WAITING_PER_THREAD: usize = 16;
/// Whoever is at one password for so long gets no time, up to cost 12.
const STARVED: Duration = Duration::from_secs(1);

/// Hashes and verifies passwords. Clones share the threads; they end when the last is dropped.
#[derive(Clone)]
pub struct Hasher {
    queue: Arc<Open>,
    cost: u32,
    dummy: Arc<OnceLock<String>>,
}

/// What verifying a password showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    Wrong,
    Right,
    /// Right, but hashed at another cost than configured; here is its new hash.
    Rehashed(String),
}

/// Room for one password, taken before anything is done for it, so that refusing a flood costs next to nothing.
pub struct Place(Arc<Queue>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
    }
}

struct Queue {
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
type Work = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
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
    fn new(threads: usize, cost: u32) -> Self {
        let in_hand = (0..threads).map(|_| None).collect();
        let state = State { waiting: VecDeque::new(), in_hand, taken: 0, is_closed: false };
        let starved = STARVED * 2u32.pow(cost.saturating_sub(12).min(8));
        Self { state: Mutex::new(state), more: Condvar::new(), most: threads * (WAITING_PER_THREAD + 1), starved }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, work: Work) {
        self.lock().waiting.push_back((Instant::now(), work));
        self.more.notify_all();
    }

    /// The next one for this turn; none once there will be no more.
    fn next(&self, turn: Turn) -> Option<Work> {
        let mut state = self.lock();
        if let Turn::Usual(number) = turn {
            state.in_hand[number] = None;
        }
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

    fn run(&self, turn: Turn) {
        while let Some(work) = self.next(turn) {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work())).is_err() {
                tracing::error!("hashing a password panicked");
            }
        }
    }
}

/// Closes the queue when nobody can ask any more.
struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
        self.0.more.notify_all();
    }
}

impl Hasher {
    pub fn start(cost: u32) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).clamp(1, 4);
        let queue = Arc::new(Queue::new(threads, cost));
        let spawn = |name: String, turn: Turn, step_back: fn()| {
            let queue = queue.clone();
            let run = move || {
                step_back();
                queue.run(turn);
            };
            thread::Builder::new().name(name).spawn(run).map(drop).map_err(Error::internal)
        };
        for number in 0..threads {
            spawn(format!("password-{number}"), Turn::Usual(number), priority::idle)?;
        }
        spawn("password-spare".into(), Turn::Spare, priority::nice)?;
        Ok(Self { queue: Arc::new(Open(queue)), cost, dummy: Arc::default() })
    }

    /// Room for one password, or the advice to come again.
    pub fn place(&self) -> Result<Place> {
        let queue = &self.queue.0;
        let mut state = queue.lock();
        if state.taken >= queue.most {
            return Err(Error::unavailable("Too many sign-ins at once. Try again in a few seconds.")
                .retry_after(Duration::from_secs(2)));
        }
        state.taken += 1;
        Ok(Place(queue.clone()))
    }

    pub async fn hash(&self, password: Password) -> Result<String> {
        let cost = self.cost;
        self.submit(self.place()?, move || hash(&password, cost)).await?
    }

    /// [`Hasher::hash`] where blocking is fine, on the caller's own thread.
    pub fn hash_blocking(&self, password: &Password) -> Result<String> {
        hash(password, self.cost)
    }

    /// Compares in the same time whether there is a hash or not.
    pub async fn verify(&self, place: Place, password: Password, hashed: Option<String>) -> Result<Verified> {
        let (cost, dummy) = (self.cost, self.dummy.clone());
        self.submit(place, move || verify(&password, hashed.as_deref(), cost, &dummy)).await?
    }

    async fn submit<T: Send + 'static>(&self, place: Place, work: impl Fn() -> T + Send + Sync + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let reply = Mutex::new(Some((reply, place)));
        let work = move || {
            let reply = || reply.lock().unwrap_or_else(PoisonError::into_inner);
            // The caller may have gone while this waited, or have the answer of the other who is at it.
            let is_wanted = reply().as_ref().is_some_and(|(reply, _)| !reply.is_closed());
            let done = is_wanted.then(&work);
            let Some((reply, place)) = reply().take() else { return };
            drop(place);
            if let Some(done) = done {
                let _ = reply.send(done);
            }
        };
        self.queue.0.push(Arc::new(work));
        answer.await.map_err(Error::internal)
    }
}

fn hash(password: &Password, cost: u32) -> Result<String> {
    let bytes = password.bytes();
    if bytes.len() > MAX_BYTES {
        return Err(Error::internal("a password over 72 bytes came as far as being hashed"));
    }
    // The crate's non-truncating call refuses 72 bytes too; up to there nothing is cut.
    bcrypt::hash(&*bytes, cost).map_err(Error::internal)
}

fn verify(password: &Password, hashed: Option<&str>, cost: u32, dummy: &OnceLock<String>) -> Result<Verified> {
    let bytes = password.bytes();
    let fits = bytes.len() <= MAX_BYTES;
    let against = hashed.unwrap_or_else(|| dummy.get_or_init(|| nobody(cost)));
    let shortened = Zeroizing::new(bytes[..bytes.len().min(MAX_BYTES)].to_vec());
    let equal = bcrypt::verify(&*shortened, against).map_err(Error::internal)?;
    if !(equal && fits && hashed.is_some()) {
        return Ok(Verified::Wrong);
    }
    let used = bcrypt::HashParts::from_str(against).map_err(Error::internal)?.get_cost();
    if used == cost {
        return Ok(Verified::Right);
    }
    hash(password, cost).map(Verified::Rehashed)
}

/// A well-formed hash at `cost` that belongs to no password.
fn nobody(cost: u32) -> String {
    format!("$2b${cost:02}$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01232")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Barrier,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    const LOWEST: u32 = 10;

    #[tokio::test]
    async fn a_password_is_itself_and_nothing_else() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let long = "x".repeat(72);
        let stored = hasher.hash(Password::new(&long)).await.unwrap();
        let is = |text: &str| hasher.verify(hasher.place().unwrap(), Password::new(text), Some(stored.clone()));
        assert_eq!(is(&long).await.unwrap(), Verified::Right);
        assert_eq!(is(&format!("{long}y")).await.unwrap(), Verified::Wrong);
        assert_eq!(is(&long[..71]).await.unwrap(), Verified::Wrong);
        assert_eq!(hasher.verify(hasher.place().unwrap(), Password::new(&long), None).await.unwrap(), Verified::Wrong);
    }

    #[tokio::test]
    async fn a_nul_does_not_end_a_password() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let stored = hasher.hash(Password::new("twelve chars\0twelve chars")).await.unwrap();
        let shorter =
            hasher.verify(hasher.place().unwrap(), Password::new("twelve chars"), Some(stored)).await.unwrap();
        assert_eq!(shorter, Verified::Wrong);
    }

    #[tokio::test]
    async fn another_cost_is_upgraded() {
        let old = Hasher::start(LOWEST).unwrap().hash(Password::new("kettle orbit")).await.unwrap();
        let hasher = Hasher::start(LOWEST + 1).unwrap();
        let Verified::Rehashed(new) =
            hasher.verify(hasher.place().unwrap(), Password::new("kettle orbit"), Some(old)).await.unwrap()
        else {
            panic!("not upgraded");
        };
        assert!(new.starts_with("$2b$11$"));
    }

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

    #[tokio::test]
    async fn whoever_is_first_answers_and_one_place_is_given_back() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let (begun, others) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(2)));
        let (count, meet) = (begun.clone(), others.clone());
        // The first to begin waits until the other, who begins after it, has answered.
        let work = move || {
            let turn = count.fetch_add(1, Relaxed);
            if turn == 0 {
                meet.wait();
            }
            turn
        };
        assert_eq!(hasher.submit(hasher.place().unwrap(), work).await.unwrap(), 1);
        assert_eq!(hasher.queue.0.lock().taken, 0);
        others.wait();
        assert_eq!(hasher.submit(hasher.place().unwrap(), || 7).await.unwrap(), 7);
        assert_eq!(begun.load(Relaxed), 2);
        assert_eq!(hasher.queue.0.lock().taken, 0);
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let most = hasher.queue.0.most;
        let places: Vec<_> = (0..most).map(|_| hasher.place().unwrap()).collect();
        assert_eq!(hasher.place().err().unwrap().code(), crate::error::Code::Unavailable);
        drop(places);
        for _ in 0..=most {
            drop(hasher.place().unwrap());
        }
        hasher.hash(Password::new("kettle orbit")).await.unwrap();
        assert_eq!(hasher.queue.0.lock().taken, 0);
    }

    #[tokio::test]
    async fn a_flood_is_refused_fast() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let guess = || async { hasher.verify(hasher.place()?, Password::new("a guess or two"), None).await };
        let outcomes = futures_util::future::join_all((0..400).map(|_| guess())).await;
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert!(refused.len() > 100);
        assert!(refused.iter().all(|error| error.code() == crate::error::Code::Unavailable && error.wait().is_some()));
    }
}
