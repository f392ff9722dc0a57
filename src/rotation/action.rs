//! What is done with keys: looked at, rotated, removed when their time is over, and told of.

use super::{
    Secrets,
    model::{Kind, Rotation, SecretKey},
    sealed, store,
};
use crate::{
    actor::Actor,
    audit::Event,
    error::Result,
    jobs,
    secrets::{KeyFacts, Purpose, UNTIL_UNUSED},
    storage::{Reader, Tx},
};
use serde::Serialize;
use std::sync::{Arc, PoisonError};

pub(super) const RESEAL: &str = "secrets.reseal";

/// Why a key took the place of another, for the audit log.
#[derive(Clone, Serialize)]
struct Told {
    key: Arc<str>,
    replaced: Arc<str>,
    emergency: bool,
    reason: String,
    retires_at: Option<crate::clock::Time>,
    sessions_ended: usize,
}

#[derive(Serialize)]
struct Found<'k> {
    key: &'k str,
    /// It happened when it could not be written down.
    late: bool,
}

/// How the keyring differs from what was written down.
struct Changed {
    added: Vec<KeyFacts>,
    /// Id and purpose.
    removed: Vec<(String, String)>,
}

impl Secrets {
    /// Every key, for those who look after them.
    pub fn list(&self, reader: &Reader<'_>) -> Result<Vec<SecretKey>> {
        let now = self.ledger.clock().now();
        let sealed = |key: &KeyFacts| {
            let seals = Kind::of(key.purpose).is_some_and(Kind::seals);
            seals.then(|| sealed::count(reader, key.purpose, &key.id)).transpose()
        };
        let shown = |key: KeyFacts| Ok(SecretKey::new(key.clone(), sealed(&key)?, now));
        self.keyring.facts().into_iter().map(shown).collect()
    }

    /// Days since the oldest current key that can be rotated was made.
    pub fn oldest_days(&self) -> u64 {
        let now = self.ledger.clock().now();
        let age = |kind: Kind| now.since(self.keyring.created_at(kind.purpose())).as_secs() / 86_400;
        Kind::ALL.into_iter().map(age).max().unwrap_or(0)
    }

    /// A new key; for a thread where blocking is fine. In an emergency what the key before signed is refused from
    /// the next request on, and with the one for access tokens every session ends.
    pub fn rotate_blocking(&self, actor: &Actor, kind: Kind, emergency: bool, reason: &str) -> Result<Rotation> {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let retiring = kind.retiring(self.ledger.clock().now(), emergency);
        let gone = if retiring.is_none() { self.retiring(kind.purpose()) } else { Vec::new() };
        let rotated = self.keyring.rotate(kind.purpose(), retiring)?;
        let retires_at = retiring.filter(|end| *end != UNTIL_UNUSED);
        let told = Told {
            key: rotated.current.clone(),
            replaced: rotated.before.clone(),
            emergency,
            reason: reason.to_owned(),
            retires_at,
            sessions_ended: 0,
        };
        let secrets = self.clone();
        let sessions_ended = self.ledger.change_blocking(actor, move |tx| {
            let mut told = told.clone();
            if emergency && kind == Kind::Jwt {
                told.sessions_ended = secrets.identity.end_every_session(tx)?;
            }
            secrets.write_down(tx)?;
            if kind.seals() {
                jobs::enqueue(tx, RESEAL, &(), secrets.ledger.clock().now())?;
            }
            let rotated = Event::new("secret.rotated", "secret", kind.as_str()).after(&told);
            let gone = gone.iter().map(|key| retired(kind.purpose().as_str(), key, false));
            Ok((told.sessions_ended, gone.chain([rotated]).collect::<Vec<_>>()))
        })?;
        let (id, replaced) = (rotated.current, rotated.before);
        Ok(Rotation { kind, id, replaced, emergency, retires_at, sessions_ended })
    }

    fn retiring(&self, purpose: Purpose) -> Vec<Arc<str>> {
        let all = self.keyring.facts().into_iter();
        all.filter(|key| key.purpose == purpose && key.retiring_until.is_some()).map(|key| key.id).collect()
    }

    /// Removes keys for good; for a thread where blocking is fine.
    pub(super) fn remove(&self, keys: &[KeyFacts]) -> Result<()> {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<_> = keys.iter().map(|key| key.id.clone()).collect();
        let removed = self.keyring.remove(&ids)?;
        let events: Vec<_> = keys.iter().filter(|key| removed.contains(&key.id)).collect();
        let events: Vec<_> = events.into_iter().map(|key| retired(key.purpose.as_str(), &key.id, false)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let secrets = self.clone();
        self.ledger.change_blocking(&Actor::system("keys are removed when their time is over"), move |tx| {
            secrets.write_down(tx).map(|_| ((), events.clone()))
        })
    }

    /// Tells of every difference between the keyring and what was written down.
    pub(super) fn catch_up(&self) -> Result<()> {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.ledger.db().read(store::known)?;
        let facts = self.keyring.facts();
        let same = known.len() == facts.len() && facts.iter().all(|key| known.iter().any(|(id, _)| **id == *key.id));
        if same {
            return Ok(());
        }
        let (secrets, first) = (self.clone(), known.is_empty());
        if first {
            let reason = "the keyring was made with the database";
            return self.ledger.unrecorded_blocking(reason, move |tx| secrets.write_down(tx).map(drop));
        }
        let actor = Actor::system("the keyring changed before this could be written down");
        self.ledger.change_blocking(&actor, move |tx| {
            let Changed { added, removed } = secrets.write_down(tx)?;
            let added = added.iter().map(|key| {
                let late = Found { key: &key.id, late: true };
                Event::new("secret.rotated", "secret", key.purpose.as_str()).after(&late)
            });
            let removed = removed.iter().map(|(id, purpose)| retired(purpose, id, true));
            Ok(((), added.chain(removed).collect::<Vec<_>>()))
        })
    }

    /// Brings the table up to the keyring; what came and what went.
    fn write_down(&self, tx: &Tx<'_>) -> Result<Changed> {
        let (known, facts) = (store::known(tx)?, self.keyring.facts());
        let added: Vec<_> = facts.iter().filter(|key| !known.iter().any(|(id, _)| **id == *key.id)).cloned().collect();
        let removed: Vec<_> = known.into_iter().filter(|(id, _)| !facts.iter().any(|key| *key.id == **id)).collect();
        added.iter().try_for_each(|key| store::insert(tx, key))?;
        removed.iter().try_for_each(|(id, _)| store::delete(tx, id))?;
        Ok(Changed { added, removed })
    }

    /// Writes down when keys were last used.
    pub fn note_uses(&self) -> Result<()> {
        let used: Vec<_> = self.keyring.facts().into_iter().filter(|key| key.last_used_at.is_some()).collect();
        self.ledger.unrecorded_blocking("when keys were last used", move |tx| store::used(tx, &used))
    }
}

fn retired(purpose: &str, key: &str, late: bool) -> Event {
    Event::new("secret.retired", "secret", purpose).before(&Found { key, late })
}
