//! What the instance says of itself: logs, and the traffic of the last hour.

mod log;
pub mod metrics;
mod security;
pub mod sentry;
#[cfg(feature = "opentelemetry")]
pub mod telemetry;
mod traffic;

pub use log::{routes, set_level, start as start_log};
pub use metrics::Metrics;
pub use security::SecurityLog;
pub use traffic::{Point, Traffic};
