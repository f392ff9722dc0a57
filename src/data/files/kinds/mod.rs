//! What a content is, told from its bytes alone. What is nothing known, or is two things at once, is refused.

mod archive;
mod image;
mod media;
mod text;

use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

macro_rules! kinds {
    ($($name:ident = $mime:literal;)*) => {
        /// A type that files may have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($name),* }

        impl Kind {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            pub fn mime(self) -> &'static str {
                match self { $(Self::$name => $mime),* }
            }

            pub fn named(mime: &str) -> Option<Self> {
                match mime { $($mime => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    Png = "image/png";
    Jpeg = "image/jpeg";
    Gif = "image/gif";
    Webp = "image/webp";
    Pdf = "application/pdf";
    Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
    Odt = "application/vnd.oasis.opendocument.text";
    Ods = "application/vnd.oasis.opendocument.spreadsheet";
    Odp = "application/vnd.oasis.opendocument.presentation";
    Zip = "application/zip";
    Gzip = "application/gzip";
    Mp3 = "audio/mpeg";
    Mp4 = "video/mp4";
    Plain = "text/plain";
    Csv = "text/csv";
    Markdown = "text/markdown";
    Json = "application/json";
}

impl Kind {
    pub fn is_text(self) -> bool {
        matches!(self, Self::Plain | Self::Csv | Self::Markdown | Self::Json)
    }
}

/// What a content holds, as far as its kind lets it be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Details {
    /// Of images, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Of documents that say so in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
    /// Of CSV: rows of data below the first line, and cells of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<u64>,
    /// Of archives: what lies in them, and its bytes unpacked, as they themselves say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpacked_bytes: Option<u64>,
}

/// Why a content is not taken.
pub(super) type Unfit = &'static str;

/// Bytes at the start that tell a family.
pub(super) const HEAD: usize = 1024;

enum Family {
    Image(Kind),
    Pdf,
    Archive,
    Media(Kind),
    Text,
}

fn family(head: &[u8]) -> Result<Family, Unfit> {
    Ok(match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Family::Image(Kind::Png),
        [0xff, 0xd8, 0xff, ..] => Family::Image(Kind::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Family::Image(Kind::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Family::Image(Kind::Webp),
        [b'%', b'P', b'D', b'F', b'-', b'1'..=b'2', b'.', ..] => Family::Pdf,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Family::Archive,
        [0x1f, 0x8b, 8, ..] => Family::Media(Kind::Gzip),
        [b'I', b'D', b'3', 2..=4, ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => Family::Media(Kind::Mp3),
        [0, 0, 0, _, b'f', b't', b'y', b'p', ..] => Family::Media(Kind::Mp4),
        _ => return text::start(head).map(|()| Family::Text),
    })
}

/// Refuses early what its first bytes rule out.
pub(super) fn look(head: &[u8]) -> Result<(), Unfit> {
    family(head).map(drop)
}

/// What the whole content is. The name tells kinds of text apart, nothing else.
pub(super) fn tell(file: &mut File, name: &str) -> io::Result<Result<Kind, Unfit>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let family = match family(&head) {
        Ok(family) => family,
        Err(unfit) => return Ok(Err(unfit)),
    };
    match family {
        Family::Archive => return archive::tell(file, size),
        Family::Text => return text::tell(file, name),
        _ => {}
    }
    if archive::lies_at_the_end(file, size)? {
        return Ok(Err("It is an archive as well: whoever reads it from its end finds other contents."));
    }
    match family {
        Family::Image(kind) => image::check(file, kind, size).map(|checked| checked.map(|()| kind)),
        Family::Pdf => media::pdf(file, &head, size).map(|checked| checked.map(|()| Kind::Pdf)),
        Family::Media(kind) => Ok(media::check(&head).map(|()| kind)),
        Family::Archive | Family::Text => Ok(Err("unreachable")),
    }
}

/// What a content of a known kind holds.
pub(super) fn details(file: &mut File, kind: Kind) -> io::Result<Details> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    match kind {
        Kind::Png | Kind::Jpeg | Kind::Gif | Kind::Webp => {
            let found = image::dimensions(&mut BufReader::new(file), kind, size)?;
            Ok(Details {
                width: found.map(|(width, _)| width),
                height: found.map(|(_, height)| height),
                ..Details::default()
            })
        }
        Kind::Pdf => Ok(Details { pages: media::pages(file)?, ..Details::default() }),
        Kind::Plain | Kind::Markdown | Kind::Json => text::count(file),
        Kind::Csv => text::table(file),
        Kind::Gzip | Kind::Mp3 | Kind::Mp4 => Ok(Details::default()),
        _ => archive::count(file, size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FILE_TYPES;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn told(bytes: &[u8], name: &str) -> Result<&'static str, Unfit> {
        tell(&mut file(bytes), name).unwrap().map(Kind::mime)
    }

    pub(super) fn png(extra: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8; 4], data: &[u8]| {
            bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
            bytes.extend_from_slice(kind);
            bytes.extend_from_slice(data);
            bytes.extend_from_slice(&[0; 4]);
        };
        chunk(b"IHDR", &[0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
        chunk(b"tEXt", extra);
        chunk(b"IEND", &[]);
        bytes
    }

    const GIF: &[u8] = b"GIF89a\x05\0\x04\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x05\0\x04\0\0\x02\x02L\x01\0;";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x06JFIF\xff\xc0\0\x0b\x08\0\x07\0\x09\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\x12\xff\0\x34\xff\xd9";

    #[test]
    fn the_configuration_names_every_kind() {
        let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.mime()).collect();
        assert_eq!(all, FILE_TYPES);
        assert!(Kind::ALL.iter().all(|kind| Kind::named(kind.mime()) == Some(*kind)));
    }

    #[test]
    fn kinds_are_told_by_content_alone() {
        assert_eq!(told(&png(b"note"), "a.txt"), Ok("image/png"));
        assert_eq!(told(GIF, "a"), Ok("image/gif"));
        assert_eq!(told(JPEG, "a"), Ok("image/jpeg"));
        assert_eq!(told(b"plain words\n", "a.png"), Ok("text/plain"));
        assert_eq!(told("städte,größe\nKöln,1\n".as_bytes(), "a.CSV"), Ok("text/csv"));
        assert_eq!(told(b"{\"a\": 1}", "a.json"), Ok("application/json"));
        assert_eq!(told(b"not json", "a.json"), Ok("text/plain"));
        assert_eq!(told(b"%PDF-1.7\n1 0 obj <</Type /Page>> endobj\n%%EOF\n", "a"), Ok("application/pdf"));
    }

    #[test]
    fn what_is_two_things_is_refused() {
        let mut appended = png(b"note");
        appended.extend_from_slice(b"<html><script>alert(1)</script>");
        let gifar = [GIF, b"PK\x05\x06", &[0; 18]].concat();
        let jpeg_archive = [JPEG, b"PK\x05\x06", &[0; 18]].concat();
        let pdf_in_jpeg = [&JPEG[..20], b"%PDF-1.7", &JPEG[20..]].concat();
        for (bytes, what) in [
            (appended, "an image with a page behind it"),
            (png(b"<script>alert(1)</script>"), "an image with a script in a comment"),
            (png(b"x <?php system(1) ?>"), "an image with a program in a comment"),
            (gifar, "an image and an archive"),
            (jpeg_archive, "a photo and an archive"),
            (pdf_in_jpeg, "a photo and a document"),
            (b"GIF89a=1;alert(1)//".to_vec(), "a script that begins as an image"),
            (b"GIF89a/*\0\0\0\0,*/=1;alert(1);;".to_vec(), "a script in the form of an image"),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(), "a drawing with a script"),
            (b"<?xml version='1.0'?><svg/>".to_vec(), "a drawing"),
            (b"\xef\xbb\xbf \n<!DOCTYPE html><p>".to_vec(), "a page"),
            (b"<!-- x --><script>".to_vec(), "a script behind a comment"),
            (b"#!/bin/sh\nrm -rf /\n".to_vec(), "a program"),
            (b"\x7fELF\x02\x01\x01\0".to_vec(), "a program"),
            (b"MZ\x90\0\x03\0\0\0".to_vec(), "a program"),
            (b"words\0words".to_vec(), "text with a NUL"),
            (b"words \xff words".to_vec(), "text that is not UTF-8"),
            (b"%PDF-1.7\n<script>alert(1)</script>\n%%EOF".to_vec(), "a document with a page in it"),
            (b"%PDF-1.7 and no end".to_vec(), "a document without its end"),
            (b"PK\x03\x04 and nothing more".to_vec(), "an archive without its end"),
        ] {
            assert!(told(&bytes, "a.png").is_err(), "{what}");
        }
    }

    #[test]
    fn what_is_held_is_counted() {
        let held = |bytes: &[u8], kind| details(&mut file(bytes), kind).unwrap();
        let size = |details: Details| (details.width.unwrap(), details.height.unwrap());
        assert_eq!(size(held(&png(b""), Kind::Png)), (3, 2));
        assert_eq!(size(held(GIF, Kind::Gif)), (5, 4));
        assert_eq!(size(held(JPEG, Kind::Jpeg)), (9, 7));
        let counted = held(b"one two\nthree\n\nfour", Kind::Plain);
        assert_eq!((counted.lines, counted.words), (Some(4), Some(4)));
        let table = held(b"a,b\n1,\"x\ny\"\n2,z\n", Kind::Csv);
        assert_eq!((table.rows, table.columns), (Some(2), Some(2)));
        let pdf = b"%PDF-1.7 <</Type/Pages>> <</Type /Page>> <</Type/Page/X 1>> %%EOF";
        assert_eq!(held(pdf, Kind::Pdf).pages, Some(2));
    }
}
