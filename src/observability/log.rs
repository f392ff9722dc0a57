//! Structured logs on standard error. What is written of an event is one line, whatever a caller sent: no text
//! starts a line of its own, reaches the terminal or turns the line around.

use crate::{
    config::{Config, LogFormat, LogLevel},
    validate::one_line,
};
use std::{
    borrow::Cow,
    io::{self, Write},
    sync::OnceLock,
};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// Puts another filter into the log that was started.
type Reload = Box<dyn Fn(EnvFilter) + Send + Sync>;

static RELOAD: OnceLock<Reload> = OnceLock::new();

/// Starts the log of the process; later calls change nothing.
pub fn start(config: &Config) {
    let _ = log(config, io::stderr).try_init();
}

fn log<M>(config: &Config, out: M) -> Box<dyn Subscriber + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt().with_env_filter(filter(config.log.level)).with_writer(OneLineEach(out));
    match config.log.format {
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false).with_span_list(false);
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            let _ = RELOAD.set(Box::new(move |filter| drop(handle.reload(filter))));
            Box::new(log.finish())
        }
        LogFormat::Text => {
            let log = log.with_target(false).with_ansi(false).with_filter_reloading();
            let handle = log.reload_handle();
            let _ = RELOAD.set(Box::new(move |filter| drop(handle.reload(filter))));
            Box::new(log.finish())
        }
    }
}

/// Changes the least serious lines that are logged from now on.
pub fn set_level(level: LogLevel) {
    if let Some(reload) = RELOAD.get() {
        reload(filter(level));
    }
}

/// What a client sends that is no HTTP is no error of ours.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},actix_http=off", level.as_str()))
}

/// Passes events on as single lines; the formatter hands each one over as a whole.
struct OneLineEach<M>(M);

struct OneLine<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLineEach<M> {
    type Writer = OneLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        OneLine(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        match one_line(text.strip_suffix('\n').unwrap_or(&text)) {
            Cow::Borrowed(line) if line.len() + 1 == event.len() => self.0.write_all(event)?,
            line => self.0.write_all(format!("{line}\n").as_bytes())?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

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
            tracing::subscriber::with_default(log(&config, move || writer.clone()), || {
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
