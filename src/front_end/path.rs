//! From the path of a request to a file in the folder, and never out of it.

use super::answer::{File, Found};
use percent_encoding::percent_decode_str;
use rustix::{
    fs::{FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};
use std::{fs, io, os::fd::OwnedFd, path::Path};

/// The segments of a path: none is empty, hidden or a way up. The path of a folder ends with its page.
pub(super) struct FilePath {
    segments: Vec<String>,
    is_folder: bool,
}

const PAGE: &str = "index.html";

impl FilePath {
    /// From a path as it was sent; none where no file can be meant.
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.strip_prefix('/').unwrap_or(raw);
        let is_folder = raw.is_empty() || raw.ends_with('/');
        let raw = raw.strip_suffix('/').unwrap_or(raw);
        let mut segments = Vec::new();
        for segment in raw.split('/').filter(|_| !raw.is_empty()) {
            let segment = percent_decode_str(segment).decode_utf8().ok()?;
            let is_hidden = segment.starts_with('.') && !(segments.is_empty() && segment == ".well-known");
            let is_odd = segment.is_empty() || segment.chars().any(|c| matches!(c, '/' | '\\') || c.is_control());
            if is_hidden || is_odd {
                return None;
            }
            segments.push(segment.into_owned());
        }
        if is_folder {
            segments.push(PAGE.to_owned());
        }
        Some(Self { segments, is_folder })
    }

    /// In lower case, as far as that tells names of our own apart.
    pub fn first(&self) -> String {
        self.segments.first().map(|first| first.to_ascii_lowercase()).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// Whether it may be a page of a front end that makes its pages in the browser: it has no ending.
    pub fn is_page(&self) -> bool {
        self.is_folder || !self.name().contains('.')
    }
}

/// Opens the file. Links are followed to the folder, never inside it; a folder is only told of where it has a page.
pub(super) fn open(folder: &Path, path: &FilePath) -> io::Result<Option<Found>> {
    let found = walk(folder, path);
    match found {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::NAMETOOLONG | Errno::NXIO) => Ok(None),
        Err(cause) => Err(cause.into()),
        Ok(found) => Ok(found),
    }
}

fn walk(folder: &Path, path: &FilePath) -> rustix::io::Result<Option<Found>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut at: OwnedFd = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
    for segment in &path.segments {
        at = openat(&at, segment.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    let stat = fstat(&at)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some(Found::File(File::new(fs::File::from(at), path.name(), &stat)))),
        FileType::Directory => {
            openat(&at, PAGE, flags | OFlags::NOFOLLOW, Mode::empty())?;
            Ok(Some(Found::Folder))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_and_hide_what_is_hidden() {
        let segments = |raw: &str| FilePath::parse(raw).map(|path| path.segments.join("|"));
        assert_eq!(segments("/").as_deref(), Some("index.html"));
        assert_eq!(segments("/a/b%20c.js").as_deref(), Some("a|b c.js"));
        assert_eq!(segments("/docs/").as_deref(), Some("docs|index.html"));
        assert_eq!(segments("/.well-known/x").as_deref(), Some(".well-known|x"));
        for bad in [
            "/../x",
            "/a/../x",
            "/%2e%2e/x",
            "/.env",
            "/a/.git/config",
            "/%2Eenv",
            "//x",
            "/a//b",
            "/a%2Fb",
            "/a\\b",
            "/a%5c..%5cb",
            "/a%00b",
            "/%ff",
            "/a/.well-known/x",
            "/..",
            "/.",
        ] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }
}
