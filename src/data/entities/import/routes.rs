//! Import over HTTP: the body is handed on as it comes, never held whole.

use super::{Format, Import, Mode};
use crate::{
    data::entities::write::Entities,
    error::{Code, Error, Result},
    permit::{Allowed, Route, rights::CreateEntity},
    web::{At, Pace, Params, ensure_plain, media_type},
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use serde::Deserialize;
use std::io::{self, Read};
use tokio::sync::mpsc;

pub fn routes() -> Vec<Route> {
    vec![Route::post("/entities/{type}/import", "Import entities from CSV or JSON Lines", import).streams()]
}

/// Bytes that are taken in after an import failed, at most.
const DISCARDED: usize = 64 << 20;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ImportQuery {
    mode: Option<Mode>,
    name_column: Option<String>,
    upsert_on: Option<String>,
}

async fn import(
    permit: Allowed<CreateEntity>,
    entity_type: At<String>,
    query: Params<ImportQuery>,
    request: HttpRequest,
    mut body: Payload,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let format = match media_type(&request).as_deref() {
        Some("text/csv") => Format::Csv,
        Some("application/x-ndjson") => Format::JsonLines,
        _ => return Err(Error::new(Code::UnsupportedMediaType, "Send the rows as text/csv or application/x-ndjson.")),
    };
    ensure_plain(&request)?;
    entities.types.require(&entity_type.0)?;
    let ImportQuery { mode, name_column, upsert_on } = query.0;
    let name_column = name_column.filter(|name| !name.is_empty());
    if name_column.is_some() && format != Format::Csv {
        return Err(Error::invalid_at("/name_column", "invalid", "A name column goes with text/csv only."));
    }
    let import = Import { format, mode: mode.unwrap_or_default(), name_column, upsert_on };
    let (sender, chunks) = mpsc::channel(8);
    let (entities, permit) = (entities.get_ref().clone(), permit.into_permit());
    let work = tokio::task::spawn_blocking(move || {
        let mut input = Input { chunks, current: Bytes::new(), ended: false };
        entities.import(&permit, &entity_type.0, &import, &mut input, &mut |_| Ok(()))
    });
    // The end is told only when it came: a sender that is gone before means that the rest is missing. When
    // nobody reads any more, the rest is taken in all the same, so that the client gets to hear why.
    let mut discarded = 0;
    let mut pace = Pace::start();
    let whole = loop {
        match pace.within(body.next()).await? {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(chunk)) => {
                let size = chunk.len();
                pace.received(size)?;
                if sender.send(Chunk::Data(chunk)).await.is_err() {
                    discarded += size;
                }
                if discarded > DISCARDED {
                    break false;
                }
            }
        }
    };
    if whole {
        let _ = sender.send(Chunk::End).await;
    }
    drop(sender);
    let report = work.await.map_err(Error::internal)??;
    Ok(HttpResponse::Ok().json(report))
}

enum Chunk {
    Data(Bytes),
    End,
}

/// The chunks of a body as something to read from.
struct Input {
    chunks: mpsc::Receiver<Chunk>,
    current: Bytes,
    ended: bool,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(Chunk::Data(chunk)) => self.current = chunk,
                Some(Chunk::End) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let size = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
