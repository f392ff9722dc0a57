//! Calls that the server makes. Only public addresses are called, and those that the configuration allows; the
//! address that was judged is the one that is connected to. No redirects, no proxies, bounded time and answers.

mod address;
mod client;
mod failure;
mod guard;
mod target;

pub use client::{Answer, Limits, Outbound};
pub use failure::{Failure, Refused};
pub use guard::{Names, SystemNames};
pub use target::Target;

#[cfg(test)]
mod tests;
