//! Sessions: one log-in on one device, with everything that was issued for it.

mod action;
mod cookie;
mod device;
mod routes;
mod store;

pub(super) use action::{Checked, wrong_credentials};
pub use action::{Closed, Requester};
pub use cookie::CookieName;
pub(super) use routes::requester;
pub use routes::routes;
pub(super) use store::{By, Loaded, clean, clean_tokens, end_all, end_everybodys, kept_of, load, remove_all, used};
