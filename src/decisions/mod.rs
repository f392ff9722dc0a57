//! Decisions as data: why a request was refused, check by check, for administrators and for a day at most.

mod access;
mod explain;
mod model;
mod ring;
mod routes;

pub use explain::{Explained, Outcome, Step};
pub use model::{Asked, Decision, Refused};
pub use ring::{Decisions, Question};
pub use routes::routes;
