//! What is shown of what is stored: the one place where stored data becomes data for a caller.

use super::{
    model::{Entity, Shown},
    pick::Picks,
    scope::Scope,
};
use crate::{
    audit::Fields,
    error::{Error, Result},
};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The stored text of `data` as the caller may see it.
pub(super) fn data_text<'a>(scope: &Scope, stored: &'a str) -> Result<Cow<'a, str>> {
    if scope.mask().is_full() {
        return Ok(Cow::Borrowed(stored));
    }
    data(scope, stored).map(|data| Cow::Owned(data.to_string()))
}

/// [`data_text`], parsed.
pub(super) fn data(scope: &Scope, stored: &str) -> Result<Value> {
    let mut data: Value = serde_json::from_str(stored).map_err(Error::internal)?;
    scope.mask().apply(&mut data);
    Ok(data)
}

/// What can differ between two versions, as the caller may see it.
pub(super) fn content(scope: &Scope, entity: &Entity) -> Result<Value> {
    Ok(json!({
        "name": entity.name,
        "confidence": entity.confidence,
        "data": data(scope, &entity.data)?,
        "owner_id": entity.owner_id,
        "deleted_at": entity.deleted_at,
    }))
}

/// Writes an entity as the caller may see it, and records which sensitive fields they see.
pub(super) fn write_shown(scope: &Scope, picks: Option<&Picks>, shown: Shown<'_>, out: &mut Vec<u8>) -> Result<()> {
    let text = data_text(scope, shown.data)?;
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
    let text = data_text(scope, shown.data)?;
    let mut shown = shown;
    shown.data = &text;
    shown.write(out);
    Ok(scope.entity_type.watched_in(scope.permit.clearance(), text.as_bytes()))
}
