//! Text: UTF-8 without control characters, and nothing that a browser or a shell would run.

use super::{Details, Kind, Unfit};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
};

const UNKNOWN: Unfit = "Its content is of no known type, or is text that is not UTF-8.";
const MARKUP: Unfit = "Its content is markup, such as a page or a drawing, which browsers run.";
const PIECE: usize = 64 << 10;

/// What can be told from the first bytes of what begins like nothing else.
pub(super) fn start(head: &[u8]) -> Result<(), Unfit> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    match text {
        [b'<', b'!' | b'?' | b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] => Err(MARKUP),
        [b'#', b'!', ..] => Err("Its content is a program."),
        _ if head.iter().any(|byte| is_foreign(*byte)) => Err(UNKNOWN),
        _ => Ok(()),
    }
}

/// A byte that no text holds.
fn is_foreign(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c) || byte == 0x7f
}

pub(super) fn tell(file: &mut File, name: &str) -> io::Result<Result<Kind, Unfit>> {
    let (mut piece, mut first) = (Vec::with_capacity(PIECE), None);
    loop {
        let kept = piece.len();
        file.by_ref().take((PIECE - kept) as u64).read_to_end(&mut piece)?;
        let ended = piece.len() == kept;
        let valid = match std::str::from_utf8(&piece) {
            Ok(text) => text.len(),
            // A letter that the next piece completes.
            Err(cause) if cause.error_len().is_none() && !ended => cause.valid_up_to(),
            Err(_) => return Ok(Err(UNKNOWN)),
        };
        if piece.iter().any(|byte| is_foreign(*byte)) {
            return Ok(Err(UNKNOWN));
        }
        first = first.or_else(|| piece.trim_ascii_start().first().copied());
        if ended {
            return Ok(Ok(named(name, first)));
        }
        piece.drain(..valid);
    }
}

fn named(name: &str, first: Option<u8>) -> Kind {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv") => Kind::Csv,
        Some("md" | "markdown") => Kind::Markdown,
        Some("json") if matches!(first, Some(b'{' | b'[')) => Kind::Json,
        _ => Kind::Plain,
    }
}

pub(super) fn count(file: &mut File) -> io::Result<Details> {
    let mut reader = BufReader::with_capacity(PIECE, file);
    let (mut lines, mut words, mut in_word, mut last) = (0, 0, false, b'\n');
    loop {
        let buffer = reader.fill_buf()?;
        let Some(end) = buffer.last() else { break };
        last = *end;
        for byte in buffer {
            lines += u64::from(*byte == b'\n');
            let blank = byte.is_ascii_whitespace();
            words += u64::from(!blank && !in_word);
            in_word = !blank;
        }
        let length = buffer.len();
        reader.consume(length);
    }
    Ok(Details { lines: Some(lines + u64::from(last != b'\n')), words: Some(words), ..Details::default() })
}

/// Rows of any length are skipped byte by byte, so that none is held whole.
pub(super) fn table(file: &mut File) -> io::Result<Details> {
    let mut reader = BufReader::with_capacity(PIECE, file);
    let (mut parser, mut output, mut ends) = (csv_core(), [0; 4096], [0; 256]);
    let (mut rows, mut columns, mut cells) = (0_u64, None, 0_u64);
    loop {
        let buffer = reader.fill_buf()?;
        let (result, read, _, found) = parser.read_record(buffer, &mut output, &mut ends);
        reader.consume(read);
        cells += found as u64;
        match result {
            csv_core::ReadRecordResult::Record => {
                rows += 1;
                columns.get_or_insert(cells);
                cells = 0;
            }
            csv_core::ReadRecordResult::End => break,
            _ => {}
        }
    }
    let rows = Some(rows.saturating_sub(1));
    Ok(Details { rows, columns: Some(columns.unwrap_or(0)), ..Details::default() })
}

fn csv_core() -> csv_core::Reader {
    csv_core::Reader::new()
}
