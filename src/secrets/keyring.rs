//! The keyring: for each purpose one current key and those that are being retired, by id.

use crate::{
    clock::{Clock, Time},
    config::{KEYRING_FILE, readable_by_others},
    error::{Code, Error, Result},
    secrets::{random_bytes, random_token},
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};
use zeroize::{Zeroize, Zeroizing};

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
}

const SECRET_BYTES: usize = 32;

/// A key by its id. Clones share the secret, which is wiped with the last of them.
#[derive(Clone)]
pub struct Key {
    pub id: Arc<str>,
    secret: Arc<Zeroizing<[u8; SECRET_BYTES]>>,
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
struct Held {
    purpose: Purpose,
    key: Key,
    created_at: Time,
    retiring_until: Option<Time>,
}

/// All keys of the instance. Clones share them.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    held: Vec<Held>,
    fingerprint: hmac::Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    purpose: Purpose,
    id: String,
    created_at: Time,
    retiring_until: Option<Time>,
    secret: String,
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Keyring {
    /// The keyring of the data folder, made at first start. Refused where others can read it, where it is
    /// malformed, and where a database stands without it.
    pub fn open_or_create(folder: &Path, clock: &Clock) -> Result<Self> {
        let path = folder.join(KEYRING_FILE);
        match fs::symlink_metadata(&path) {
            Ok(_) => Self::open(&path),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                if folder.join("portcullis.db").exists() {
                    return Err(refused(
                        &path,
                        "is missing though there is a database; put the keyring back from a backup",
                    ));
                }
                Self::create(folder, clock.now())
            }
            Err(cause) => Err(refused(&path, format!("cannot be read: {cause}"))),
        }
    }

    /// Whether the keyring of the folder, where there is one, can be used; says what is wrong with it.
    pub fn check(folder: &Path) -> Result<()> {
        let path = folder.join(KEYRING_FILE);
        if fs::symlink_metadata(&path).is_ok() { Self::open(&path).map(drop) } else { Ok(()) }
    }

    fn open(path: &Path) -> Result<Self> {
        if let Some(message) = readable_by_others(path) {
            return Err(refused(path, message));
        }
        let text = fs::read_to_string(path).map_err(|cause| refused(path, format!("cannot be read: {cause}")))?;
        let text = Zeroizing::new(text);
        let stored: Stored = serde_json::from_str(&text).map_err(|cause| {
            refused(path, format!("is malformed at line {}, column {}", cause.line(), cause.column()))
        })?;
        if stored.version != 1 {
            return Err(refused(path, "was written by a newer version"));
        }
        let held =
            stored.keys.iter().map(|key| held(key).ok_or_else(|| refused(path, "has a key that is not 32 bytes")));
        let held = held.collect::<Result<Vec<_>>>()?;
        let ids: HashSet<_> = held.iter().map(|held| &held.key.id).collect();
        let one_current =
            |purpose| held.iter().filter(|held| held.purpose == purpose && held.retiring_until.is_none()).count() == 1;
        if ids.len() != held.len() || !Purpose::ALL.into_iter().all(one_current) {
            return Err(refused(path, "is malformed: it needs one current key for each purpose, each with its own id"));
        }
        Ok(Self::of(held))
    }

    fn create(folder: &Path, now: Time) -> Result<Self> {
        let mut keys = Vec::new();
        for purpose in Purpose::ALL {
            let secret = Zeroizing::new(random_bytes::<SECRET_BYTES>()?);
            keys.push(StoredKey {
                purpose,
                id: random_token(9)?,
                created_at: now,
                retiring_until: None,
                secret: URL_SAFE_NO_PAD.encode(*secret),
            });
        }
        let stored = Stored { version: 1, keys };
        let path = folder.join(KEYRING_FILE);
        write(folder, &path, &stored).map_err(|cause| refused(&path, format!("cannot be written: {cause}")))?;
        Self::open(&path)
    }

    fn of(held: Vec<Held>) -> Self {
        let current = |held: &&Held| held.purpose == Purpose::Sessions && held.retiring_until.is_none();
        let sessions = held.iter().find(current).expect("there is a current key for each purpose");
        let fingerprint = hmac::Key::new(hmac::HMAC_SHA256, sessions.key.secret());
        Self(Arc::new(Ring { held, fingerprint }))
    }

