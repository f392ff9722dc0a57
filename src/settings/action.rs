//! Reading and changing settings. A change is checked as at start, kept with its event, then in force.

use super::store;
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    config::{Live, Loaded, Outline, Patch, Stored},
    error::{Error, Faults, Result},
    storage::Reader,
    web::Precondition,
};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The handle. Clones share what holds.
#[derive(Clone)]
pub struct Settings {
    ledger: Ledger,
    live: Live,
    /// The sources without the database.
    given: Arc<Loaded>,
}

impl Settings {
    /// Puts what the database keeps into force. What of it this version or the file no longer allows is told in
    /// the log and left aside: the file's value holds, and the server starts.
    pub fn open(ledger: Ledger, live: Live) -> Result<Self> {
        let given = live.loaded();
        let stored = ledger.db().read(store::load)?;
        let (legal, wrong) = given.legal_part(&stored);
        for mistake in wrong {
            tracing::error!(%mistake, "a setting kept in the database is left aside; change it, or `portcullis config unset {}`", mistake.key);
        }
        if !legal.is_empty() {
            live.set(given.with_stored(&legal).map_err(Error::internal)?);
        }
        Ok(Self { ledger, live, given })
    }

    /// What may change while running, and what holds of it.
    pub fn outline(&self) -> Outline {
        self.live.loaded().outline()
    }

    /// What is kept, as a tree that [`Settings::change`] takes.
    pub fn kept(&self) -> Value {
        self.live.loaded().stored_tree()
    }

    /// What would change, by full name, before and after; nothing is changed.
    pub fn preview(&self, tree: &Map<String, Value>, faults: &mut Faults) -> Result<Vec<(String, Value, Value)>> {
        let next = self.ledger.db().read(|reader| self.next(reader, tree, faults))?;
        Ok(next.map(|next| next.differences(&self.live.loaded())).unwrap_or_default())
    }

    /// Applies a merge patch, all or nothing.
    pub async fn change(&self, actor: &Actor, tree: Map<String, Value>, precondition: Precondition) -> Result<Outline> {
        self.ledger.change(actor, self.prepared(tree, precondition)).await
    }

    /// [`Settings::change`] for threads where blocking is fine.
    pub fn change_blocking(&self, actor: &Actor, tree: Map<String, Value>) -> Result<Outline> {
        self.ledger.change_blocking(actor, self.prepared(tree, Precondition::default()))
    }

    fn prepared(
        &self,
        tree: Map<String, Value>,
        precondition: Precondition,
    ) -> impl FnMut(&crate::storage::Tx<'_>) -> Result<(Outline, Option<Event>)> + Send + 'static {
        let settings = self.clone();
        move |tx| {
            let mut faults = Faults::default();
            let next = settings.next(tx, &tree, &mut faults)?;
            faults.into_result()?;
            let next = next.ok_or_else(|| Error::internal("a patch without faults leads nowhere"))?;
            precondition.check(&etag(&next.before))?;
            let outline = next.loaded.outline();
            let changes = next.differences(&next.before);
            if next.kept == next.stored {
                return Ok((outline, None));
            }
            store::replace(tx, &next.stored, &next.kept, settings.ledger.clock().now())?;
            let (before, after): (Map<_, _>, Map<_, _>) =
                changes.into_iter().map(|(key, before, after)| ((key.clone(), before), (key, after))).unzip();
            let (live, loaded) = (settings.live.clone(), next.loaded);
            tx.after_commit(move || live.set(loaded));
            let event = Event::new("settings.updated", "settings", "settings");
            Ok((outline, Some(event.before(&before).after(&after))))
        }
    }

    fn next(&self, reader: &Reader<'_>, tree: &Map<String, Value>, faults: &mut Faults) -> Result<Option<Next>> {
        let stored = store::load(reader)?;
        let (legal, _) = self.given.legal_part(&stored);
        let before = self.given.with_stored(&legal).map_err(Error::internal)?;
        let patch = Patch::read(tree, &self.given, faults);
        let mut own = Faults::default();
        let next = patch.checked(&stored, &self.given, &mut own);
        // What the reader refused already was not applied: only then does the rest speak for itself.
        own.into_inner().into_iter().for_each(|fault| faults.push(fault.pointer, fault.code, fault.message));
        Ok(next.map(|(kept, loaded)| Next { stored, before, kept, loaded }))
    }
}

/// What a patch leads to.
struct Next {
    stored: Stored,
    before: Loaded,
    kept: Stored,
    loaded: Loaded,
}

impl Next {
    /// The entries whose value or source differs, with the value before and after; null where there is none.
    fn differences(&self, before: &Loaded) -> Vec<(String, Value, Value)> {
        let old: Map<String, Value> = before.entries().collect();
        let new: Map<String, Value> = self.loaded.entries().collect();
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        let value = |of: &Map<String, Value>, name| of.get(name).cloned().unwrap_or_default();
        names
            .into_iter()
            .filter(|name| {
                old.get(*name) != new.get(*name) || self.stored.contains_key(*name) != self.kept.contains_key(*name)
            })
            .map(|name| (name.clone(), value(&old, name), value(&new, name)))
            .collect()
    }
}

/// The entity tag of what holds.
pub(super) fn etag(loaded: &Loaded) -> String {
    tag_of(&loaded.outline())
}

pub(super) fn tag_of(outline: &Outline) -> String {
    let text = serde_json::to_vec(outline).unwrap_or_default();
    format!("\"{}\"", hex::encode(&digest(&SHA256, &text).as_ref()[..12]))
}
