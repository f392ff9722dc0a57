//! A content on its way out: whole or a range of it (RFC 9110, section 14), and nothing that a browser runs.

use super::{Files, kinds::Kind, model::File};
use crate::{
    error::{Code, Error, Result},
    validate::FileName,
    web::Precondition,
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{Method, StatusCode, header},
};
use std::ops::Range;

/// Nothing in it runs, nothing is loaded, and it has no origin.
const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

pub(super) async fn answer(
    files: &Files,
    file: &File,
    request: &HttpRequest,
    precondition: &Precondition,
) -> Result<HttpResponse> {
    let tag = format!("\"{}\"", file.sha256);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let range = range(request, &tag, file.size)?;
    let asked = range.clone().unwrap_or(0..file.size);
    // Asked for before the head goes out, so that one that is missing is told.
    let pieces = files.objects.read(&file.content, asked.clone()).await?;
    let name: FileName = file.name.parse().map_err(|_| Error::internal("a name that was not checked"))?;
    let charset = if Kind::named(&file.content_type).is_some_and(Kind::is_text) { "; charset=utf-8" } else { "" };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, format!("{}{charset}", file.content_type)))
        .insert_header((header::CONTENT_DISPOSITION, name.disposition()))
        .insert_header((header::CONTENT_SECURITY_POLICY, SANDBOX))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, tag));
    if let Some(range) = &range {
        let told = format!("bytes {}-{}/{}", range.start, range.end - 1, file.size);
        answer.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, told));
    }
    let length = asked.end - asked.start;
    if request.method() == Method::HEAD {
        drop(pieces);
        return Ok(answer.body(SizedStream::new(length, futures_util::stream::empty::<Result<bytes::Bytes>>())));
    }
    Ok(answer.body(SizedStream::new(length, pieces)))
}

/// The one range that is asked for. Several, or what is no range, are no condition: the whole is the answer.
fn range(request: &HttpRequest, tag: &str, size: u64) -> Result<Option<Range<u64>>> {
    let text = |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Ok(None);
    }
    match text(header::RANGE).and_then(|range| parse(range, size)) {
        Some(range) if range.is_empty() => {
            let detail = format!("The file has {size} bytes; none of those asked for is there.");
            Err(Error::new(Code::RangeNotSatisfiable, detail).with("complete_length", size))
        }
        range => Ok(range),
    }
}

/// Empty where none of the bytes asked for is there.
fn parse(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) || first.is_empty() && last.is_empty() {
        return None;
    }
    // What is too large to be a number lies behind every end.
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    if first.is_empty() {
        let length = number(last).min(size);
        return Some(size - length..size);
    }
    let (first, end) = (number(first), if last.is_empty() { size } else { number(last).saturating_add(1).min(size) });
    if !last.is_empty() && number(last) < first {
        return None;
    }
    Some(if first >= size { size..size } else { first..end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, range) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=4-99999999999999999999999", Some(4..10)),
            ("bytes=10-", Some(10..10)),
            ("bytes=-0", Some(10..10)),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("pages=1-2", None),
        ] {
            assert_eq!(parse(text, 10), range, "{text}");
        }
    }
}
