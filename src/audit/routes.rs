//! `/audit`: look, verify and take out. Nothing here changes an event.

use super::{
    Ledger,
    event::Outcome,
    export::{Export, Format},
    masking::{Masking, SeenBy},
    store::{self, Filter, Shown},
    verify::{Checkpoint, Verdict, verify},
};
use crate::{
    clock::Time,
    error::{Error, Result},
    filter::CursorKey,
    ids::Id,
    permit::{
        Allowed, Route,
        rights::{ExportAudit, ReadAudit},
    },
    validate::FileName,
    web::{At, ListQuery, Page, Params},
};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION},
    web::{Bytes, Data, Json},
};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::Semaphore;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/audit", "Audit events, newest first", list),
        Route::get("/audit/verify", "Check the whole chain, and that it reaches a checkpoint", check)
            .gives::<Verdict>(200)
            .streams(),
        Route::get("/audit/export", "Audit events as JSON Lines or CSV, oldest first", export).streams(),
        Route::get("/audit/{seq}", "One audit event", show),
    ]
}

/// Parameters that narrow what is listed or exported, beside those of the route itself.
macro_rules! narrowed {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Deserialize, schemars::JsonSchema)]
        struct $name {
            $($field: Option<$type>,)*
            actor_id: Option<Id>,
            action: Option<String>,
            target_type: Option<String>,
            target_id: Option<String>,
            outcome: Option<Outcome>,
            from: Option<Time>,
            to: Option<Time>,
            request_id: Option<String>,
            elevation_id: Option<Id>,
        }

        impl $name {
            fn filter(&self) -> Filter {
                Filter {
                    actor_id: self.actor_id,
                    action: self.action.clone(),
                    target_type: self.target_type.clone(),
                    target_id: self.target_id.clone(),
                    outcome: self.outcome,
                    from: self.from,
                    to: self.to,
                    request_id: self.request_id.clone(),
                    elevation_id: self.elevation_id,
                }
            }
        }
    };
}

narrowed!(ListParams { limit: u32, cursor: String, count: bool });
narrowed!(ExportParams { format: Format });

async fn list(
    permit: Allowed<ReadAudit>,
    Params(asked): Params<ListParams>,
    ledger: Data<Ledger>,
    key: Data<CursorKey>,
    masking: Data<dyn Masking>,
) -> Result<Json<Page<Shown>>> {
    let who = SeenBy::new(masking.into_inner(), &permit);
    let limit = ListQuery { limit: asked.limit, ..ListQuery::default() }.limit()?;
    let page = ledger.db().read_off(move |r| {
        store::page(r, &asked.filter(), limit, asked.cursor.as_deref(), asked.count == Some(true), &key, Some(&who))
    });
    page.await.map(Json)
}

async fn show(
    permit: Allowed<ReadAudit>,
    At(seq): At<i64>,
    ledger: Data<Ledger>,
    masking: Data<dyn Masking>,
) -> Result<Json<Shown>> {
    let who = SeenBy::new(masking.into_inner(), &permit);
    let found = ledger.db().read(|r| store::find(r, seq, &who))?.ok_or_else(Error::not_found)?;
    found.shown().map(Json)
}

/// A check keeps a core busy: one at a time, so that the others go on serving.
static TURNS: Semaphore = Semaphore::const_new(1);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct CheckParams {
    head: Option<String>,
}

async fn check(
    _: Allowed<ReadAudit>,
    Params(asked): Params<CheckParams>,
    ledger: Data<Ledger>,
) -> Result<Json<Verdict>> {
    let checkpoint: Option<Checkpoint> = asked.head.map(|head| head.parse()).transpose()?;
    let turn = TURNS.acquire().await.map_err(Error::internal)?;
    let db = ledger.db().clone();
    let verdict = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        verify(&db, checkpoint.as_ref())
    });
    verdict.await.map_err(Error::internal)?.map(Json)
}

async fn export(
    permit: Allowed<ExportAudit>,
    Params(asked): Params<ExportParams>,
    ledger: Data<Ledger>,
    masking: Data<dyn Masking>,
) -> Result<HttpResponse> {
    let format = asked.format.unwrap_or_default();
    let who = SeenBy::new(masking.into_inner(), &permit).as_stored();
    let export = Export::begin(ledger.db(), asked.filter(), format)?.seen_by(who);
    let portions = stream::try_unfold(export, |mut export| async {
        let next = tokio::task::spawn_blocking(move || export.portion().map(|bytes| (bytes, export)));
        let (bytes, export) = next.await.map_err(Error::internal)??;
        Ok::<_, Error>(bytes.map(|bytes| (Bytes::from(bytes), export)))
    });
    let file: FileName = format!("audit.{}", format.extension()).parse().map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((CONTENT_DISPOSITION, file.disposition()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(portions))
}
