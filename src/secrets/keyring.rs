//! The keyring: for each purpose one current key and those that are being retired, by id.

use super::file;
use crate::{
    clock::{Clock, Time},
    error::Result,
};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use zeroize::Zeroizing;

/// What a key is for; one is never used for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Jwt,
    Fields,
    Presign,
    Webhooks,
    Sessions,
}

impl Purpose {
    pub const ALL: [Self; 5] = [Self::Jwt, Self::Fields, Self::Presign, Self::Webhooks, Self::Sessions];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Fields => "fields",
            Self::Presign => "presign",
            Self::Webhooks => "webhooks",
            Self::Sessions => "sessions",
        }
    }
}

pub(super) const SECRET_BYTES: usize = 32;
/// How exact it is when a key was last used.
const USE_EXACT_TO: Duration = Duration::from_secs(60);

/// A key by its id. Clones share the secret, which is wiped with the last of them.
#[derive(Clone)]
pub struct Key {
    pub id: Arc<str>,
    pub(super) secret: Arc<Zeroizing<[u8; SECRET_BYTES]>>,
}

impl Key {
    pub fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub purpose: Purpose,
    pub key: Key,
    pub created_at: Time,
    pub retiring_until: Option<Time>,
    /// When it was last used, in milliseconds; 0: not yet.
    pub used: Arc<AtomicI64>,
}

impl Held {
    fn note_use(&self, now: Time) {
        let used = Time(self.used.load(Relaxed));
        if now.since(used) >= USE_EXACT_TO {
            self.used.store(now.millis(), Relaxed);
        }
    }
}

/// What may be known of a key: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    pub purpose: Purpose,
    pub id: Arc<str>,
    pub created_at: Time,
    /// Until when it verifies or decrypts; none for the current key.
    pub retiring_until: Option<Time>,
    /// Exact to a minute.
    pub last_used_at: Option<Time>,
}

/// All keys of the instance. Clones share them, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Keyring(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub folder: PathBuf,
    pub clock: Clock,
    pub ring: ArcSwap<Ring>,
    /// Held while the file and the ring change.
    pub changing: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct Ring {
    pub held: Vec<Held>,
    fingerprint: hmac::Key,
}

impl Ring {
    pub fn of(held: Vec<Held>) -> Self {
        let current = |held: &&Held| held.purpose == Purpose::Sessions && held.retiring_until.is_none();
        let sessions = held.iter().find(current).expect("there is a current key for each purpose");
        let fingerprint = hmac::Key::new(hmac::HMAC_SHA256, sessions.key.secret());
        Self { held, fingerprint }
    }

    pub fn current(&self, purpose: Purpose) -> &Held {
        let current = |held: &&Held| held.purpose == purpose && held.retiring_until.is_none();
        self.held.iter().find(current).expect("there is a current key for each purpose")
    }
}

impl Keyring {
    /// The keyring of the data folder, made at first start. Refused where others can read it, where it is
    /// malformed, and where a database stands without it.
    pub fn open_or_create(folder: &Path, clock: &Clock) -> Result<Self> {
        let held = file::open_or_create(folder, clock.now())?;
        let ring = ArcSwap::from_pointee(Ring::of(held));
        Ok(Self(Arc::new(Shared { folder: folder.into(), clock: clock.clone(), ring, changing: Mutex::default() })))
    }

    /// Whether the keyring of the folder, where there is one, can be used; says what is wrong with it.
    pub fn check(folder: &Path) -> Result<()> {
        file::check(folder)
    }

    /// The key to sign or encrypt with.
    pub fn current(&self, purpose: Purpose) -> Key {
        let ring = self.0.ring.load();
        let held = ring.current(purpose);
        held.note_use(self.0.clock.now());
        held.key.clone()
    }

    /// The key of this id, if it may still verify or decrypt.
    pub fn find(&self, purpose: Purpose, id: &str, now: Time) -> Option<Key> {
        self.find_with_end(purpose, id, now).map(|(key, _)| key)
    }

