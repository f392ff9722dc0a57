//! bcrypt on a few threads of its own behind a bounded queue, so that a flood of log-ins leaves the rest fast.

use super::password::{MAX_BYTES, Password};
use crate::error::{Error, Result};
use std::{
    str::FromStr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Log-ins that may wait for each thread. At cost 12 these take about four seconds.
const WAITING_PER_THREAD: usize = 16;

/// Nice value of the threads: what answers requests goes first, and hashing still gets about a tenth of a busy core.
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// Hashes and verifies passwords. Clones share the threads; they end when the last is dropped.
#[derive(Clone)]
pub struct Hasher {
    queue: SyncSender<Work>,
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

impl Hasher {
    pub fn start(cost: u32) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).clamp(1, 4);
        let (queue, work) = sync_channel::<Work>(threads * WAITING_PER_THREAD);
        let work = Arc::new(Mutex::new(work));
        for number in 0..threads {
            let work = work.clone();
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || run(&work))
                .map_err(Error::internal)?;
        }
        Ok(Self { queue, cost, dummy: Arc::default() })
    }

    pub async fn hash(&self, password: Password) -> Result<String> {
        let cost = self.cost;
        self.submit(move || hash(&password, cost)).await?
    }

    /// [`Hasher::hash`] where blocking is fine, on the caller's own thread.
    pub fn hash_blocking(&self, password: &Password) -> Result<String> {
        hash(password, self.cost)
    }

    /// Compares in the same time whether there is a hash or not.
    pub async fn verify(&self, password: Password, hashed: Option<String>) -> Result<Verified> {
        let (cost, dummy) = (self.cost, self.dummy.clone());
        self.submit(move || verify(&password, hashed.as_deref(), cost, &dummy)).await?
    }

    async fn submit<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move || {
            // The caller may have gone while this waited.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        });
        self.queue.try_send(work).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::unavailable("Too many sign-ins at once. Try again in a few seconds.")
                .retry_after(Duration::from_secs(2)),
            TrySendError::Disconnected(_) => Error::unavailable("The server is shutting down."),
        })?;
        answer.await.map_err(Error::internal)
    }
}

fn run(work: &Mutex<Receiver<Work>>) {
    // Linux keeps a nice value for each thread.
    if let Err(cause) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%cause, "hashing goes on at the usual priority");
    }
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(next) = next else { return };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(next)).is_err() {
            tracing::error!("hashing a password panicked");
        }
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

    const LOWEST: u32 = 10;

    #[tokio::test]
    async fn a_password_is_itself_and_nothing_else() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let long = "x".repeat(72);
        let stored = hasher.hash(Password::new(&long)).await.unwrap();
        let is = |text: &str| hasher.verify(Password::new(text), Some(stored.clone()));
        assert_eq!(is(&long).await.unwrap(), Verified::Right);
        assert_eq!(is(&format!("{long}y")).await.unwrap(), Verified::Wrong);
        assert_eq!(is(&long[..71]).await.unwrap(), Verified::Wrong);
        assert_eq!(hasher.verify(Password::new(&long), None).await.unwrap(), Verified::Wrong);
    }

    #[tokio::test]
    async fn a_nul_does_not_end_a_password() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let stored = hasher.hash(Password::new("twelve chars\0twelve chars")).await.unwrap();
        let shorter = hasher.verify(Password::new("twelve chars"), Some(stored)).await.unwrap();
        assert_eq!(shorter, Verified::Wrong);
    }

    #[tokio::test]
    async fn another_cost_is_upgraded() {
        let old = Hasher::start(LOWEST).unwrap().hash(Password::new("kettle orbit")).await.unwrap();
        let hasher = Hasher::start(LOWEST + 1).unwrap();
        let Verified::Rehashed(new) = hasher.verify(Password::new("kettle orbit"), Some(old)).await.unwrap() else {
            panic!("not upgraded");
        };
        assert!(new.starts_with("$2b$11$"));
    }

    #[tokio::test]
    async fn a_flood_is_refused_fast() {
        let hasher = Hasher::start(LOWEST).unwrap();
        let guess = || hasher.verify(Password::new("a guess or two"), None);
        let outcomes = futures_util::future::join_all((0..400).map(|_| guess())).await;
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert!(refused.len() > 100);
        assert!(refused.iter().all(|error| error.code() == crate::error::Code::Unavailable && error.wait().is_some()));
    }
}
