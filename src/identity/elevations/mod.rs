//! Break-glass: a proof and a reason give one session everything for at most an hour; everything done is marked,
//! and somebody else reviews it.

mod action;
mod ending;
mod list;
mod model;
mod review;
mod routes;
mod store;

pub(super) use ending::WithRoles;
pub(super) use model::{Cause, may_elevate};
pub use model::{Elevation, Review, Waiting};
pub use routes::routes;
pub(super) use store::{elevated_users, running};
