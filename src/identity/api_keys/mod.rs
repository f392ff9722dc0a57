//! Keys with which programs call, for people and for service accounts.

mod action;
mod keeper;
mod list;
mod model;
mod routes;
mod store;

pub use keeper::Keeper;
pub use model::{ApiKey, KeyChange, NewKey, Rotation};
pub(super) use model::{is_marked, looks_like_one};
pub use routes::routes;
pub(super) use store::{all, clean, find, load, of_owner, remove_all, used};
