//! What is shown of what is stored: the one place where stored data becomes data for a caller.

use super::{
    model::{Entity, Shown},
    pick::Picks,
    scope::Scope,
};
use crate::error::{Error, Result};
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

/// Writes an entity as the caller may see it.
pub(super) fn write_shown(scope: &Scope, picks: Option<&Picks>, shown: Shown<'_>, out: &mut Vec<u8>) -> Result<()> {
    let text = data_text(scope, shown.data)?;
    let mut shown = shown;
    shown.data = &text;
    let Some(picks) = picks else {
        shown.write(out);
        return Ok(());
    };
    let mut whole = Vec::new();
    shown.write(&mut whole);
    let whole: Value = serde_json::from_slice(&whole).map_err(Error::internal)?;
    serde_json::to_writer(out, &picks.apply(whole)).map_err(Error::internal)
}
