//! Keys of the instance, made at first start and kept in one file that only its owner can read.

mod keyring;
mod random;
mod seal;

pub use keyring::{Key, Keyring, Purpose};
pub use random::{random_bytes, random_token};
