//! The encrypted file: a head that anybody reads, then chunks of AES-256-GCM, each bound to the head, to its place
//! and to whether it is the last.

use super::recovery::{self, FileKey, RecoveryKey, RecoveryPublic, Wrapped};
use crate::{
    clock::Time,
    error::{Error, Result},
    secrets::{Keyring, random_bytes},
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"portcullis-backup-1\n";
const LONGEST_HEAD: u32 = 16 << 10;
/// Where a head ends, at the latest.
pub(super) const LONGEST: u64 = MAGIC.len() as u64 + 4 + LONGEST_HEAD as u64;
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;

/// What can be read without a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub name: String,
    pub created_at: Time,
    /// Of the program that made it.
    pub version: String,
    /// Migrations that its database has.
    pub schema: i64,
    /// The key for the owner of the recovery key; absent where none was made.
    pub recovery: Option<Wrapped>,
    /// The key for whoever has the keyring of the data folder.
    folder: String,
}

/// What opens a backup.
pub enum Opener<'a> {
    Keyring(&'a Keyring),
    Recovery(&'a RecoveryKey),
}

fn keyring_key(keyring: &Keyring, name: &str) -> FileKey {
    Zeroizing::new(keyring.fingerprint(format!("portcullis-backup-1\0{name}").as_bytes()))
}

impl Head {
    /// A head with a fresh key for both who may open it.
    pub fn new(
        name: String,
        (created_at, schema): (Time, i64),
        keyring: &Keyring,
        recovery: Option<&RecoveryPublic>,
    ) -> Result<(Self, FileKey)> {
        let key: FileKey = Zeroizing::new(random_bytes()?);
        let folder = URL_SAFE_NO_PAD.encode(recovery::seal(&keyring_key(keyring, &name), &name, &key)?);
        let recovery = recovery.map(|public| public.wrap(&key, &name)).transpose()?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok((Self { name, created_at, version, schema, recovery, folder }, key))
    }

    pub fn open(&self, with: &Opener<'_>) -> Result<FileKey> {
        match with {
            Opener::Recovery(key) => {
                let none = || {
                    Error::conflict(
                        "this backup was made before there was a recovery key; only the keyring of its folder opens it",
                    )
                };
                key.unwrap(self.recovery.as_ref().ok_or_else(none)?, &self.name)
            }
            Opener::Keyring(keyring) => {
                let foreign = || {
                    Error::conflict(
                        "the keyring of this folder does not open this backup; name its recovery key with --key-file",
                    )
                };
                let mut sealed = URL_SAFE_NO_PAD.decode(&self.folder).map_err(|_| foreign())?;
                recovery::open(&keyring_key(keyring, &self.name), &self.name, &mut sealed).ok_or_else(foreign)
            }
        }
    }

    /// The head of a file, and the hash of its bytes that every chunk is bound to.
    pub fn read(file: &mut impl Read) -> Result<(Self, Bound)> {
        let none = |cause| Error::conflict("this is not a backup of Portcullis").caused_by(cause);
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic).map_err(none)?;
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(none)?;
        let length = u32::from_be_bytes(length);
        if magic != MAGIC || length > LONGEST_HEAD {
            return Err(none(io::Error::other("another beginning")));
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).map_err(none)?;
        let head = serde_json::from_slice(&bytes).map_err(|_| none(io::Error::other("its head is malformed")))?;
        Ok((head, Bound::to(&bytes)))
    }

    pub fn write(&self, file: &mut impl Write) -> Result<Bound> {
        let bytes = serde_json::to_vec(self).map_err(Error::internal)?;
        let mut written = || {
            file.write_all(MAGIC)?;
            file.write_all(&(bytes.len() as u32).to_be_bytes())?;
            file.write_all(&bytes)
        };
        written().map_err(unwritten)?;
        Ok(Bound::to(&bytes))
    }
}

pub(super) fn unwritten(cause: io::Error) -> Error {
    let full = cause.kind() == io::ErrorKind::StorageFull;
    let error = if full {
        Error::new(
            crate::error::Code::StorageFull,
            "There is no room for the backup. Free some, or name another folder.",
        )
    } else {
        Error::unavailable("The backup could not be written.")
    };
    error.caused_by(cause)
}

/// The hash of a head.
pub(super) struct Bound([u8; 32]);

impl Bound {
    fn to(head: &[u8]) -> Self {
        Self(Sha256::new().chain_update(MAGIC).chain_update(head).finalize().into())
    }
}

