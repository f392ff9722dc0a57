//! Audit events of entities, without the fields that somebody may not see.

use super::relationships;
use crate::{
    audit::Masking,
    data::entity_types::EntityTypes,
    error::{Error, Result},
    params,
    permit::Clearance,
    storage::Reader,
};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// Hides in events what the entity's type hides.
pub struct EntityEvents(pub EntityTypes);

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    target: Target<'a>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

const SIDES: [&str; 2] = ["/changes/before", "/changes/after"];

impl Masking for EntityEvents {
    fn masked(&self, reader: &Reader<'_>, event: &str, clearance: Clearance) -> Result<Option<String>> {
        // A text that is no event was tampered with: what it holds is nobody's to see but theirs who may see all.
        let Ok(Head { target }) = serde_json::from_str(event) else { return Ok(Some("{}".to_owned())) };
        let joins = match target.r#type.as_deref() {
            Some("entity") => false,
            Some("relationship") if !relationships::shows_data(clearance) => true,
            _ => return Ok(None),
        };
        let mut whole: Value = serde_json::from_str(event).map_err(Error::internal)?;
        if joins {
            for side in SIDES {
                whole.pointer_mut(side).and_then(|side| side.as_object_mut()?.shift_remove("data"));
            }
            return Ok(Some(whole.to_string()));
        }
        let told = SIDES.iter().find_map(|side| whole.pointer(side)?.get("type")?.as_str().map(str::to_owned));
        let name = match told {
            Some(name) => Some(name),
            None => {
                reader.query_one("SELECT type FROM entities WHERE id = ?1", params![target.id.as_deref()], |row| {
                    row.get::<String>(0)
                })?
            }
        };
        let entity_type = name.and_then(|name| self.0.get(&name));
        let mask = entity_type.as_ref().map(|kind| kind.mask(clearance));
        if mask.is_some_and(|mask| mask.is_full()) {
            return Ok(None);
        }
        let before = whole.clone();
        for side in SIDES {
            let Some(data) = whole.pointer_mut(side).and_then(|side| side.get_mut("data")) else { continue };
            match mask {
                Some(mask) => mask.apply(data),
                // Nobody knows any more what was hidden in a type that is gone.
                None => *data = Value::Null,
            }
        }
        Ok((whole != before).then(|| whole.to_string()))
    }
}