    /// [`Keyring::find`], and until when it may.
    pub fn find_with_end(&self, purpose: Purpose, id: &str, now: Time) -> Option<(Key, Time)> {
        let ring = self.0.ring.load();
        let found = ring.held.iter().find(|held| held.purpose == purpose && *held.key.id == *id)?;
        let end = found.retiring_until.unwrap_or(Time(i64::MAX));
        (now < end).then(|| {
            found.note_use(now);
            (found.key.clone(), end)
        })
    }

    /// Every key, by purpose; the current one first, then the latest that was retired.
    pub fn facts(&self) -> Vec<KeyFacts> {
        let ring = self.0.ring.load();
        let of = |purpose| {
            let mut all: Vec<_> = ring.held.iter().filter(|held| held.purpose == purpose).collect();
            all.sort_by_key(|held| (held.retiring_until.is_some(), std::cmp::Reverse(held.created_at)));
            all.into_iter().map(move |held| KeyFacts {
                purpose,
                id: held.key.id.clone(),
                created_at: held.created_at,
                retiring_until: held.retiring_until,
                last_used_at: Some(held.used.load(Relaxed)).filter(|at| *at > 0).map(Time),
            })
        };
        Purpose::ALL.into_iter().flat_map(of).collect()
    }

    /// Takes over when a key was last used, as it was known before this start.
    pub fn remember_use(&self, id: &str, at: Time) {
        let ring = self.0.ring.load();
        if let Some(held) = ring.held.iter().find(|held| *held.key.id == *id) {
            held.used.fetch_max(at.millis(), Relaxed);
        }
    }

    /// When the current key of a purpose was made.
    pub fn created_at(&self, purpose: Purpose) -> Time {
        self.0.ring.load().current(purpose).created_at
    }

    /// A token as the database keeps it: HMAC-SHA-256, so that a stolen database opens no session.
    pub fn fingerprint(&self, token: &[u8]) -> [u8; 32] {
        let ring = self.0.ring.load();
        ring.current(Purpose::Sessions).note_use(self.0.clock.now());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&ring.fingerprint, token).as_ref());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYRING_FILE;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn the_first_start_makes_keys_that_later_starts_find() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let first = Keyring::open_or_create(folder.path(), &clock).unwrap();
        let second = Keyring::open_or_create(folder.path(), &clock).unwrap();
        assert_eq!(first.current(Purpose::Jwt).secret(), second.current(Purpose::Jwt).secret());
        assert_ne!(first.current(Purpose::Jwt).secret(), first.current(Purpose::Fields).secret());
        assert_eq!(first.fingerprint(b"x"), second.fingerprint(b"x"));
        let mode = fs::metadata(folder.path().join(KEYRING_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn keys_are_found_by_purpose_and_id_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        let id = ring.current(Purpose::Jwt).id;
        assert!(ring.find(Purpose::Jwt, &id, Time(0)).is_some());
        assert!(ring.find(Purpose::Fields, &id, Time(0)).is_none());
        assert!(ring.find(Purpose::Jwt, "../../etc/passwd", Time(0)).is_none());
    }

    #[test]
    fn a_retiring_key_is_found_until_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        let old = ring.current(Purpose::Jwt).id;
        ring.rotate(Purpose::Jwt, Some(Time(1000))).unwrap();
        let reopened = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        assert!(reopened.find(Purpose::Jwt, &old, Time(999)).is_some());
        assert!(reopened.find(Purpose::Jwt, &old, Time(1000)).is_none());
        assert_eq!(reopened.current(Purpose::Jwt).id, ring.current(Purpose::Jwt).id);
    }

    #[test]
    fn use_is_known_to_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::movable();
        let ring = Keyring::open_or_create(folder.path(), &clock).unwrap();
        let used = || ring.facts().iter().find(|key| key.purpose == Purpose::Jwt).unwrap().last_used_at;
        assert_eq!(used(), None);
        ring.current(Purpose::Jwt);
        let first = used().unwrap();
        clock.advance(30_000);
        ring.current(Purpose::Jwt);
        assert_eq!(used(), Some(first));
        clock.advance(31_000);
        ring.current(Purpose::Jwt);
        assert!(used().unwrap() > first);
    }
}
