//! Data keys: one of each subject, wrapped by the keyring. Rotating the keyring wraps them anew and leaves what they
//! sealed, and the digests that values are found by, as they are.

use super::Erasures;
use crate::{
    clock::Clock,
    error::{Error, Result},
    ids::Id,
    params,
    secrets::{Keyring, Purpose, random_bytes},
    storage::{Column, Reader, Row, Tx},
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};
use zeroize::Zeroizing;

/// The subject of the key that digests are made with.
const INDEX: &str = "index";
const KEY_BYTES: usize = 32;

/// A subject's key as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectKey {
    pub id: Id,
    wrapped: String,
}

impl SubjectKey {
    /// The column to select for it, beside others of a row whose `id` is the subject.
    pub const COLUMN: &'static str = "(SELECT key_id || ':' || wrapped FROM data_keys WHERE subject = id)";

    /// From [`SubjectKey::COLUMN`].
    pub fn read(row: &Row<'_>, index: usize) -> Result<Option<Self>> {
        let Column::Text(text) = row.column(index)? else { return Ok(None) };
        let (id, wrapped) = text.split_once(':').ok_or_else(|| Error::internal("a data key is malformed"))?;
        Ok(Some(Self { id: id.parse().map_err(Error::internal)?, wrapped: wrapped.to_owned() }))
    }

    /// The key of a subject, where there is one.
    pub fn find(reader: &Reader<'_>, subject: Id) -> Result<Option<Self>> {
        let sql = "SELECT key_id || ':' || wrapped FROM data_keys WHERE subject = ?1";
        Ok(reader.query_one(sql, params![subject], |row| Self::read(row, 0))?.flatten())
    }

    /// Destroys the key of a subject; which one that was.
    pub fn destroy(tx: &Tx<'_>, subject: Id) -> Result<Option<Id>> {
        let sql = "DELETE FROM data_keys WHERE subject = ?1 RETURNING key_id";
        tx.leave_no_trace();
        tx.query_one(sql, params![subject], |row| row.get(0))
    }
}

/// Makes, opens and keeps data keys. Clones share it.
#[derive(Clone)]
pub struct DataKeys(Arc<Inner>);

struct Inner {
    keyring: Keyring,
    clock: Clock,
    erasures: Erasures,
    index: OnceLock<hmac::Key>,
}

/// A key that is ready for use.
pub struct Cipher(RandomizedNonceKey);

impl Cipher {
    fn new(secret: &[u8]) -> Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret);
        key.map(Self).map_err(|_| Error::internal("a data key is not one"))
    }

    /// Under a key that nobody keeps.
    pub fn ephemeral() -> Result<Self> {
        Self::new(&*Zeroizing::new(random_bytes::<KEY_BYTES>()?))
    }

    /// Nonce and ciphertext as text, bound to what `context` says.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        let mut sealed = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| Error::internal("a value could not be sealed"))?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let broken = |why: &'static str| Error::internal(format!("a sealed value does not open: {why}"));
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(sealed).map_err(|_| broken("it is not base64"))?);
        let (nonce, body) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(|| broken("it is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("its nonce is not one"))?;
        let plain = self.0.open_in_place(nonce, Aad::from(context.as_bytes()), body);
        Ok(Zeroizing::new(plain.map_err(|_| broken("it was altered, or belongs elsewhere"))?.to_vec()))
    }
}

fn owner(subject: &str, key_id: Id) -> String {
    format!("data-key:{subject}:{key_id}")
}

impl DataKeys {
    /// `folder` is where the ledger of erasures lies.
    pub fn new(keyring: Keyring, clock: Clock, folder: &Path) -> Self {
        Self(Arc::new(Inner { keyring, clock, erasures: Erasures::of(folder), index: OnceLock::new() }))
    }

    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub fn erasures(&self) -> &Erasures {
        &self.0.erasures
    }

    /// Takes the key of digests from the database; whether it is there.
    pub fn load(&self, reader: &Reader<'_>) -> Result<bool> {
        let sql = "SELECT key_id || ':' || wrapped FROM data_keys WHERE subject = ?1";
        let Some(key) = reader.query_one(sql, params![INDEX], |row| SubjectKey::read(row, 0))?.flatten() else {
            return Ok(false);
        };
        let secret = self.unwrap(INDEX, &key)?;
        let _ = self.0.index.set(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        Ok(true)
    }

    /// Makes the key of digests, where there is none yet.
    pub fn prepare(&self, tx: &Tx<'_>) -> Result<()> {
        if self.load(tx)? {
            return Ok(());
        }
        let (key, _) = self.make_for(INDEX)?;
        self.put(tx, INDEX, &key)?;
        self.load(tx).map(drop)
    }

    /// A new key for a subject; [`DataKeys::keep`] keeps it.
    pub fn make(&self, subject: Id) -> Result<(SubjectKey, Cipher)> {
        self.make_for(&subject.to_string())
    }

    fn make_for(&self, subject: &str) -> Result<(SubjectKey, Cipher)> {
        let (id, secret) = (Id::new(), Zeroizing::new(random_bytes::<KEY_BYTES>()?));
        let wrapped = self.0.keyring.seal(Purpose::Fields, &owner(subject, id), &*secret)?;
        Ok((SubjectKey { id, wrapped }, Cipher::new(&*secret)?))
    }

    pub fn open(&self, subject: &str, key: &SubjectKey) -> Result<Cipher> {
        Cipher::new(&self.unwrap(subject, key)?)
    }

    fn unwrap(&self, subject: &str, key: &SubjectKey) -> Result<Zeroizing<Vec<u8>>> {
        let now = self.0.clock.now();
        self.0.keyring.unseal(Purpose::Fields, &owner(subject, key.id), &key.wrapped, now)
    }

    /// Keeps a subject's key.
    pub fn keep(&self, tx: &Tx<'_>, subject: Id, key: &SubjectKey) -> Result<()> {
        self.put(tx, &subject.to_string(), key)
    }

    fn put(&self, tx: &Tx<'_>, subject: &str, key: &SubjectKey) -> Result<()> {
        let SubjectKey { id, wrapped } = key;
        tx.execute(
            "INSERT INTO data_keys (subject, key_id, wrapped, made_at) VALUES (?1, ?2, ?3, ?4)",
            params![subject, *id, wrapped, self.0.clock.now()],
        )?;
        Ok(())
    }

    /// What stands for a value in comparisons: the same for equal values of one field of one type, and for nobody
    /// without the key to be told from chance.
    pub fn digest(&self, entity_type: &str, pointer: &str, canonical: &str) -> Result<[u8; 32]> {
        let key = self.0.index.get().ok_or_else(|| Error::internal("the key of digests was not loaded"))?;
        let mut context = hmac::Context::with_key(key);
        for part in [entity_type, "\n", pointer, "\n", canonical] {
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        Ok(digest)
    }
}
