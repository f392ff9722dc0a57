//! Keys of the instance, made at first start and kept in one file that only its owner can read.

mod file;
mod keyring;
mod random;
mod rotate;
mod seal;

pub use keyring::{Key, KeyFacts, Keyring, Purpose};
pub use random::{random_bytes, random_token};
pub use rotate::{Rotated, UNTIL_UNUSED};
