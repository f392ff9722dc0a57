//! The keyring as a file: readable by its owner alone, written whole or not at all.

use super::{
    keyring::{Held, Key, Purpose, SECRET_BYTES},
    random_bytes, random_token,
};
use crate::{
    clock::Time,
    config::{KEYRING_FILE, readable_by_others},
    error::{Code, Error, Result},
};
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

/// Bytes that a random secret of 32 never falls short of: fewer and somebody typed it.
const LEAST_DISTINCT_BYTES: usize = 16;

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

pub(super) fn open_or_create(folder: &Path, now: Time) -> Result<Vec<Held>> {
    let path = folder.join(KEYRING_FILE);
    match fs::symlink_metadata(&path) {
        Ok(_) => open(&path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            if folder.join("portcullis.db").exists() {
                return Err(refused(
                    &path,
                    "is missing though there is a database; put the keyring back from a backup",
                ));
            }
            let fresh = Purpose::ALL.into_iter().map(|purpose| make(purpose, now)).collect::<Result<Vec<_>>>()?;
            write(folder, &fresh)?;
            open(&path)
        }
        Err(cause) => Err(refused(&path, format!("cannot be read: {cause}"))),
    }
}

pub(super) fn check(folder: &Path) -> Result<()> {
    let path = folder.join(KEYRING_FILE);
    if fs::symlink_metadata(&path).is_ok() { open(&path).map(drop) } else { Ok(()) }
}

/// A new key, current until another one is.
pub(super) fn make(purpose: Purpose, now: Time) -> Result<Held> {
    let secret = Arc::new(Zeroizing::new(random_bytes::<SECRET_BYTES>()?));
    let key = Key { id: random_token(9)?.into(), secret };
    Ok(Held { purpose, key, created_at: now, retiring_until: None, used: Arc::default() })
}

fn open(path: &Path) -> Result<Vec<Held>> {
    if let Some(message) = readable_by_others(path) {
        return Err(refused(path, message));
    }
    let text = fs::read_to_string(path).map_err(|cause| refused(path, format!("cannot be read: {cause}")))?;
    let text = Zeroizing::new(text);
    let stored: Stored = serde_json::from_str(&text)
        .map_err(|cause| refused(path, format!("is malformed at line {}, column {}", cause.line(), cause.column())))?;
    if stored.version != 1 {
        return Err(refused(path, "was written by a newer version"));
    }
    let held = stored.keys.iter().map(|key| held(key).map_err(|why| refused(path, why)));
    let held = held.collect::<Result<Vec<_>>>()?;
    let ids: HashSet<_> = held.iter().map(|held| &held.key.id).collect();
    let one_current =
        |purpose| held.iter().filter(|held| held.purpose == purpose && held.retiring_until.is_none()).count() == 1;
    if ids.len() != held.len() || !Purpose::ALL.into_iter().all(one_current) {
        return Err(refused(path, "is malformed: it needs one current key for each purpose, each with its own id"));
    }
    Ok(held)
}

fn held(stored: &StoredKey) -> Result<Held, &'static str> {
    const NOT_ONE: &str = "has a key that is not 32 bytes";
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&stored.secret).map_err(|_| NOT_ONE)?);
    let secret: [u8; SECRET_BYTES] = bytes.as_slice().try_into().map_err(|_| NOT_ONE)?;
    if bytes.iter().collect::<HashSet<_>>().len() < LEAST_DISTINCT_BYTES {
        return Err("has a key that was made up, not drawn at random");
    }
    let key = Key { id: stored.id.as_str().into(), secret: Arc::new(Zeroizing::new(secret)) };
    Ok(Held {
        purpose: stored.purpose,
        key,
        created_at: stored.created_at,
        retiring_until: stored.retiring_until,
        used: Arc::default(),
    })
}

/// Puts these keys in the file of the folder.
pub(super) fn write(folder: &Path, held: &[Held]) -> Result<()> {
    let keys = held.iter().map(|held| StoredKey {
        purpose: held.purpose,
        id: held.key.id.to_string(),
        created_at: held.created_at,
        retiring_until: held.retiring_until,
        secret: URL_SAFE_NO_PAD.encode(held.key.secret()),
    });
    let path = folder.join(KEYRING_FILE);
    replace(folder, &path, &Stored { version: 1, keys: keys.collect() })
        .map_err(|cause| refused(&path, format!("cannot be written: {cause}")))
}

/// A temporary file, flushed to disk, renamed, and the folder flushed too.
fn replace(folder: &Path, path: &Path, stored: &Stored) -> io::Result<()> {
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
    use crate::{clock::Clock, secrets::Keyring};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_made_up_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = open_or_create(folder.path(), Time(0)).unwrap();
        keys[0].key.secret = Arc::new(Zeroizing::new([7; SECRET_BYTES]));
        write(folder.path(), &keys).unwrap();
        let refused = check(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("made up"), "{refused}");
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
