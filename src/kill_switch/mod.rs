//! The kill switch: refuses everything, or a part of it, at once. The state lives in the database and is
//! mirrored in memory, where each request looks; switching on works when the database does not.

mod file;
mod persist;
mod routes;
mod state;
mod switch;

pub use persist::Pending;
pub use routes::{routes, unknown_type};
pub use state::{By, Scope, State};
pub use switch::{Activation, KillSwitch, Visit};

#[cfg(test)]
mod tests;
