//! `POST /files`: one file in a form (RFC 7578), read as it comes.

use super::{
    Files,
    receive::{Incoming, Received, too_large},
};
use crate::{
    error::{Code, Error, Result},
    ids::Id,
    validate::FileName,
    web::{Pace, media_type},
};
use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, error::PayloadError, http::header, web::Payload};
use bytes::Bytes;
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use std::{cell::Cell, rc::Rc};

/// What the form may weigh beside the file.
const AROUND: u64 = 64 << 10;
/// Bytes of a part that is no file.
const SMALL: usize = 100;
/// Bytes that are taken in after a refusal, at most, so that the client gets to hear why.
const DISCARDED: usize = 64 << 20;

/// What came in.
pub(super) struct Form {
    pub received: Received,
    pub name: FileName,
    pub entity_id: Option<Id>,
}

fn malformed(cause: &MultipartError) -> Error {
    if let MultipartError::Payload(_) | MultipartError::Incomplete = cause {
        return Error::invalid_at("", "incomplete", "The form broke off before its end. Nothing was kept.");
    }
    Error::invalid_at("", "malformed", "The body is not a form with parts as multipart/form-data has them.")
}

/// A name is refused where it, or what its escapes stand for, is no name.
pub(super) fn name(text: &str) -> Result<FileName> {
    let refused = |why: String| Error::invalid_at("/file", "invalid_name", format!("The name is not taken: {why}."));
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| refused("its escapes are not UTF-8".to_owned()))?;
    decoded.parse::<FileName>().map_err(|why| refused(why.to_string()))?;
    text.parse().map_err(|why: crate::validate::NotAFileName| refused(why.to_string()))
}

/// The length that a request announces, where that is over the limit already.
pub(super) fn check_length(request: &HttpRequest, most: u64, around: u64) -> Result<()> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let encoded = request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if encoded {
        return Err(Error::new(Code::UnsupportedMediaType, "Send the body without Content-Encoding."));
    }
    match announced {
        Some(length) if u64::saturating_add(most, around) < length => Err(too_large(most)),
        _ => Ok(()),
    }
}

impl Files {
    pub(super) async fn read_form(&self, request: &HttpRequest, body: Payload) -> Result<Form> {
        if media_type(request).as_deref() != Some("multipart/form-data") {
            return Err(Error::new(Code::UnsupportedMediaType, "Send the file as a part of multipart/form-data."));
        }
        let most = self.most();
        check_length(request, most, AROUND)?;
        let _turn = self.turn()?;
        let over = Rc::new(Cell::new(false));
        let form = Multipart::new(request.headers(), bounded(body, most + AROUND, over.clone()));
        let mut parts = Parts { form, ended: false };
        match self.read_parts(&mut parts, most).await {
            Err(_) if over.get() => Err(too_large(most)),
            Err(error) => {
                parts.drain().await;
                Err(error)
            }
            read => read,
        }
    }

    async fn read_parts(&self, parts: &mut Parts, most: u64) -> Result<Form> {
        let (mut file, mut entity_id) = (None, None);
        let mut pace = Pace::start();
        while let Some(mut part) = parts.next(&mut pace).await? {
            match part.name().unwrap_or_default() {
                "file" if file.is_none() => file = Some(self.read_file(&mut part, &mut pace, most).await?),
                "entity_id" if entity_id.is_none() => entity_id = Some(read_id(&mut part, &mut pace).await?),
                known @ ("file" | "entity_id") => {
                    let message = format!("The form has more than one part `{known}`.");
                    return Err(Error::invalid_at(format!("/{known}"), "repeated", message));
                }
                _ => {
                    let message = "The form has a part that is not known here; there are file, entity_id.";
                    return Err(Error::invalid_at("", "unknown_field", message));
                }
            }
        }
        let missing = || Error::invalid_at("/file", "required", "The form has no part `file` with a file in it.");
        let (received, name) = file.ok_or_else(missing)?;
        Ok(Form { received, name, entity_id: entity_id.flatten() })
    }

    async fn read_file(&self, part: &mut Field, pace: &mut Pace, most: u64) -> Result<(Received, FileName)> {
        let told = part.content_disposition().and_then(|told| {
            let plain = told.get_filename().map(str::to_owned);
            plain.or_else(|| String::from_utf8(told.get_filename_ext()?.value.clone()).ok())
        });
        let missing = || Error::invalid_at("/file", "required", "The part `file` has no filename.");
        let name = name(&told.ok_or_else(missing)?)?;
        let mut incoming = Incoming::begin(&self.incoming, most)?;
        while let Some(piece) = next(part, pace).await? {
            incoming.push(piece).await?;
        }
        Ok((incoming.finish().await?, name))
    }

    /// The right to take in one more file now.
    pub(super) fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let busy = |_| Error::unavailable("Too many uploads are under way. Try again in a few seconds.");
        self.turns.clone().try_acquire_owned().map_err(busy)
    }
}

fn boundary(cause: &MultipartError) -> Error {
    if let MultipartError::BoundaryMissing | MultipartError::ContentTypeParse = cause {
        return Error::new(Code::UnsupportedMediaType, "The Content-Type names no boundary between the parts.");
    }
    malformed(cause)
}

async fn next(part: &mut Field, pace: &mut Pace) -> Result<Option<Bytes>> {
    let Some(piece) = pace.within(part.next()).await? else { return Ok(None) };
    let piece = piece.map_err(|cause| malformed(&cause))?;
    pace.received(piece.len())?;
    Ok(Some(piece))
}

/// An empty one stands for none, as forms have it.
async fn read_id(part: &mut Field, pace: &mut Pace) -> Result<Option<Id>> {
    let invalid = || Error::invalid_at("/entity_id", "invalid", "This is not the id of an entity.");
    let mut text = Vec::new();
    while let Some(piece) = next(part, pace).await? {
        text.extend_from_slice(&piece);
        if text.len() > SMALL {
            return Err(invalid());
        }
    }
    let text = std::str::from_utf8(&text).map_err(|_| invalid())?.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| invalid()) }
}

/// The body, as long as it is within the limit; `over` says that it was not.
fn bounded(
    body: Payload,
    mut left: u64,
    over: Rc<Cell<bool>>,
) -> impl futures_util::Stream<Item = Result<Bytes, PayloadError>> + 'static {
    body.map(move |piece| {
        let piece = piece?;
        let Some(rest) = left.checked_sub(piece.len() as u64) else {
            over.set(true);
            return Err(PayloadError::Overflow);
        };
        left = rest;
        Ok(piece)
    })
}

/// The parts of a form; one that ended, or was none, is not asked again.
struct Parts {
    form: Multipart,
    ended: bool,
}

impl Parts {
    async fn next(&mut self, pace: &mut Pace) -> Result<Option<Field>> {
        if self.ended {
            return Ok(None);
        }
        let part = pace.within(self.form.next()).await?;
        self.ended = !matches!(part, Some(Ok(_)));
        part.transpose().map_err(|cause| boundary(&cause))
    }

    /// Takes in what still comes, within reason.
    async fn drain(&mut self) {
        let (mut pace, mut discarded) = (Pace::start(), 0);
        while let Ok(Some(mut part)) = self.next(&mut pace).await {
            while let Ok(Some(piece)) = next(&mut part, &mut pace).await {
                discarded += piece.len();
                if discarded > DISCARDED {
                    return;
                }
            }
        }
    }
}
