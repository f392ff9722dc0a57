//! The recovery key: its owner keeps the private half, the server only the public one.

use crate::{
    error::{Error, Result},
    secrets::random_bytes,
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    str::FromStr,
};
use zeroize::Zeroizing;

/// The public half, in the data folder.
pub(super) const FILE: &str = "recovery.pub";
const PREFIX: &str = "ptrec_";
const PUBLIC_PREFIX: &str = "ptrecpub_";
const CHECK_BYTES: usize = 4;

/// A key that opens a backup; wiped when it is dropped.
pub(super) type FileKey = Zeroizing<[u8; 32]>;

/// The private half: `ptrec_`, 32 bytes and a checksum.
pub struct RecoveryKey(Zeroizing<[u8; 32]>);

/// The public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecoveryPublic([u8; 32]);

/// The key of a backup as only the owner of a recovery key reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wrapped {
    /// Which recovery key.
    pub key: String,
    ephemeral: String,
    sealed: String,
}

fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn checked(bytes: &[u8; 32]) -> String {
    let sum = Sha256::digest(bytes);
    URL_SAFE_NO_PAD.encode([bytes.as_slice(), &sum[..CHECK_BYTES]].concat())
}

fn unchecked(text: &str) -> Option<[u8; 32]> {
    let both: [u8; 32 + CHECK_BYTES] = bytes_of(text)?;
    let bytes: [u8; 32] = both[..32].try_into().ok()?;
    (Sha256::digest(bytes)[..CHECK_BYTES] == both[32..]).then_some(bytes)
}

impl RecoveryKey {
    pub fn new() -> Result<Self> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// What its owner writes down.
    pub fn shown(&self) -> String {
        format!("{PREFIX}{}", checked(&self.0))
    }

    fn private(&self) -> Result<PrivateKey> {
        PrivateKey::from_private_key(&X25519, &*self.0).map_err(|_| Error::internal("a recovery key is not one"))
    }

    pub(super) fn public(&self) -> Result<RecoveryPublic> {
        let public = self.private()?.compute_public_key().map_err(|_| Error::internal("no public key"))?;
        let bytes = public.as_ref().try_into().map_err(|_| Error::internal("a public key is not one"))?;
        Ok(RecoveryPublic(bytes))
    }

    /// The key of a backup, when this is the recovery key that it was made for.
    pub(super) fn unwrap(&self, wrapped: &Wrapped, name: &str) -> Result<FileKey> {
        let public = self.public()?;
        if wrapped.key != public.id() {
            return Err(Error::conflict(format!(
                "this backup was made for the recovery key {}, not for {}",
                wrapped.key,
                public.id()
            )));
        }
        let altered = || Error::conflict("the head of this backup was altered: its key does not open");
        let ephemeral: [u8; 32] = bytes_of(&wrapped.ephemeral).ok_or_else(altered)?;
        let mut sealed: [u8; 48] = bytes_of(&wrapped.sealed).ok_or_else(altered)?;
        let peer = UnparsedPublicKey::new(&X25519, ephemeral);
        let shared = agree(&self.private()?, peer, altered(), |secret| Ok(Zeroizing::new(secret.to_vec())))?;
        let key = wrapping_key(&shared, &ephemeral, &public.0)?;
        open(&key, name, &mut sealed).ok_or_else(altered)
    }
}

impl FromStr for RecoveryKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(unchecked);
        let malformed =
            || Error::conflict("this is not a recovery key: it starts with ptrec_, and a letter may be wrong");
        bytes.map(|bytes| Self(Zeroizing::new(bytes))).ok_or_else(malformed)
    }
}

