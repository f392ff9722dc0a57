//! bcrypt on a few threads of its own behind a bounded queue, so that a flood of log-ins leaves the rest fast.
//!
//! These threads take the time that nobody else wants (`SCHED_IDLE`): whatever answers a request goes first, at once.
//! Should others leave them none, a spare thread does over what they are at and goes on with what waits, so that people
//! get in all the same.

mod queue;

pub use queue::Place;

use super::password::{MAX_BYTES, Password};
use crate::{
    error::{Error, Result},
    priority,
};
use queue::{Queue, Turn, Work};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

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

/// Closes the queue when nobody can ask any more.
struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Hasher {
    pub fn start(cost: u32) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).clamp(1, 4);
        let queue = Arc::new(Queue::new(threads));
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
        self.queue.0.place()
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
        let (work, answer) = answering(place, work);
        self.queue.0.push(work);
        answer.await
    }
}

/// `work` so that it can be done twice, and what it answers first.
fn answering<T: Send + 'static>(
    place: Place,
    work: impl Fn() -> T + Send + Sync + 'static,
) -> (Work, impl Future<Output = Result<T>>) {
    let (reply, answer) = oneshot::channel();
    let reply = Mutex::new(Some((place, reply)));
    let work = move || {
        let reply = || reply.lock().unwrap_or_else(PoisonError::into_inner);
        // The caller may have gone while this waited, or have the answer of the other who is at it.
        let is_wanted = reply().as_ref().is_some_and(|(_, reply)| !reply.is_closed());
        let done = is_wanted.then(&work);
        let Some((place, reply)) = reply().take() else { return };
        drop(place);
        if let Some(done) = done {
            let _ = reply.send(done);
        }
    };
    (Arc::new(work), async { answer.await.map_err(Error::internal) })
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
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

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

    /// Work for the queue that answers whether it was done before.
    fn counted(queue: &Arc<Queue>) -> (Work, impl Future<Output = Result<u32>>) {
        let count = AtomicU32::new(0);
        answering(queue.place().unwrap(), move || count.fetch_add(1, Relaxed))
    }

    #[tokio::test]
    async fn whoever_is_first_answers_and_one_place_is_given_back() {
        let queue = Arc::new(Queue::new(1));
        let (work, answer) = counted(&queue);
        work();
        work();
        assert_eq!(answer.await.unwrap(), 0);
        assert_eq!(queue.taken(), 0);
        let (work, answer) = counted(&queue);
        drop(answer);
        work();
        assert_eq!(queue.taken(), 0, "and where nobody waits for it");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_place_back() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let panicked = hasher.submit::<()>(hasher.place().unwrap(), || panic!("on purpose")).await;
        assert_eq!(panicked.unwrap_err().code(), crate::error::Code::Internal);
        hasher.hash(Password::new("kettle orbit")).await.unwrap();
        assert_eq!(hasher.queue.0.taken(), 0);
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let places: Vec<_> = std::iter::from_fn(|| hasher.place().ok()).collect();
        assert_eq!(hasher.place().err().unwrap().code(), crate::error::Code::Unavailable);
        let most = places.len();
        drop(places);
        for _ in 0..=most {
            drop(hasher.place().unwrap());
        }
        hasher.hash(Password::new("kettle orbit")).await.unwrap();
        assert_eq!(hasher.queue.0.taken(), 0);
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
