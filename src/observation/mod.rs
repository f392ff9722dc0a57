//! Observe mode: what a rule would have refused is let through, counted and listed, until the rule is enforced.

mod counted;
mod observations;
mod routes;
mod store;

pub use counted::{Example, Observation, Seen};
pub use observations::Observations;
pub use routes::routes;
