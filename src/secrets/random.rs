//! Randomness from the operating system, by way of the one crypto library.

use crate::error::{Error, Result};
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness to be had"))?;
    Ok(bytes)
}

/// A secret of `bytes` random bytes as base64url text.
pub fn random_token(bytes: usize) -> Result<String> {
    let mut buffer = Zeroizing::new(vec![0; bytes]);
    rand::fill(&mut buffer).map_err(|_| Error::internal("no randomness to be had"))?;
    Ok(URL_SAFE_NO_PAD.encode(&*buffer))
}
