//! Who wants to hear of what, in memory, and the queueing of what they hear.

use super::{
    deliveries::{self, Outgoing},
    filter::Filter,
    pattern::Pattern,
    store,
};
use crate::{
    actor::ActorKind,
    audit::{Event, Follower, Ledger, Outcome, Recorded},
    clock::Time,
    error::{Error, Result},
    ids::Id,
    storage::{Reader, Tx},
};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Deliveries of one webhook that wait, at most. What comes beyond is counted and not queued.
const MOST_PENDING: i64 = 10_000;

/// What a webhook wants to hear of.
pub(super) struct Subscription {
    pub webhook_id: Id,
    pub events: Vec<Pattern>,
    pub filter: Filter,
}

impl Subscription {
    fn hears(&self, reader: &Reader<'_>, event: &Event) -> Result<bool> {
        Ok(self.events.iter().any(|pattern| pattern.matches(&event.action)) && self.filter.passes(reader, event)?)
    }
}

pub(super) struct Subscriptions(Arc<ArcSwap<Vec<Subscription>>>);

impl Subscriptions {
    pub fn load(ledger: &Ledger) -> Result<Self> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(ledger.db().read(store::active)?))))
    }

    /// Takes over what the change under way leaves behind, once it is committed.
    pub fn refresh(&self, tx: &Tx<'_>) -> Result<()> {
        let (next, shared) = (Arc::new(store::active(tx)?), self.0.clone());
        tx.after_commit(move || shared.store(next));
        Ok(())
    }
}

impl Follower for Subscriptions {
    fn recorded(&self, tx: &Tx<'_>, recorded: &Recorded<'_>) -> Result<()> {
        let active = self.0.load();
        if active.is_empty() {
            return Ok(());
        }
        let action = &*recorded.event.action;
        for hook in active.iter() {
            let webhook_id = hook.webhook_id;
            if hook.hears(tx, recorded.event)? && store::admit(tx, webhook_id, MOST_PENDING)? {
                let message_id = Id::new();
                let body = thin(message_id, recorded)?;
                let message = Outgoing { webhook_id, message_id, replay_of: None, action, body: &body };
                deliveries::enqueue(tx, &message, recorded.at)?;
            }
        }
        Ok(())
    }
}

/// Who or what, without a name or an address: those are for whoever may read them.
#[derive(Serialize)]
struct Reference<'a, T> {
    r#type: T,
    id: Option<&'a str>,
}

/// What happened to what, without its contents: whoever hears of it asks the API for more, with rights of their own.
#[derive(Serialize)]
struct Thin<'a> {
    id: Id,
    r#type: &'a str,
    at: Time,
    action: &'a str,
    seq: Option<i64>,
    target: Option<Reference<'a, &'a str>>,
    version: Option<i64>,
    actor: Reference<'a, ActorKind>,
    outcome: Outcome,
    request_id: Option<&'a str>,
}

fn thin(id: Id, recorded: &Recorded<'_>) -> Result<String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<i64>,
    }
    let Recorded { seq, at, actor, event } = *recorded;
    let after = event.after.as_deref();
    let version = after.and_then(|after| serde_json::from_str::<Versioned>(after.get()).ok()?.version);
    let actor_id = actor.id.map(|id| id.to_string());
    let whole = Thin {
        id,
        r#type: &event.action,
        at,
        action: &event.action,
        seq: Some(seq),
        target: event.target_type.as_deref().map(|r#type| Reference { r#type, id: event.target_id.as_deref() }),
        version,
        actor: Reference { r#type: actor.kind, id: actor_id.as_deref() },
        outcome: event.outcome,
        request_id: actor.request_id.as_deref(),
    };
    serde_json::to_string(&whole).map_err(Error::internal)
}

/// The action of a delivery that somebody asked for to try a webhook out.
pub(super) const TEST: &str = "webhook.test";

pub(super) fn test_body(id: Id, hook: Id, at: Time, actor: &crate::actor::Actor) -> Result<String> {
    let (hook, actor_id) = (hook.to_string(), actor.id.map(|id| id.to_string()));
    let whole = Thin {
        id,
        r#type: TEST,
        at,
        action: TEST,
        seq: None,
        target: Some(Reference { r#type: "webhook", id: Some(&hook) }),
        version: None,
        actor: Reference { r#type: actor.kind, id: actor_id.as_deref() },
        outcome: Outcome::Success,
        request_id: actor.request_id.as_deref(),
    };
    serde_json::to_string(&whole).map_err(Error::internal)
}