impl RecoveryPublic {
    /// A short name that both halves share.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.0)[..4])
    }

    /// The one of the data folder, when it was made.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                return Err(Error::unavailable("the recovery key's public half cannot be read").caused_by(cause));
            }
        };
        let bytes = text.trim().strip_prefix(PUBLIC_PREFIX).and_then(unchecked);
        let malformed =
            || Error::unavailable(format!("{FILE} in the data folder is malformed; make a new recovery key"));
        bytes.map(|bytes| Some(Self(bytes))).ok_or_else(malformed)
    }

    /// Whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let temporary = folder.join(format!("{FILE}.new"));
        let written = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            writeln!(file, "{PUBLIC_PREFIX}{}", checked(&self.0))?;
            file.sync_all()?;
            fs::rename(&temporary, folder.join(FILE))?;
            File::open(folder)?.sync_all()
        };
        written().map_err(|cause| Error::unavailable("the recovery key cannot be kept").caused_by(cause))
    }

    pub fn wrap(&self, key: &FileKey, name: &str) -> Result<Wrapped> {
        let failed = || Error::internal("a key could not be wrapped");
        let own = RecoveryKey::new()?;
        let ephemeral = own.public()?.0;
        let peer = UnparsedPublicKey::new(&X25519, self.0);
        let shared = agree(&own.private()?, peer, failed(), |secret| Ok(Zeroizing::new(secret.to_vec())))?;
        let sealed = seal(&wrapping_key(&shared, &ephemeral, &self.0)?, name, key)?;
        Ok(Wrapped {
            key: self.id(),
            ephemeral: URL_SAFE_NO_PAD.encode(ephemeral),
            sealed: URL_SAFE_NO_PAD.encode(sealed),
        })
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn wrapping_key(shared: &[u8], ephemeral: &[u8; 32], recipient: &[u8; 32]) -> Result<FileKey> {
    let failed = |_| Error::internal("a key could not be derived");
    let parts: [&[u8]; 2] = [ephemeral, recipient];
    let secret = Salt::new(HKDF_SHA256, b"portcullis-backup-1").extract(shared);
    let mut key = Zeroizing::new([0; 32]);
    secret.expand(&parts, Bytes32).and_then(|expanded| expanded.fill(&mut *key)).map_err(failed)?;
    Ok(key)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::internal("a key is not one"))?;
    Ok(LessSafeKey::new(key))
}

/// Seals a key under one that seals nothing else, so its nonce is fixed.
pub(super) fn seal(under: &FileKey, name: &str, key: &FileKey) -> Result<Vec<u8>> {
    let mut sealed = key.to_vec();
    cipher(under)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(name.as_bytes()), &mut sealed)
        .map_err(|_| Error::internal("a key could not be sealed"))?;
    Ok(sealed)
}

pub(super) fn open(under: &FileKey, name: &str, sealed: &mut [u8]) -> Option<FileKey> {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let plain = cipher(under).ok()?.open_in_place(nonce, Aad::from(name.as_bytes()), sealed).ok()?;
    let key: [u8; 32] = (&*plain).try_into().ok()?;
    Some(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_private_half_opens_and_a_wrong_letter_is_named() {
        let (key, other) = (RecoveryKey::new().unwrap(), RecoveryKey::new().unwrap());
        let file_key = Zeroizing::new([7; 32]);
        let wrapped = key.public().unwrap().wrap(&file_key, "a").unwrap();
        let written: RecoveryKey = key.shown().parse().unwrap();
        assert_eq!(*written.unwrap(&wrapped, "a").unwrap(), [7; 32]);
        assert!(written.unwrap(&wrapped, "b").is_err(), "bound to its backup");
        assert!(other.unwrap(&wrapped, "a").unwrap_err().to_string().contains("made for the recovery key"));
        let mut typo = key.shown();
        let last = if typo.ends_with('A') { "B" } else { "A" };
        typo.replace_range(typo.len() - 3..typo.len() - 2, last);
        assert!(typo == key.shown() || typo.parse::<RecoveryKey>().is_err());
        assert!("".parse::<RecoveryKey>().is_err());
    }

    #[test]
    fn the_public_half_is_kept_and_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(RecoveryPublic::read(folder.path()).unwrap(), None);
        let public = RecoveryKey::new().unwrap().public().unwrap();
        public.write(folder.path()).unwrap();
        assert_eq!(RecoveryPublic::read(folder.path()).unwrap(), Some(public));
        fs::write(folder.path().join(FILE), "ptrecpub_AAAA").unwrap();
        assert!(RecoveryPublic::read(folder.path()).is_err());
    }
}
