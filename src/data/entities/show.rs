//! What is shown of what is stored: the one place where stored data becomes data for a caller.

use super::{
    model::{Entity, Shown},
    pick::Picks,
    scope::Scope,
};
use crate::{
    audit::Fields,
    data::sealed::{self, Erased, Subject},
    error::{Error, Result},
    personal::SubjectKey,
};
use serde_json::{Value, json};
use std::borrow::Cow;

/// `data` as it is stored, and whose it is.
pub(super) struct Stored<'a> {
    pub id: &'a str,
    pub key: Option<&'a SubjectKey>,
    pub data: &'a str,
}

impl<'a> Stored<'a> {
    /// It as the caller may see it.
    pub fn data(&self, scope: &Scope) -> Result<Value> {
        let mut data: Value = serde_json::from_str(self.data).map_err(Error::internal)?;
        let mask = scope.mask();
        sealed::open(&scope.keys, self.subject(scope), self.key, &mut data, Erased::Told, |path| mask.hides(path))?;
        mask.apply(&mut data);
        Ok(data)
    }

    /// The whole of it, whoever sees what, to be written anew. What was erased is not in it.
    pub fn whole(&self, scope: &Scope) -> Result<Value> {
        let mut data = serde_json::from_str(self.data).map_err(Error::internal)?;
        sealed::open(&scope.keys, self.subject(scope), self.key, &mut data, Erased::Gone, |_| false)?;
        Ok(data)
    }

    fn subject(&self, scope: &'a Scope) -> Subject<'a> {
        Subject { entity_type: &scope.entity_type.name, id: self.id, fields: scope.entity_type.personal() }
    }
}

impl Entity {
    /// Its data as the caller may see it.
    pub(super) fn data(&self, scope: &Scope) -> Result<Value> {
        self.stored(&self.id.to_string()).data(scope)
    }

    /// Its data as the caller may see it, to be written anew: what was erased is not in it.
    pub(super) fn seen_again(&self, scope: &Scope) -> Result<Value> {
        let mut data = self.whole(scope)?;
        scope.mask().apply(&mut data);
        Ok(data)
    }

    /// Its data as a whole, to be written anew.
    pub(super) fn whole(&self, scope: &Scope) -> Result<Value> {
        self.stored(&self.id.to_string()).whole(scope)
    }

    fn stored<'a>(&'a self, id: &'a str) -> Stored<'a> {
        Stored { id, key: self.key.as_ref(), data: &self.data }
    }
}

/// The text of `data` as the caller may see it.
fn data_text<'a>(scope: &Scope, shown: &Shown<'a>) -> Result<Cow<'a, str>> {
    if scope.mask().is_full() && scope.entity_type.personal().is_empty() {
        return Ok(Cow::Borrowed(shown.data));
    }
    let stored = Stored { id: &shown.id_text(), key: shown.key.as_deref(), data: shown.data };
    stored.data(scope).map(|data| Cow::Owned(data.to_string()))
}

/// What can differ between two versions, as the caller may see it.
pub(super) fn content(scope: &Scope, entity: &Entity) -> Result<Value> {
    Ok(json!({
        "name": entity.name,
        "confidence": entity.confidence,
        "data": entity.data(scope)?,
        "owner_id": entity.owner_id,
        "deleted_at": entity.deleted_at,
    }))
}

/// An entity as the caller may see it, as JSON.
pub(super) fn value(scope: &Scope, entity: &Entity) -> Result<Value> {
    let mut text = Vec::new();
    write_shown(scope, None, entity.shown(), &mut text)?;
    serde_json::from_slice(&text).map_err(Error::internal)
}

/// Writes an entity as the caller may see it, and records which sensitive fields they see.
pub(super) fn write_shown(scope: &Scope, picks: Option<&Picks>, shown: Shown<'_>, out: &mut Vec<u8>) -> Result<()> {
    let text = data_text(scope, &shown)?;
    let mut shown = shown;
    shown.data = &text;
    let Some(picks) = picks else {
        scope.saw(text.as_bytes(), || shown.id())?;
        shown.write(out);
        return Ok(());
    };
    let mut whole = Vec::new();
    shown.write(&mut whole);
    let whole: Value = serde_json::from_slice(&whole).map_err(Error::internal)?;
    let picked = picks.apply(whole);
    if let Some(data) = picked.get("data") {
        scope.saw(data.to_string().as_bytes(), || shown.id())?;
    }
    serde_json::to_writer(out, &picked).map_err(Error::internal)
}

/// Writes an entity to be kept and shown again and again; which sensitive fields are in it, for each time.
pub(super) fn write_view(scope: &Scope, shown: Shown<'_>, out: &mut Vec<u8>) -> Result<Fields> {
    let text = data_text(scope, &shown)?;
    let mut shown = shown;
    shown.data = &text;
    shown.write(out);
    Ok(scope.entity_type.watched_in(scope.permit.clearance(), text.as_bytes()))
}
