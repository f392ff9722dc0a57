//! `/backups`: made, checked, taken out, removed.

use super::{
    Backups,
    model::{self, Backup},
};
use crate::{
    background::{Background, Job},
    error::{Error, Result},
    permit::{
        Allowed, Route,
        rights::{CreateBackups, DeleteBackups, ReadBackups},
    },
    validate::FileName,
    web::At,
};
use actix_web::{
    HttpResponse,
    body::SizedStream,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG},
    web::{Data, Json},
};
use futures_util::stream;
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/backups", "List backups, and how more come about", list).gives::<model::Backups>(200),
        Route::post("/backups", "Make a backup; the first answer carries the recovery key, this once", create)
            .gives::<Requested>(202),
        Route::get("/backups/{name}", "One backup", show).gives::<Backup>(200),
        Route::post("/backups/{name}/verify", "Put a backup into a scratch place and check it", verify)
            .gives::<Job>(202),
        Route::get("/backups/{name}/download", "The encrypted file itself", download).streams(),
        Route::delete("/backups/{name}", "Remove a backup", remove).ends(204),
    ]
}

/// The job that makes it.
#[derive(Serialize, schemars::JsonSchema)]
struct Requested {
    #[serde(flatten)]
    job: Job,
    /// Only where there was none before: it opens this backup and those after it. Nothing shows it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_key: Option<String>,
}

async fn off<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

async fn list(_: Allowed<ReadBackups>, backups: Data<Backups>) -> Result<Json<model::Backups>> {
    off(move || backups.list()).await.map(Json)
}

async fn create(
    allowed: Allowed<CreateBackups>,
    backups: Data<Backups>,
    background: Data<Background>,
) -> Result<HttpResponse> {
    let (made, actor) = (backups.clone(), allowed.actor());
    let key = off(move || made.first_recovery_key(&actor)).await?;
    let id = backups.request(&allowed.actor()).await?;
    let job = background.details(id)?.job;
    let answer = Requested { job, recovery_key: key.map(|key| key.shown()) };
    Ok(HttpResponse::Accepted().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

async fn show(_: Allowed<ReadBackups>, name: At<String>, backups: Data<Backups>) -> Result<HttpResponse> {
    let found = off(move || backups.find(&name.0)).await?;
    let tag = crate::web::etag(found.updated_at.millis(), 0);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(found))
}

async fn verify(
    allowed: Allowed<CreateBackups>,
    name: At<String>,
    backups: Data<Backups>,
    background: Data<Background>,
) -> Result<HttpResponse> {
    let (asked, sought) = (backups.clone(), name.0.clone());
    off(move || asked.find(&sought)).await?;
    let id = backups.request_check(&allowed.actor(), name.0).await?;
    Ok(HttpResponse::Accepted().json(background.details(id)?.job))
}

async fn download(allowed: Allowed<ReadBackups>, name: At<String>, backups: Data<Backups>) -> Result<HttpResponse> {
    let (asked, sought) = (backups.clone(), name.0.clone());
    let (size, portions) = off(move || asked.place.read(&sought)).await?;
    backups.note_download(&allowed.actor(), name.0.clone()).await?;
    let portions = stream::try_unfold(portions, move |mut portions| async move {
        off(move || Ok(portions.next()?.map(|bytes| (bytes, portions)))).await
    });
    let name: FileName = name.0.parse().map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, name.disposition()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(SizedStream::new(size, portions)))
}

async fn remove(allowed: Allowed<DeleteBackups>, name: At<String>, backups: Data<Backups>) -> Result<HttpResponse> {
    let actor = allowed.actor();
    off(move || backups.remove(&actor, &name.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}
