//! Images, walked from their first byte to their last: nothing may lie behind the end, and no markup in between.

use super::{Kind, Unfit};
use aho_corasick::AhoCorasick;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    sync::LazyLock,
};

const BROKEN: Unfit = "It begins like an image, but is none, or something lies behind its end.";
const MARKUP: Unfit = "It is an image with a page, a script or a program in it.";
/// Chunks of an image, at most.
const MOST: u32 = 1_000_000;

/// What a browser or an interpreter would take for more than an image. Long enough not to occur by chance.
static ACTIVE: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let words = [
        "<script",
        "<html>",
        "<html ",
        "<!doctype",
        "<iframe",
        "<object ",
        "<svg xmlns",
        "<svg on",
        "<body>",
        "<body ",
        "<?php ",
        "<?php\n",
        "<?php\r",
        "javascript:",
    ];
    AhoCorasick::builder().ascii_case_insensitive(true).build(words).expect("the words are well")
});

pub(super) fn is_active(bytes: &[u8]) -> bool {
    ACTIVE.is_match(bytes)
}

pub(super) fn check(file: &mut File, kind: Kind, size: u64) -> io::Result<Result<(), Unfit>> {
    file.seek(SeekFrom::Start(0))?;
    if dimensions(&mut BufReader::new(&mut *file), kind, size)?.is_none() {
        return Ok(Err(BROKEN));
    }
    file.seek(SeekFrom::Start(0))?;
    let mut head = vec![0; super::HEAD.min(size as usize)];
    file.read_exact(&mut head)?;
    if memchr::memmem::find(&head, b"%PDF-").is_some() {
        return Ok(Err("It is a document as well: readers look for one in the first bytes."));
    }
    file.seek(SeekFrom::Start(0))?;
    let found = ACTIVE.stream_find_iter(BufReader::new(file)).next().transpose()?;
    Ok(if found.is_some() { Err(MARKUP) } else { Ok(()) })
}

/// Width and height of an image that is whole; none of one that is not.
pub(super) fn dimensions(reader: &mut (impl BufRead + Seek), kind: Kind, size: u64) -> io::Result<Option<(u32, u32)>> {
    let walked = match kind {
        Kind::Png => png(reader, size),
        Kind::Gif => gif(reader, size),
        Kind::Jpeg => jpeg(reader),
        _ => webp(reader, size),
    };
    match walked {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(None),
        walked => walked.map(|found| found.filter(|(width, height)| *width > 0 && *height > 0)),
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// PNG (W3C, 5.2): chunks of a length, a name, data and a checksum, from IHDR to IEND.
fn png(reader: &mut (impl BufRead + Seek), size: u64) -> io::Result<Option<(u32, u32)>> {
    let mut at = 8;
    let mut found = None;
    reader.seek_relative(8)?;
    for number in 0..MOST {
        let length = u32::from_be_bytes(take(reader)?);
        let name: [u8; 4] = take(reader)?;
        at += 12 + u64::from(length);
        if at > size || (number == 0) != (&name == b"IHDR") {
            return Ok(None);
        }
        if number == 0 {
            if length != 13 {
                return Ok(None);
            }
            found = Some((u32::from_be_bytes(take(reader)?), u32::from_be_bytes(take(reader)?)));
            reader.seek_relative(5 + 4)?;
        } else {
            reader.seek_relative(i64::from(length) + 4)?;
        }
        if &name == b"IEND" {
            return Ok(found.filter(|_| length == 0 && at == size));
        }
    }
    Ok(None)
}

/// GIF (version 89a, 15 to 27): blocks, each a row of sub-blocks that ends with an empty one, up to the trailer.
fn gif(reader: &mut (impl BufRead + Seek), size: u64) -> io::Result<Option<(u32, u32)>> {
    reader.seek_relative(6)?;
    let [w0, w1, h0, h1, flags, _, _] = take(reader)?;
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    reader.seek_relative(table(flags))?;
    for _ in 0..MOST {
        match take(reader)? {
            [0x21] => reader.seek_relative(1)?,
            [0x2c] => {
                let [.., flags] = take::<9>(reader)?;
                reader.seek_relative(table(flags) + 1)?;
            }
            [0x3b] => {
                let whole = reader.stream_position()? == size;
                return Ok(whole.then(|| (u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into())));
            }
            _ => return Ok(None),
        }
        loop {
            let [length] = take(reader)?;
            if length == 0 {
                break;
            }
            reader.seek_relative(length.into())?;
        }
    }
    Ok(None)
}

/// JPEG (ITU T.81, annex B): segments with a length, and coded data in which every FF is followed by 00 or a restart.
/// Cameras put previews behind the end, so that what lies there is looked through for markup and archives alone.
fn jpeg(reader: &mut (impl BufRead + Seek)) -> io::Result<Option<(u32, u32)>> {
    reader.seek_relative(2)?;
    let mut found = None;
    for _ in 0..MOST {
        let mut marker = take::<1>(reader)?[0];
        if marker != 0xff {
            return Ok(None);
        }
        while marker == 0xff {
            [marker] = take(reader)?;
        }
        match marker {
            0xd9 => return Ok(found),
            0x01 | 0xd0..=0xd7 => continue,
            0 | 0xd8 => return Ok(None),
            _ => {}
        }
        let length = i64::from(u16::from_be_bytes(take(reader)?)) - 2;
        if length < 0 {
            return Ok(None);
        }
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) && length >= 6 {
            let [_, h0, h1, w0, w1, _] = take(reader)?;
            found = Some((u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into()));
            reader.seek_relative(length - 6)?;
        } else {
            reader.seek_relative(length)?;
        }
        if marker == 0xda {
            skip_coded(reader)?;
        }
    }
    Ok(None)
}

/// Up to the next marker that ends coded data; it is left to be read.
fn skip_coded(reader: &mut (impl BufRead + Seek)) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let Some(at) = memchr::memchr(0xff, buffer) else {
            let length = buffer.len();
            reader.consume(length);
            continue;
        };
        reader.consume(at + 1);
        match take(reader)? {
            [0 | 0xd0..=0xd7] => {}
            // A run of FF: the last of them may begin a marker.
            [0xff] => reader.seek_relative(-1)?,
            _ => return reader.seek_relative(-2),
        }
    }
}

/// WebP (RFC 9649): one RIFF container of the file's whole length.
fn webp(reader: &mut (impl BufRead + Seek), size: u64) -> io::Result<Option<(u32, u32)>> {
    reader.seek_relative(4)?;
    let whole = u64::from(u32::from_le_bytes(take(reader)?)) + 8;
    reader.seek_relative(4)?;
    let name: [u8; 4] = take(reader)?;
    reader.seek_relative(4)?;
    let body: [u8; 10] = take(reader)?;
    if whole + (whole & 1) != size && whole != size {
        return Ok(None);
    }
    let small = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
    Ok(match &name {
        b"VP8X" => {
            let length = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], 0]) + 1;
            Some((length(4), length(7)))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes([body[1], body[2], body[3], body[4]]);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1)).filter(|_| body[0] == 0x2f)
        }
        b"VP8 " => {
            let sides = (small(body[6], body[7]) & 0x3fff, small(body[8], body[9]) & 0x3fff);
            Some(sides).filter(|_| body[3..6] == [0x9d, 0x01, 0x2a])
        }
        _ => None,
    })
}