    /// The key to sign or encrypt with.
    pub fn current(&self, purpose: Purpose) -> Key {
        let current = |held: &&Held| held.purpose == purpose && held.retiring_until.is_none();
        self.0.held.iter().find(current).expect("there is a current key for each purpose").key.clone()
    }

    /// The key of this id, if it may still verify or decrypt.
    pub fn find(&self, purpose: Purpose, id: &str, now: Time) -> Option<Key> {
        self.find_with_end(purpose, id, now).map(|(key, _)| key)
    }

    /// [`Keyring::find`], and until when it may.
    pub fn find_with_end(&self, purpose: Purpose, id: &str, now: Time) -> Option<(Key, Time)> {
        let found = self.0.held.iter().find(|held| held.purpose == purpose && *held.key.id == *id)?;
        let end = found.retiring_until.unwrap_or(Time(i64::MAX));
        (now < end).then(|| (found.key.clone(), end))
    }

    /// When the current key of a purpose was made.
    pub fn created_at(&self, purpose: Purpose) -> Time {
        let current = |held: &&Held| held.purpose == purpose && held.retiring_until.is_none();
        self.0.held.iter().find(current).map_or(Time::default(), |held| held.created_at)
    }

    /// A token as the database keeps it: HMAC-SHA-256, so that a stolen database opens no session.
    pub fn fingerprint(&self, token: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.0.fingerprint, token).as_ref());
        bytes
    }
}

fn held(stored: &StoredKey) -> Option<Held> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&stored.secret).ok()?);
    let secret: [u8; SECRET_BYTES] = bytes.as_slice().try_into().ok()?;
    let key = Key { id: stored.id.as_str().into(), secret: Arc::new(Zeroizing::new(secret)) };
    let Time(created_at) = stored.created_at;
    Some(Held { purpose: stored.purpose, key, created_at: Time(created_at), retiring_until: stored.retiring_until })
}

/// Whole or not at all: a temporary file, flushed to disk, renamed, and the folder flushed too.
fn write(folder: &Path, path: &Path, stored: &Stored) -> io::Result<()> {
    let temporary = folder.join(format!("{KEYRING_FILE}.new"));
    if let Err(cause) = fs::remove_file(&temporary)
        && cause.kind() != io::ErrorKind::NotFound
    {
        return Err(cause);
    }
    let text = Zeroizing::new(serde_json::to_vec_pretty(stored)?);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

fn refused(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(Code::Unavailable, format!("the keyring {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
        let path = folder.path().join(KEYRING_FILE);
        let ring = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        let mut stored: Stored = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        stored.keys.push(StoredKey {
            purpose: Purpose::Jwt,
            id: "old".into(),
            created_at: Time(0),
            retiring_until: Some(Time(1000)),
            secret: URL_SAFE_NO_PAD.encode([7; 32]),
        });
        write(folder.path(), &path, &stored).unwrap();
        let reopened = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        assert!(reopened.find(Purpose::Jwt, "old", Time(999)).is_some());
        assert!(reopened.find(Purpose::Jwt, "old", Time(1000)).is_none());
        assert_eq!(reopened.current(Purpose::Jwt).id, ring.current(Purpose::Jwt).id);
    }

    #[test]
    fn a_keyring_is_refused_rather_than_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEYRING_FILE);
        let clock = Clock::system();
        Keyring::open_or_create(folder.path(), &clock).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Keyring::open_or_create(folder.path(), &clock).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{\"version\": 1, \"keys\": []}").unwrap();
        let refused = Keyring::open_or_create(folder.path(), &clock).unwrap_err().to_string();
        assert!(refused.contains("malformed"), "{refused}");
        fs::remove_file(&path).unwrap();
        fs::write(folder.path().join("portcullis.db"), "").unwrap();
        let refused = Keyring::open_or_create(folder.path(), &clock).unwrap_err().to_string();
        assert!(refused.contains("backup"), "{refused}");
        assert!(!path.exists());
    }
}
