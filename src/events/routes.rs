//! `/events`: what changes, as it changes.

use super::{
    feed::Feed,
    sight::{Sight, types},
    stream::Listener,
};
use crate::{
    data::{entities::Entities, files::Files},
    error::Result,
    kill_switch::KillSwitch,
    permit::{Recheck, Route, SignedIn, unauthenticated},
    web::Params,
};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{Method, header},
    web::Data,
};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/events", "Changes as they happen, as server-sent events", listen).streams()]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct EventsQuery {
    /// `customers,orders`: only of these.
    types: Option<String>,
    /// For those who cannot send `Last-Event-ID`, as browsers with a new `EventSource`.
    last_event_id: Option<String>,
}

async fn listen(
    caller: SignedIn,
    request: HttpRequest,
    query: Params<EventsQuery>,
    feed: Data<Feed>,
    (entities, files): (Data<Entities>, Data<Files>),
    kill_switch: Data<KillSwitch>,
) -> Result<HttpResponse> {
    let EventsQuery { types: asked, last_event_id } = query.0;
    let recheck = request.extensions().get::<Recheck>().cloned().ok_or_else(unauthenticated)?;
    let sight = Sight {
        recheck,
        types: asked.map(|text| types(&text, &entities)).transpose()?,
        entities: entities.get_ref().clone(),
        files: files.get_ref().clone(),
        kill_switch: kill_switch.get_ref().clone(),
        caller: caller.caller,
    };
    sight.still()?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies would hold back what is small.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.finish());
    }
    let (place, end) = feed.enter(caller.principal.user_id)?;
    let sent = request.headers().get("last-event-id").map(|id| id.to_str().unwrap_or_default().to_owned());
    let wanted = sent.or(last_event_id).filter(|id| !id.is_empty());
    let mut listener = Listener { place, sight, position: end };
    let mut reset = false;
    if let Some(wanted) = wanted {
        listener.position = wanted.parse().ok().filter(|seq: &i64| *seq >= 0).unwrap_or(i64::MAX);
        reset = !listener.may_go_on().await?;
        if reset {
            listener.position = end;
        }
    }
    Ok(answer.streaming(listener.stream(reset)))
}
