//! Zip archives (APPNOTE 4.3), read from their directory as unpackers do: what it says has to be all that there is.

use super::{Details, Kind, Unfit};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

const END: &[u8; 4] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
/// The end and the longest comment behind it.
const TAIL: u64 = 22 + 65_535;
/// Bytes of a directory, at most.
const DIRECTORY: u64 = 16 << 20;

const BROKEN: Unfit = "It begins like an archive, but is none, or something lies before or behind it.";

struct Entry {
    name: Vec<u8>,
    unpacked: u64,
}

fn tail(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// Whether something that is no archive could be unpacked as one.
pub(super) fn lies_at_the_end(file: &mut File, size: u64) -> io::Result<bool> {
    let tail = tail(file, size)?;
    Ok(memchr::memmem::find_iter(&tail, END).any(|at| {
        let rest = tail.len() - at;
        rest >= END_LENGTH && usize::from(u16::from_le_bytes([tail[at + 20], tail[at + 21]])) <= rest - END_LENGTH
    }))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + N].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What the directory lists, when the archive fills the whole file; none of what is broken.
fn directory(file: &mut File, size: u64) -> io::Result<Option<Vec<Entry>>> {
    let tail = tail(file, size)?;
    let Some(at) = memchr::memmem::rfind(&tail, END).filter(|at| tail.len() - at >= END_LENGTH) else {
        return Ok(None);
    };
    let end = &tail[at..];
    let comment = number::<2>(end, 20) as usize;
    let (length, start) = (number::<4>(end, 12), number::<4>(end, 16));
    let position = size - (tail.len() - at) as u64;
    if end.len() != END_LENGTH + comment || length > DIRECTORY || start + length != position {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(start))?;
    let mut listed = vec![0; length as usize];
    file.read_exact(&mut listed)?;
    let (mut rest, mut entries) = (&listed[..], Vec::new());
    while !rest.is_empty() {
        if rest.len() < 46 || !rest.starts_with(b"PK\x01\x02") {
            return Ok(None);
        }
        let lengths = [28, 30, 32].map(|at| number::<2>(rest, at) as usize);
        let whole = 46 + lengths.iter().sum::<usize>();
        if rest.len() < whole {
            return Ok(None);
        }
        entries.push(Entry { name: rest[46..46 + lengths[0]].to_vec(), unpacked: number::<4>(rest, 24) });
        rest = &rest[whole..];
    }
    Ok((entries.len() as u64 == number::<2>(end, 10)).then_some(entries))
}

pub(super) fn tell(file: &mut File, size: u64) -> io::Result<Result<Kind, Unfit>> {
    let Some(entries) = directory(file, size)? else { return Ok(Err(BROKEN)) };
    let has = |name: &str| entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name.as_bytes()));
    let within = |folder: &str| entries.iter().any(|entry| entry.name.starts_with(folder.as_bytes()));
    let leads_out = |name: &[u8]| {
        let steps = name.split(|byte| matches!(byte, b'/' | b'\\'));
        name.starts_with(b"/") || name.contains(&0) || steps.clone().any(|step| step == b".." || step.ends_with(b":"))
    };
    if entries.iter().any(|entry| leads_out(&entry.name)) {
        return Ok(Err("It is an archive that would write outside of the folder it is unpacked in."));
    }
    if has("META-INF/MANIFEST.MF") || has("AndroidManifest.xml") {
        return Ok(Err("It is an archive that is a program."));
    }
    if entries.iter().any(|entry| entry.name.to_ascii_lowercase().ends_with(b"vbaproject.bin")) {
        return Ok(Err("It is a document with macros."));
    }
    if has("[Content_Types].xml") {
        let known = [("word/", Kind::Docx), ("xl/", Kind::Xlsx), ("ppt/", Kind::Pptx)];
        let found = known.into_iter().find(|(folder, _)| within(folder));
        return Ok(found.map_or(Ok(Kind::Zip), |(_, kind)| Ok(kind)));
    }
    open_document(file).map(|kind| Ok(kind.unwrap_or(Kind::Zip)))
}

/// `OpenDocument` (part 2, 3.3): the first entry is `mimetype`, stored as it is.
fn open_document(file: &mut File) -> io::Result<Option<Kind>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(128).read_to_end(&mut head)?;
    let Some(rest) = head.get(30..).and_then(|rest| rest.strip_prefix(b"mimetype")) else { return Ok(None) };
    let known = [Kind::Odt, Kind::Ods, Kind::Odp];
    Ok(known.into_iter().find(|kind| rest.starts_with(kind.mime().as_bytes())))
}

pub(super) fn count(file: &mut File, size: u64) -> io::Result<Details> {
    let entries = directory(file, size)?;
    Ok(Details {
        entries: entries.as_ref().map(|entries| entries.len() as u64),
        unpacked_bytes: entries.map(|entries| entries.iter().map(|entry| entry.unpacked).sum()),
        ..Details::default()
    })
}
