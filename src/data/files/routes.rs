//! Files over HTTP.

use super::{
    Files,
    action::New,
    download, list,
    model::{File, FileChange, Presign},
    presigned, store,
    upload::Form,
};
use crate::{
    error::{Code, Error, Result},
    filter::CursorKey,
    ids::Id,
    permit::{
        Allowed, LimitClass, Route, SignedIn,
        rights::{CreateFiles, DeleteFiles, ReadFiles, UpdateFiles},
    },
    web::{At, Deleted, ListQuery, Params, Precondition, Valid, etag},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use serde::Deserialize;

const WHY_OPEN: &str = "The signature in the address is the credential: for one method, one file and five minutes.";

pub fn routes() -> Vec<Route> {
    let signed = |route: Route| route.open(WHY_OPEN).refuses(&[Code::Forbidden]).limit(LimitClass::Uncounted).streams();
    vec![
        Route::get("/files", "List files", list),
        Route::post("/files", "Upload a file", upload).streams(),
        Route::post("/files/presign", "An address to upload or fetch one file without other credentials", presign),
        Route::get("/files/{id}", "One file", show),
        Route::patch("/files/{id}", "Rename a file, or tie it to another entity", change),
        Route::delete("/files/{id}", "Delete a file; it can be restored for a while", delete),
        Route::post("/files/{id}/restore", "Restore a deleted file", restore),
        Route::get("/files/{id}/content", "The content of a file", content).streams(),
        signed(Route::get("/files/{id}/presigned", "The content of a file, by a signed address", presigned::fetch)),
        signed(Route::put("/files/{id}/presigned", "Upload a file to a signed address", presigned::bring)),
    ]
}

pub(super) fn created(file: &File) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/files/{}", file.id)))
        .insert_header((header::ETAG, etag(file.version, 0)))
        .json(file)
}

fn shown(file: &File) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(file.version, 0))).json(file)
}

async fn list(
    permit: Allowed<ReadFiles>,
    query: Params<list::Query>,
    files: Data<Files>,
    cursors: Data<CursorKey>,
) -> Result<HttpResponse> {
    let sight = files.sight(&permit);
    let db = files.ledger.db().clone();
    let page = db.read_off(move |reader| list::page(reader, &sight, &query.0, &cursors)).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn upload(
    permit: Allowed<CreateFiles>,
    request: HttpRequest,
    body: Payload,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let Form { received, name, entity_id } = files.read_form(&request, body).await?;
    let file = files.keep(&permit, New { received, name, entity_id, upload: None }).await?;
    Ok(created(&file))
}

async fn presign(caller: SignedIn, body: Valid<Presign>, files: Data<Files>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(files.presign(&caller, body.0).await?))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ShowQuery {
    deleted: Option<String>,
}

async fn show(
    permit: Allowed<ReadFiles>,
    id: At<Id>,
    query: Params<ShowQuery>,
    precondition: Precondition,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let which = ListQuery { deleted: query.0.deleted, ..ListQuery::default() }.deleted()?;
    let sight = files.sight(&permit);
    let found = files.ledger.db().read(|reader| store::find(reader, &sight, id.0, which))?;
    let file = found.ok_or_else(Error::not_found)?;
    let tag = etag(file.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(shown(&file))
}

async fn change(
    permit: Allowed<UpdateFiles>,
    id: At<String>,
    precondition: Precondition,
    body: Valid<FileChange>,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let file = files.change(&permit, id.id()?, body.0, precondition).await?;
    Ok(shown(&file))
}

async fn delete(
    permit: Allowed<DeleteFiles>,
    id: At<Id>,
    precondition: Precondition,
    files: Data<Files>,
) -> Result<HttpResponse> {
    files.delete(&permit, id.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(
    permit: Allowed<DeleteFiles>,
    id: At<Id>,
    precondition: Precondition,
    files: Data<Files>,
) -> Result<HttpResponse> {
    Ok(shown(&files.restore(&permit, id.0, precondition).await?))
}

async fn content(
    permit: Allowed<ReadFiles>,
    id: At<Id>,
    request: HttpRequest,
    precondition: Precondition,
    files: Data<Files>,
) -> Result<HttpResponse> {
    let sight = files.sight(&permit);
    let found = files.ledger.db().read(|reader| store::find(reader, &sight, id.0, Deleted::Without))?;
    download::answer(&files, &found.ok_or_else(Error::not_found)?, &request, &precondition).await
}
