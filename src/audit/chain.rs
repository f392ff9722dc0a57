//! The hash chain: `hash = SHA-256(prev_hash ‖ "\n" ‖ event)` (FIPS 180-4), both hashes in lower-case hex.

use super::{
    details::{self, Detail},
    event::{Event, Record},
    follower::{Follower, Recorded},
};
use crate::{
    actor::Actor,
    clock::Time,
    error::{Error, Result},
    params,
    storage::Tx,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What the first event points back to.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash of an event that follows `prev_hash`.
pub fn link(prev_hash: &str, event: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(prev_hash);
    hasher.update(b"\n");
    hasher.update(event);
    hex::encode(hasher.finalize())
}

/// Adds the events behind the last one, as the transaction sees it.
pub(super) fn append(
    tx: &Tx<'_>,
    actor: &Actor,
    at: Time,
    record: &Record,
    followers: &[Arc<dyn Follower>],
) -> Result<()> {
    let events = match record {
        Record::One(event) => std::slice::from_ref(event),
        Record::Many(events) => events,
        Record::Unchanged => return Ok(()),
    };
    let named = details::is_named(actor);
    let sql = "SELECT seq, hash, (SELECT digest FROM audit_labels WHERE subject = ?1 AND label = ?2)
               FROM audit_events ORDER BY seq DESC LIMIT 1";
    let head = tx.query_one(sql, params![named, &*actor.label], |row| {
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<Option<String>>(2)?))
    })?;
    let (mut seq, mut prev, known) = head.unwrap_or_else(|| (0, GENESIS.to_owned(), None));
    let label = match named {
        Some(subject) if known.is_none() => Some(details::keep_label(tx, subject, &actor.label)?),
        _ => known,
    };
    for event in events {
        seq = seq.checked_add(1).ok_or_else(|| Error::internal("the last audit event has no number behind it"))?;
        prev = insert(tx, (actor, label.as_deref()), at, event, seq, &prev)?;
        for follower in followers {
            follower.recorded(tx, &Recorded { seq, at: event.at.unwrap_or(at), actor, event })?;
        }
    }
    Ok(())
}

fn insert(
    tx: &Tx<'_>,
    (actor, label): (&Actor, Option<&str>),
    at: Time,
    event: &Event,
    seq: i64,
    prev: &str,
) -> Result<String> {
    let detail = Detail::of(event)?;
    let text = event.to_json(seq, at, actor, label, detail.as_ref());
    let hash = link(prev, &text);
    tx.execute(
        "INSERT INTO audit_events (seq, at, actor_id, action, target_type, target_id, outcome, request_id, elevation_id, event,
                                   prev_hash, hash, changes, salt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            seq,
            event.at.unwrap_or(at),
            actor.id,
            &*event.action,
            event.target_type.as_deref(),
            event.target_id.as_deref(),
            event.outcome.as_str(),
            actor.request_id.as_deref(),
            actor.elevation,
            &text,
            prev,
            &hash,
            detail.as_ref().map(|detail| detail.text.as_str()),
            detail.as_ref().map(|detail| detail.salt.as_str()),
        ],
    )?;
    Ok(hash)
}
