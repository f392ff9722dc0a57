//! A file as an answer: type, validators, parts, policy.

use super::range::{Part, part};
use crate::error::{Error, Result};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{self, HttpDate},
    },
    web,
};
use bytes::Bytes;
use futures_util::stream;
use rustix::fs::Stat;
use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    time::{Duration, SystemTime},
};

/// What is read at once.
const CHUNK: u64 = 64 << 10;
/// What pages may load unless `server.public_csp` says otherwise: they share the console's origin.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    font-src 'self' data:; base-uri 'self'; object-src 'none'; frame-ancestors 'none'; form-action 'self'";

pub(super) enum Found {
    File(File),
    /// A folder with a page of its own, asked for without the slash at its end.
    Folder,
}

pub(super) struct File {
    bytes: fs::File,
    size: u64,
    modified: SystemTime,
    kind: String,
    tag: String,
}

impl File {
    pub fn new(bytes: fs::File, name: &str, stat: &Stat) -> Self {
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let is_text = is_text(&kind);
        let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
        let validator = format!("\"{:x}-{:x}-{seconds:x}.{:x}\"", stat.st_ino, stat.st_size, stat.st_mtime_nsec);
        Self {
            bytes,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            kind: if is_text { format!("{kind}; charset=utf-8") } else { kind.to_string() },
            // The same text is sent compressed and plain.
            tag: if is_text { format!("W/{validator}") } else { validator },
        }
    }

    /// Whether the caller has it already (RFC 9110, section 13.2.2).
    fn is_known(&self, request: &HttpRequest) -> bool {
        if let Some(tags) = text(request, header::IF_NONE_MATCH) {
            let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(&self.tag));
        }
        text(request, header::IF_MODIFIED_SINCE)
            .and_then(|date| date.parse::<HttpDate>().ok())
            .is_some_and(|date| self.modified <= SystemTime::from(date))
    }

    /// The part that is asked for, of the file that the caller began with.
    fn part(&self, request: &HttpRequest) -> Part {
        let is_same = text(request, header::IF_RANGE).is_none_or(|known| known == self.tag && !known.starts_with("W/"));
        let range = text(request, header::RANGE).filter(|_| is_same && *request.method() == Method::GET);
        part(range, self.size)
    }
}

/// What is compressed on its way, and has a character set.
fn is_text(kind: &mime_guess::Mime) -> bool {
    let (subtype, suffix) = (kind.subtype().as_str(), kind.suffix().map(|suffix| suffix.as_str()));
    kind.type_() == "text"
        || matches!(subtype, "javascript" | "json" | "xml" | "wasm-text")
        || matches!(suffix, Some("xml" | "json"))
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn answer(request: &HttpRequest, mut file: File, policy: Option<&str>) -> Result<HttpResponse> {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::ETAG, file.tag.clone()))
        .insert_header((header::LAST_MODIFIED, HttpDate::from(file.modified)))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy.unwrap_or(POLICY)));
    if file.is_known(request) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let (first, length) = match file.part(request) {
        Part::Whole => (0, file.size),
        Part::Bytes { first, last } => {
            let range = format!("bytes {first}-{last}/{}", file.size);
            answer.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, range));
            (first, last - first + 1)
        }
        Part::Outside => {
            answer.insert_header((header::CONTENT_RANGE, format!("bytes */{}", file.size)));
            return Ok(answer.status(StatusCode::RANGE_NOT_SATISFIABLE).finish());
        }
    };
    answer.content_type(file.kind.clone());
    if first > 0 {
        file.bytes.seek(SeekFrom::Start(first)).map_err(Error::internal)?;
    }
    Ok(answer.body(SizedStream::new(length, read(file.bytes, length))))
}

/// The next `left` bytes, read off the event loop. A file that became shorter meanwhile ends the connection.
fn read(file: fs::File, left: u64) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let size = left.min(CHUNK) as usize;
        let (file, piece) = web::block(move || {
            let mut piece = vec![0; size];
            file.read_exact(&mut piece).map(|()| (file, piece))
        })
        .await
        .map_err(io::Error::other)??;
        Ok(Some((Bytes::from(piece), (file, left - size as u64))))
    })
}
