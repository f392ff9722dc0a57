//! The hash chain: `hash = SHA-256(prev_hash ‖ "\n" ‖ event)` (FIPS 180-4), both hashes in lower-case hex.

use super::{
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
    let head = tx.query_one("SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1", &[], |row| {
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
    })?;
    let (mut seq, mut prev) = head.unwrap_or_else(|| (0, GENESIS.to_owned()));
    for event in events {
        seq = seq.checked_add(1).ok_or_else(|| Error::internal("the last audit event has no number behind it"))?;
        prev = insert(tx, actor, at, event, seq, &prev)?;
        for follower in followers {
            follower.recorded(tx, &Recorded { seq, at: event.at.unwrap_or(at), actor, event })?;
        }
    }
    Ok(())
}

fn insert(tx: &Tx<'_>, actor: &Actor, at: Time, event: &Event, seq: i64, prev: &str) -> Result<String> {
    let text = event.to_json(seq, at, actor);
    let hash = link(prev, &text);
    tx.execute(
        "INSERT INTO audit_events (seq, at, actor_id, action, target_type, target_id, outcome, request_id, elevation_id, event,
                                   prev_hash, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
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
        ],
    )?;
    Ok(hash)
}
