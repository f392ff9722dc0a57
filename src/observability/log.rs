//! Structured logs on standard error. Values are escaped by the formatter, so that nothing a caller
//! sends can start a line of its own.

use crate::config::{Config, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts the log of the process; later calls change nothing.
pub fn start(config: &Config) {
    // What a client sends that is no HTTP is no error of ours.
    let filter = EnvFilter::new(format!("{},actix_http=off", config.log.level.as_str()));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match config.log.format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => log.with_target(false).with_ansi(false).try_init(),
    };
}
