//! Who somebody is: users, their passwords, sessions and tokens.

mod email;
mod hasher;
mod lockout;
mod password;
mod token;

pub use email::Email;
pub use hasher::{Hasher, Verified};
pub use lockout::Lockout;
pub use password::{Password, Policy};
pub use token::{Claims, Tokens};
