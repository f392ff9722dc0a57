//! Requests with an `Idempotency-Key`: the change that one makes is remembered in its own transaction, so that the same
//! request again is answered and not done again, also after a crash between the commit and the answer.

use super::Record;
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    secrets::{Keyring, Purpose},
    storage::{Reader, Tx},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a first answer is given again.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

tokio::task_local! {
    static CURRENT: Keyed;
}

/// One request and its key. Changes made while it runs carry it by themselves.
#[derive(Clone)]
pub struct Keyed(Arc<Inner>);

struct Inner {
    keyring: Keyring,
    /// Stands for the caller, the route and the key they chose.
    key: String,
    /// Stands for what is asked.
    request: String,
    /// This very request, since another with the same key may be under way.
    turn: Id,
    /// Stands for what the caller may do and see; under other rights nothing is given again.
    rights: String,
    /// Whether the answer was kept with the change itself.
    answered: AtomicBool,
}

/// What is given again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Outcome {
    /// The change was made; its answer was lost.
    Done {
        made: bool,
        ids: Vec<String>,
    },
    Answered {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    Refused {
        status: u16,
        detail: String,
        faults: Vec<(String, String, String)>,
        extra: Option<Map<String, Value>>,
    },
}

#[derive(Serialize, Deserialize)]
struct Kept {
    rights: String,
    outcome: Outcome,
}

impl Keyed {
    pub fn new(keyring: Keyring, key: String, request: String, rights: String) -> Self {
        Self(Arc::new(Inner { keyring, key, request, turn: Id::new(), rights, answered: AtomicBool::default() }))
    }

    /// The one that runs now, where there is one.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs a request under its key.
    pub async fn run<F: Future>(&self, request: F) -> F::Output {
        CURRENT.scope(self.clone(), request).await
    }

    /// Whether the answer stands already, kept together with the change.
    pub fn is_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    pub fn key(&self) -> &str {
        &self.0.key
    }

    fn owner(&self) -> String {
        owner(&self.0.key)
    }

    /// What was answered to the same request before. The same key for another request is refused, and so is a
    /// caller whose rights are others by now.
    pub fn find(&self, reader: &Reader<'_>, now: Time) -> Result<Option<Outcome>> {
        let sql = "SELECT request, answer FROM idempotency_keys WHERE key = ?1 AND created_at > ?2";
        let params = params![&self.0.key, now.minus(KEPT)];
        let found = reader.query_one(sql, params, |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))?;
        let Some((request, answer)) = found else { return Ok(None) };
        if request.split('.').next() != Some(self.0.request.as_str()) {
            let message = "This key was used for another request. Take a new one for each.";
            return Err(Error::invalid_at("/Idempotency-Key", "reused", message));
        }
        let plain = self.0.keyring.unseal(Purpose::Fields, &self.owner(), &answer, now)?;
        let kept: Kept = serde_json::from_slice(&plain).map_err(Error::internal)?;
        if kept.rights != self.0.rights {
            let detail =
                "This request was answered before, when your rights or the type were others. Look at what it made.";
            return Err(Error::conflict(detail));
        }
        Ok(Some(kept.outcome))
    }

    /// Keeps the outcome of this request, over an earlier one of its own. Refused where another had the key first.
    /// `targets` are what it tells of.
    pub fn keep(&self, tx: &Tx<'_>, now: Time, outcome: &Outcome, targets: &[&str]) -> Result<()> {
        let kept = Kept { rights: self.0.rights.clone(), outcome: outcome.clone() };
        let plain = serde_json::to_vec(&kept).map_err(Error::internal)?;
        let sealed = self.0.keyring.seal(Purpose::Fields, &self.owner(), &plain)?;
        let request = format!("{}.{}", self.0.request, self.0.turn);
        let kept = tx.execute(
            "INSERT INTO idempotency_keys (key, request, answer, created_at, targets) VALUES (?1, ?2, ?3, ?4, ?6)
             ON CONFLICT (key) DO UPDATE SET request = excluded.request, answer = excluded.answer,
                    created_at = excluded.created_at, targets = CASE WHEN excluded.targets = '[]' THEN idempotency_keys.targets
                                   ELSE excluded.targets END
             WHERE idempotency_keys.request = excluded.request OR idempotency_keys.created_at <= ?5",
            params![&self.0.key, request, sealed, now, now.minus(KEPT), json!(targets).to_string()],
        )?;
        self.0.answered.store(matches!(outcome, Outcome::Answered { .. }), Ordering::Relaxed);
        if kept == 1 { Ok(()) } else { Err(under_way()) }
    }
}

impl Outcome {
    /// What was changed, where nobody said what is answered.
    pub(super) fn done(record: &Record) -> Self {
        let events = match record {
            Record::One(event) => std::slice::from_ref(event),
            Record::Many(events) => events.as_slice(),
            Record::Unchanged => &[],
        };
        let made = matches!(events, [one] if one.action.ends_with(".created"));
        let ids = events.iter().filter_map(|event| event.target_id.clone()).collect();
        Self::Done { made, ids }
    }

    /// The body that stands for an answer that was lost: which things were changed.
    pub fn changed(ids: &[String]) -> Value {
        match ids {
            [one] => json!({ "id": one }),
            several => json!({"results": several.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>()}),
        }
    }
}

/// The refusal of a request that is made while its first is under way.
pub fn under_way() -> Error {
    Error::conflict("The first request with this key is still running. Ask again in a moment.")
        .retry_after(Duration::from_secs(1))
}

/// Removes what is no longer given again.
pub fn clean(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("DELETE FROM idempotency_keys WHERE created_at <= ?1", params![now.minus(KEPT)])
}

/// Keeps only that it was done of answers that tell of `target`, which is to be forgotten.
pub fn forget(tx: &Tx<'_>, keyring: &Keyring, target: Id, now: Time) -> Result<()> {
    let sql = "SELECT key, answer FROM idempotency_keys WHERE instr(targets, ?1) > 0";
    let named = format!("\"{target}\"");
    let kept = tx.query_all(sql, params![&named], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))?;
    for (key, answer) in kept {
        let owner = owner(&key);
        let plain = keyring.unseal(Purpose::Fields, &owner, &answer, now)?;
        let mut kept: Kept = serde_json::from_slice(&plain).map_err(Error::internal)?;
        if let Outcome::Answered { status, .. } = kept.outcome {
            kept.outcome = Outcome::Done { made: status == 201, ids: vec![target.to_string()] };
        }
        let plain = serde_json::to_vec(&kept).map_err(Error::internal)?;
        let sealed = keyring.seal(Purpose::Fields, &owner, &plain)?;
        tx.execute("UPDATE idempotency_keys SET answer = ?2 WHERE key = ?1", params![&key, sealed])?;
    }
    Ok(())
}

fn owner(key: &str) -> String {
    format!("idempotency:{key}")
}
