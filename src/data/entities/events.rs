//! Audit events of entities, without the fields that somebody may not see.

use super::relationships;
use crate::{
    actor::Actor,
    audit::{Ledger, Masking},
    data::{
        entity_types::{EntityType, EntityTypes},
        sealed::{self, Erased, Subject},
    },
    error::{Error, Result},
    params,
    permit::Clearance,
    personal::SubjectKey,
    storage::Reader,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{borrow::Cow, sync::Arc};

/// Hides in events what the entity's type hides, and records what it does not.
pub struct EntityEvents {
    pub types: EntityTypes,
    pub ledger: Ledger,
}

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

impl EntityEvents {
    /// The type of the entity that an event is about; `None` where nobody knows it any more.
    fn type_of(&self, reader: &Reader<'_>, event: &Value, id: Option<&str>) -> Result<Option<Arc<EntityType>>> {
        let told = SIDES.iter().find_map(|side| event.pointer(side)?.get("type")?.as_str().map(str::to_owned));
        let name = match told {
            Some(name) => Some(name),
            None => reader.query_one("SELECT type FROM entities WHERE id = ?1", params![id], |row| row.get(0))?,
        };
        Ok(name.and_then(|name: String| self.types.get(&name)))
    }
}

const SIDES: [&str; 2] = ["/changes/before", "/changes/after"];

impl Masking for EntityEvents {
    fn masked(&self, reader: &Reader<'_>, event: &str, clearance: Clearance) -> Result<Option<String>> {
        self.seen(reader, event, clearance, false)
    }

    fn opened(&self, reader: &Reader<'_>, event: &str, clearance: Clearance) -> Result<Option<String>> {
        self.seen(reader, event, clearance, true)
    }

    fn shown(&self, reader: &Reader<'_>, event: &str, to: &Actor, clearance: Clearance) -> Result<()> {
        let Ok(Head { target }) = serde_json::from_str(event) else { return Ok(()) };
        if clearance < Clearance::Confidential || target.r#type.as_deref() != Some("entity") {
            return Ok(());
        }
        let whole: Value = serde_json::from_str(event).map_err(Error::internal)?;
        let Some(entity_type) = self.type_of(reader, &whole, target.id.as_deref())? else { return Ok(()) };
        let data = SIDES.map(|side| whole.pointer(side).and_then(|side| side.get("data")));
        let fields = entity_type.watched_in(clearance, json!(data).to_string().as_bytes());
        let id = || target.id.as_deref().and_then(|id| id.parse().ok());
        self.ledger.saw(to, entity_type.watched(), fields, 1, id)
    }
}

impl EntityEvents {
    fn seen(&self, reader: &Reader<'_>, event: &str, clearance: Clearance, open: bool) -> Result<Option<String>> {
        // A text that is no event was tampered with: what it holds is nobody's to see but theirs who may see all.
        let Ok(Head { target }) = serde_json::from_str(event) else {
            return Ok((clearance < Clearance::Restricted).then(|| "{}".to_owned()));
        };
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
        let id = target.id.as_deref().unwrap_or_default();
        let entity_type = self.type_of(reader, &whole, target.id.as_deref())?;
        let mask = entity_type.as_ref().map(|kind| kind.mask(clearance));
        let sealed = entity_type.as_ref().filter(|kind| open && !kind.personal().is_empty());
        if sealed.is_none() && (clearance == Clearance::Restricted || mask.is_some_and(|mask| mask.is_full())) {
            return Ok(None);
        }
        let key = match (sealed, id.parse()) {
            (Some(_), Ok(id)) => SubjectKey::find(reader, id)?,
            _ => None,
        };
        let before = whole.clone();
        for side in SIDES {
            let Some(data) = whole.pointer_mut(side).and_then(|side| side.get_mut("data")) else { continue };
            if let Some(kind) = sealed {
                let subject = Subject { entity_type: &kind.name, id, fields: kind.personal() };
                let hidden = |path: &[String]| mask.is_some_and(|mask| mask.hides(path));
                sealed::open(self.types.keys(), subject, key.as_ref(), data, Erased::Told, hidden)?;
            }
            match mask {
                Some(mask) => mask.apply(data),
                // Nobody knows any more what was hidden in a type that is gone.
                None => *data = Value::Null,
            }
        }
        Ok((whole != before).then(|| whole.to_string()))
    }
}
