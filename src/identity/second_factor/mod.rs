//! The second factor: codes of an authenticator app (RFC 6238), and recovery codes for when it is lost.

mod action;
mod authenticator;
mod recovery;
mod routes;
mod store;

pub(super) use action::Given;
pub(super) use routes::routes;
pub(super) use store::{codes_left, remove as remove_all};
