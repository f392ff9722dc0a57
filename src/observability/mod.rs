//! What the instance says of itself: logs, and the traffic of the last hour.

mod log;
pub mod metrics;
mod traffic;

pub use log::{set_level, start as start_log};
pub use metrics::Metrics;
pub use traffic::{Point, Traffic};
