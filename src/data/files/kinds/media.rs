//! Documents, sound, film and packed files: known by their start, looked at for what would make them something else.

use super::{Unfit, image::is_active};
use regex::bytes::Regex;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::LazyLock,
};

/// Readers look for the end of a document in so many bytes.
const TAIL: u64 = 2048;

static PAGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"/Type\s*/Page[^a-zA-Z]").expect("the pattern is well"));

pub(super) fn check(head: &[u8]) -> Result<(), Unfit> {
    if is_active(head) || memchr::memmem::find(head, b"%PDF-").is_some() {
        return Err("It holds a page, a script or a document where other programs would find it.");
    }
    Ok(())
}

pub(super) fn pdf(file: &mut File, head: &[u8], size: u64) -> io::Result<Result<(), Unfit>> {
    if is_active(head) {
        return Ok(Err("It is a document with a page or a script at its start."));
    }
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    if memchr::memmem::find(&tail, b"%%EOF").is_none() {
        return Ok(Err("It begins like a PDF document, but its end is missing."));
    }
    Ok(if is_active(&tail) { Err("It is a document with a page or a script at its end.") } else { Ok(()) })
}

/// Pages that stand in clear; none where they are packed.
pub(super) fn pages(file: &mut File) -> io::Result<Option<u64>> {
    const OVERLAP: usize = 64;
    let (mut window, mut pages) = (Vec::new(), 0);
    loop {
        let kept = window.len();
        file.by_ref().take(64 << 10).read_to_end(&mut window)?;
        let ended = window.len() == kept;
        // What begins in the overlap is counted with the next window, which holds all of it.
        let border = if ended { window.len() } else { window.len().saturating_sub(OVERLAP) };
        pages += PAGE.find_iter(&window).filter(|found| found.start() < border).count() as u64;
        if ended {
            return Ok((pages > 0).then_some(pages));
        }
        window.drain(..border);
    }
}
