//! What the instance says of itself: logs, and the traffic of the last hour.

mod log;
mod traffic;

pub use log::{set_level, start as start_log};
pub use traffic::{Point, Traffic};
