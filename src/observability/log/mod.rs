//! Structured logs, on standard error or in a file, and the latest of them in memory. What is written of an event is
//! one line, whatever a caller sent: no text starts a line of its own, reaches the terminal or turns the line around.

mod file;
mod line;
mod routes;
mod tail;

pub use routes::routes;
pub(super) use tail::Said;

use super::sentry::{self, ErrorLayer};
use crate::config::{Config, LogFormat, LogLevel};
use file::LogFile;
use line::OneLineEach;
use std::{io, sync::OnceLock};
use tail::TailLayer;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

static RELOAD: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log of the process; later calls change nothing.
pub fn start(config: &Config) {
    let started = match &config.log.file {
        Some(path) => {
            let log = &config.log;
            let file = LogFile::open(path, u64::from(log.file_mb) << 20, log.files);
            log_to(config, file).try_init()
        }
        None => log_to(config, io::stderr).try_init(),
    };
    if started.is_ok() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            sentry::panicked(info);
        }));
    }
}

fn log_to<M>(config: &Config, out: M) -> Box<dyn Subscriber + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(config.log.level));
    let _ = RELOAD.set(handle);
    let lines = tracing_subscriber::fmt::layer().with_writer(OneLineEach(out));
    let lines = match config.log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => lines.with_target(false).with_ansi(false).boxed(),
    };
    Box::new(Registry::default().with(filter).with(lines).with(TailLayer).with(ErrorLayer))
}

/// Changes the least serious lines that are logged from now on.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = RELOAD.get() {
        let _ = handle.reload(filter(level));
    }
}

/// What a client sends that is no HTTP is no error of ours, and how the parts of a start go on is told where all is.
fn filter(level: LogLevel) -> EnvFilter {
    let parts = match level {
        LogLevel::Info => ",actix_server=warn,refinery_core=warn",
        _ => "",
    };
    EnvFilter::new(format!("{},actix_http=off{parts}", level.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::one_line;
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_in_both_formats() {
        let hostile = "x\r\n2026-01-31T12:00:00Z ERROR forged\u{1b}[2J\u{9b}A\u{85}\u{2028}\u{202e}\"}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let mut config = Config::default();
            config.log.format = format;
            let kept = Kept::default();
            let writer = kept.clone();
            tracing::subscriber::with_default(log_to(&config, move || writer.clone()), || {
                tracing::info!(shown = %hostile, debugged = ?hostile, plain = hostile, "{hostile}");
                tracing::info!("next");
            });
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            let lines: Vec<&str> = text.split('\n').collect();
            assert_eq!((lines.len(), lines[2]), (3, ""), "{text}");
            assert!(lines[1].contains("next"), "{text}");
            assert_eq!(one_line(lines[0]), lines[0]);
            if format == LogFormat::Json {
                let event: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
                assert_eq!((&event["plain"], &event["shown"]), (&hostile.into(), &hostile.into()));
            }
        }
    }
}
