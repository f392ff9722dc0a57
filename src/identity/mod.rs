//! Who somebody is: users, their passwords, sessions and tokens.

mod hasher;
mod password;

pub use hasher::{Hasher, Verified};
pub use password::{Password, Policy};
