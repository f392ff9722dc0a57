//! Values encrypted at rest: AES-256-GCM under a key of the keyring, bound to what they belong to.

use super::{Keyring, Purpose};
use crate::{
    clock::Time,
    error::{Error, Result},
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

impl Keyring {
    /// `key id.nonce and ciphertext`, which opens only for the same purpose and owner.
    pub fn seal(&self, purpose: Purpose, owner: &str, plain: &[u8]) -> Result<String> {
        let key = self.current(purpose);
        let mut sealed = plain.to_vec();
        let nonce = cipher(key.secret())?
            .seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut sealed)
            .map_err(|_| Error::internal("a value could not be sealed"))?;
        let bytes = [nonce.as_ref().as_slice(), &sealed].concat();
        Ok(format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub fn unseal(&self, purpose: Purpose, owner: &str, sealed: &str, now: Time) -> Result<Zeroizing<Vec<u8>>> {
        let broken = |why: &'static str| Error::internal(format!("a sealed value does not open: {why}"));
        let (id, text) = sealed.split_once('.').ok_or_else(|| broken("it names no key"))?;
        let key = self.find(purpose, id, now).ok_or_else(|| broken("its key is gone"))?;
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| broken("it is not base64"))?);
        let (nonce, body) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(|| broken("it is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("its nonce is not one"))?;
        let plain = cipher(key.secret())?
            .open_in_place(nonce, Aad::from(owner.as_bytes()), body)
            .map_err(|_| broken("it was altered, or belongs elsewhere"))?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

fn cipher(secret: &[u8]) -> Result<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, secret).map_err(|_| Error::internal("a key of the keyring is not one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_value_opens_for_its_owner_and_purpose_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Keyring::open_or_create(folder.path(), &Clock::system()).unwrap();
        let sealed = ring.seal(Purpose::Fields, "user:1", b"secret").unwrap();
        let opened =
            |purpose, owner, text: &str| ring.unseal(purpose, owner, text, Time(0)).ok().map(|plain| plain.to_vec());
        assert_eq!(opened(Purpose::Fields, "user:1", &sealed).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(opened(Purpose::Fields, "user:2", &sealed), None);
        assert_eq!(opened(Purpose::Presign, "user:1", &sealed), None);
        let (id, text) = sealed.split_once('.').unwrap();
        let altered = format!("{id}.{}{}", &text[..text.len() - 4], "AAAA");
        assert_eq!(opened(Purpose::Fields, "user:1", &altered), None);
        assert_eq!(opened(Purpose::Fields, "user:1", "short"), None);
        assert_ne!(ring.seal(Purpose::Fields, "user:1", b"secret").unwrap(), sealed);
    }
}
