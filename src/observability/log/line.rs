//! What is written of an event is one line, whatever a caller sent.

use crate::validate::one_line;
use std::{
    borrow::Cow,
    io::{self, Write},
};
use tracing_subscriber::fmt::MakeWriter;

/// Passes events on as single lines; the formatter hands each one over as a whole.
pub(super) struct OneLineEach<M>(pub M);

pub(super) struct OneLine<W>(W);

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
