//! The doors that a signed address opens.

use super::{
    Files,
    action::New,
    download,
    presign::{Signed, refused},
    receive::{Incoming, too_large},
    routes::created,
    upload::check_length,
};
use crate::{
    error::{Error, Result},
    ids::Id,
    permit::{
        Public,
        rights::{CreateFiles, ReadFiles},
    },
    validate::FileName,
    web::{Pace, Params, Precondition, media_type},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use futures_util::StreamExt;
use std::sync::PoisonError;

fn read(request: &HttpRequest) -> Result<(Id, Signed)> {
    let id = request.match_info().get("id").and_then(|id| id.parse().ok());
    let signed = Params::<Signed>::read(request).ok();
    id.zip(signed.map(|signed| signed.0)).ok_or_else(|| refused("It is not an address as they are handed out."))
}

pub(super) async fn fetch(
    anyone: Public,
    request: HttpRequest,
    precondition: Precondition,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let (id, signed) = read(&request)?;
    let permit = || files.signer(&signed, &anyone.caller)?.permit::<ReadFiles>(None);
    let file = files.signed_file(id, &signed, permit)?;
    download::answer(&files, &file, &request, &precondition).await
}

/// The address is this request's own until it is dropped.
struct Mine<'f>(&'f Files, Id);

impl Drop for Mine<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

pub(super) async fn bring(
    anyone: Public,
    request: HttpRequest,
    body: Payload,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let (id, signed) = read(&request)?;
    let upload = files.agreed(id, &signed)?;
    let permit = files.signer(&signed, &anyone.caller)?.permit::<CreateFiles>(None)?;
    if media_type(&request).is_some_and(|given| given != upload.content_type) {
        return Err(refused("It was signed for another content type."));
    }
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length != upload.size) {
        check_length(&request, upload.size, 0)?;
        return Err(refused("It was signed for another size."));
    }
    check_length(&request, upload.size, 0)?;
    if !files.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
        return Err(Error::conflict("An upload to this address is under way already."));
    }
    let _mine = Mine(&files, id);
    let _turn = files.turn()?;
    let received = receive(&files, body, upload.size).await?;
    if received.size != upload.size {
        let detail = format!("{} bytes came, while {} were agreed on.", received.size, upload.size);
        return Err(Error::invalid_at("/file", "wrong_size", detail));
    }
    let name: FileName = upload.name.parse().map_err(|_| Error::internal("a name that was not checked"))?;
    let new = New { received, name, entity_id: upload.entity_id, upload: Some(upload) };
    Ok(created(&files.keep(&permit, new).await?))
}

async fn receive(files: &Files, mut body: Payload, most: u64) -> Result<super::receive::Received> {
    let mut incoming = Incoming::begin(&files.incoming, most)?;
    let mut pace = Pace::start();
    while let Some(piece) = pace.within(body.next()).await? {
        let piece = piece.map_err(|_| Error::invalid_at("", "incomplete", "The content broke off before its end."))?;
        pace.received(piece.len())?;
        let outcome = incoming.push(piece).await;
        if let Err(error) = outcome {
            // Whoever sends more than was agreed on does not get to send all of it.
            if error.code() != too_large(most).code() {
                drain(body, pace).await;
            }
            return Err(error);
        }
    }
    incoming.finish().await
}

/// Takes in the rest of what was agreed on, so that the client gets to hear why it is refused.
async fn drain(mut body: Payload, mut pace: Pace) {
    while let Ok(Some(Ok(piece))) = pace.within(body.next()).await {
        if pace.received(piece.len()).is_err() {
            return;
        }
    }
}
