//! `?fields=name,data.city`: only these members.

use super::model::MEMBERS;
use crate::{
    data::{entity_types::Mask, pointer},
    error::{Error, Result},
    filter::parse_sort,
};
use serde_json::{Map, Value};

/// The members that are asked for; the id always is.
#[derive(Debug)]
pub(super) struct Picks {
    members: Vec<String>,
    all_data: bool,
    paths: Vec<Vec<String>>,
}

impl Picks {
    /// Reads the list. A path that is unknown or hidden is refused, the one like the other.
    pub fn parse(text: &str, mask: &Mask) -> Result<Self> {
        let refused = |message: String| Error::invalid_at("/fields", "invalid_field", message);
        let mut picks = Self { members: vec!["id".to_owned()], all_data: false, paths: Vec::new() };
        for part in text.split(',') {
            let keys = parse_sort(part)
                .map_err(|error| refused(format!("`{part}` is not the name of a field: {}.", error.message)))?;
            let mut segments = match keys.as_slice() {
                [key] if !key.descending => key.path.segments.clone(),
                _ => return Err(refused(format!("`{part}` is not the name of a field."))),
            };
            match segments.as_slice() {
                [one] if one == "data" => picks.all_data = true,
                [one] if MEMBERS.contains(&one.as_str()) => picks.members.extend(segments.pop()),
                [one, path @ ..] if one == "data" && !mask.hides(path) => picks.paths.push(segments.split_off(1)),
                _ => return Err(refused(format!("There is no field `{}` to pick.", part.trim()))),
            }
        }
        Ok(picks)
    }

    /// What remains of an entity that was masked before.
    pub fn apply(&self, mut entity: Value) -> Value {
        let Some(members) = entity.as_object_mut() else { return entity };
        let data = members.shift_remove("data").unwrap_or_default();
        members.retain(|name, _| self.members.contains(name));
        if self.all_data {
            members.insert("data".to_owned(), data);
        } else if !self.paths.is_empty() {
            let mut picked = Value::Object(Map::new());
            for path in &self.paths {
                if let Some(value) = pointer::get(&data, path) {
                    pointer::put(&mut picked, path, value.clone());
                }
            }
            members.insert("data".to_owned(), picked);
        }
        entity
    }
}