struct Chunks {
    key: LessSafeKey,
    bound: Bound,
    number: u64,
}

impl Chunks {
    fn new(key: &FileKey, bound: Bound) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &**key).map_err(|_| Error::internal("a key is not one"))?;
        Ok(Self { key: LessSafeKey::new(key), bound, number: 0 })
    }

    /// Each number is used once under a key that is used for one file.
    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[3..11].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = u8::from(last);
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Encrypts what is written to it.
pub(super) struct Sealed<W> {
    inner: W,
    chunks: Chunks,
    buffer: Vec<u8>,
}

impl<W: Write> Sealed<W> {
    pub fn new(inner: W, key: &FileKey, bound: Bound) -> Result<Self> {
        Ok(Self { inner, chunks: Chunks::new(key, bound)?, buffer: Vec::with_capacity(CHUNK + TAG) })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.chunks.nonce(last);
        let bound = Aad::from(self.chunks.bound.0);
        let sealed = self.chunks.key.seal_in_place_append_tag(nonce, bound, &mut self.buffer);
        sealed.map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last chunk; without it the file is refused as cut short.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == CHUNK {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decrypts what is read from it; nothing that was altered comes through.
pub(super) struct Unsealed<R> {
    inner: R,
    chunks: Chunks,
    /// The sealed chunk that comes next.
    next: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    over: bool,
}

impl<R: Read> Unsealed<R> {
    pub fn new(mut inner: R, key: &FileKey, bound: Bound) -> Result<Self> {
        let next = chunk(&mut inner).map_err(Error::internal)?;
        Ok(Self { inner, chunks: Chunks::new(key, bound)?, next, plain: Vec::new(), at: 0, over: false })
    }

    fn advance(&mut self) -> io::Result<()> {
        let mut current = std::mem::replace(&mut self.next, chunk(&mut self.inner)?);
        let last = self.next.is_empty();
        let nonce = self.chunks.nonce(last);
        let opened = self.chunks.key.open_in_place(nonce, Aad::from(self.chunks.bound.0), &mut current);
        let length = opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, ALTERED))?.len();
        current.truncate(length);
        (self.plain, self.at, self.over) = (current, 0, last);
        Ok(())
    }
}

const ALTERED: &str = "this backup was altered or cut short";

impl<R: Read> Read for Unsealed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.over {
                return Ok(0);
            }
            self.advance()?;
        }
        let taken = into.len().min(self.plain.len() - self.at);
        into[..taken].copy_from_slice(&self.plain[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

fn chunk(inner: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(CHUNK + TAG);
    inner.by_ref().take((CHUNK + TAG) as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn sealed(keyring: &Keyring, plain: &[u8]) -> Vec<u8> {
        let (head, key) = Head::new("one.backup".into(), (Time(1), 1), keyring, None).unwrap();
        let mut file = Vec::new();
        let bound = head.write(&mut file).unwrap();
        let mut writer = Sealed::new(&mut file, &key, bound).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap();
        file
    }

    fn opened(keyring: &Keyring, mut file: &[u8]) -> Result<Vec<u8>> {
        let (head, bound) = Head::read(&mut file)?;
        let key = head.open(&Opener::Keyring(keyring))?;
        let mut plain = Vec::new();
        Unsealed::new(file, &key, bound)?.read_to_end(&mut plain).map_err(Error::internal)?;
        Ok(plain)
    }

    #[test]
    fn every_length_comes_back_and_no_altered_byte_does() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let file = sealed(&keyring, &plain);
            assert_eq!(opened(&keyring, &file).unwrap(), plain, "{length}");
            for at in [0, 5, 21, 40, file.len() / 2, file.len() - 1] {
                let mut altered = file.clone();
                altered[at] ^= 1;
                assert!(opened(&keyring, &altered).is_err(), "byte {at} of {length}");
            }
            assert!(opened(&keyring, &file[..file.len() - 1]).is_err(), "cut by one");
            let longer = [&*file, b"x"].concat();
            assert!(opened(&keyring, &longer).is_err(), "longer by one");
        }
        let file = sealed(&keyring, &vec![1; 2 * CHUNK + 9]);
        let end = file.len() - (9 + TAG);
        assert!(opened(&keyring, &file[..end]).is_err(), "cut at the end of a chunk");
        let other = tempfile::tempdir().unwrap();
        let stranger = Keyring::open_or_create(other.path(), &Clock::system()).unwrap();
        assert!(opened(&stranger, &file).unwrap_err().to_string().contains("--key-file"));
    }
}
