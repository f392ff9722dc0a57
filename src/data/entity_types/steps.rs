//! What a migration does to the data of each entity, so that it fits the schema that is to come.

use super::model::{Definition, EntityType, FieldOptions};
use crate::{
    data::pointer,
    error::{Error, Faults, Result},
    permit::{Clearance, Permit},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Steps in one migration, at most.
const MOST: usize = 50;
/// As compact text, at most.
const DATA_BYTES: usize = 10 * 1024;

/// In this order: members are moved, members are removed, and what is missing is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Steps {
    pub rename: BTreeMap<String, String>,
    pub remove: Vec<String>,
    pub set_default: BTreeMap<String, Value>,
}

impl Steps {
    /// Every pointer that they name.
    fn pointers(&self) -> impl Iterator<Item = &String> {
        self.rename.iter().flat_map(|(from, to)| [from, to]).chain(&self.remove).chain(self.set_default.keys())
    }

    fn paths(&self) -> impl Iterator<Item = (&String, Vec<String>)> {
        self.pointers().filter_map(|text| Some((text, pointer::segments(text)?)))
    }

    pub fn is_empty(&self) -> bool {
        self.pointers().next().is_none()
    }

    pub fn check(&self, faults: &mut Faults) {
        let count = self.pointers().count();
        if count == 0 || count > MOST {
            faults.push("/migration", "out_of_range", format!("A migration names 1 to {MOST} fields."));
        }
        for text in self.pointers().filter(|text| pointer::segments(text).is_none()) {
            let message = format!("`{text}` is no pointer into data, such as /address/city.");
            faults.push("/migration", "invalid_pointer", message);
        }
        let paths: Vec<_> = self.paths().collect();
        for (index, (text, path)) in paths.iter().enumerate() {
            let other = paths[..index].iter().find(|(_, other)| path.starts_with(other) || other.starts_with(path));
            if let Some((other, _)) = other {
                let message = format!("`{text}` and `{other}` lie in one another; say what becomes of each once.");
                faults.push("/migration", "overlapping", message);
            }
        }
    }

    /// Does it to the data of one entity, or says why that cannot be.
    pub fn apply(&self, data: &mut Value) -> Result<(), String> {
        for (from, to) in &self.rename {
            let (source, target) = (path(from), path(to));
            let Some(value) = pointer::get(data, &source).cloned() else { continue };
            if pointer::get(data, &target).is_some() {
                return Err(format!("it has both {from} and {to}"));
            }
            pointer::remove(data, &source);
            if !pointer::put(data, &target, value) {
                return Err(format!("something else than an object stands on the way to {to}"));
            }
        }
        self.remove.iter().for_each(|text| pointer::remove(data, &path(text)));
        for (text, value) in &self.set_default {
            let target = path(text);
            if pointer::get(data, &target).is_none() && !pointer::put(data, &target, value.clone()) {
                return Err(format!("something else than an object stands on the way to {text}"));
            }
        }
        if data.to_string().len() > DATA_BYTES {
            return Err("its data would be too large".to_owned());
        }
        Ok(())
    }

    /// Takes the options of fields along to where they go; the marks of what was there stay too, since earlier
    /// versions hold it still. `said`: the fields were given anew.
    pub fn carry(&self, before: &Definition, after: &mut Definition, said: (bool, bool, bool)) {
        let (fields, indexes, search) = said;
        let moved = |text: &str| {
            let found = self.rename.iter().find_map(|(from, to)| Some(format!("{to}{}", below(text, from)?)));
            let gone = self.remove.iter().any(|removed| below(text, removed).is_some());
            (found, gone)
        };
        for (text, options) in &before.fields {
            let (to, gone) = moved(text);
            if to.is_none() && !gone {
                continue;
            }
            if !fields {
                after.fields.remove(text);
                if let Some(to) = to {
                    after.fields.entry(to).or_insert(*options);
                }
            }
            if options.sensitivity > Clearance::default() || options.pii {
                let FieldOptions { sensitivity, pii, .. } = *options;
                let mark = FieldOptions { sensitivity, pii, ..FieldOptions::default() };
                after.fields.entry(text.clone()).or_insert(mark);
            }
        }
        let follow = |pointers: &[String]| -> Vec<String> {
            let each = pointers.iter().filter_map(|text| match moved(text) {
                (Some(to), _) => Some(to),
                (None, true) => None,
                (None, false) => Some(text.clone()),
            });
            each.collect()
        };
        if !indexes {
            after.indexes = follow(&after.indexes);
        }
        if !search {
            after.search = after.search.as_deref().map(follow);
        }
    }

    /// Refuses what a migration cannot do, or the caller may not.
    pub fn ensure_may(&self, permit: &Permit, before: &EntityType, after: &EntityType) -> Result<()> {
        let mask = before.mask(permit.clearance());
        for (text, path) in self.paths() {
            if !mask.shows(&path) {
                return Err(Error::forbidden("Only somebody who may see a field can migrate it."));
            }
            let refused = |code: &'static str, message: String| Err(Error::invalid_at("/migration", code, message));
            let lies_in = |whole: &[String]| path.len() > whole.len() && path.starts_with(whole);
            for kind in [before, after] {
                if let Some(field) = kind.personal().iter().find(|field| lies_in(&field.path)) {
                    let message = format!("`{text}` is sealed together with {}; move or remove that.", field.pointer);
                    return refused("personal", message);
                }
                if let Some(field) = kind.unique().iter().find(|field| lies_in(&field.path)) {
                    let message = format!("`{text}` is a part of {}, which is unique as a whole.", field.pointer);
                    return refused("unique", message);
                }
                let set = self.set_default.contains_key(text);
                if set && kind.unique().iter().any(|field| field.path.starts_with(&path)) {
                    let message = format!("`{text}` is unique, so one value cannot be given to all that have none.");
                    return refused("unique", message);
                }
            }
        }
        Ok(())
    }
}

/// What of `text` comes after `start`, where it is that or lies under it.
fn below<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    text.strip_prefix(start).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn path(text: &str) -> Vec<String> {
    pointer::segments(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn steps(value: Value) -> Steps {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn members_are_moved_removed_and_set() {
        let steps =
            steps(json!({"rename": {"/city": "/address/city"}, "remove": ["/old"], "set_default": {"/tier": "new"}}));
        let mut data = json!({"city": "Paris", "old": 1, "tier": "gold", "kept": true});
        steps.apply(&mut data).unwrap();
        assert_eq!(data, json!({"tier": "gold", "kept": true, "address": {"city": "Paris"}}));
        let mut empty = json!({});
        steps.apply(&mut empty).unwrap();
        assert_eq!(empty, json!({"tier": "new"}));
        assert!(steps.apply(&mut json!({"city": "x", "address": {"city": "y"}})).unwrap_err().contains("both"));
        assert!(steps.apply(&mut json!({"city": "x", "address": 5})).unwrap_err().contains("on the way"));
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        for bad in [
            json!({}),
            json!({"remove": ["x"]}),
            json!({"rename": {"/a": "/a/b"}}),
            json!({"rename": {"/a": "/b"}, "remove": ["/a"]}),
        ] {
            let mut faults = Faults::default();
            steps(bad.clone()).check(&mut faults);
            assert!(!faults.is_empty(), "{bad}");
        }
    }
}
