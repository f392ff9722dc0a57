//! What one clearance sees of an entity's data.

use crate::{data::pointer, permit::Clearance, storage::search::Sight};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

type Paths = Vec<Vec<String>>;

/// The paths in `data` that a caller may see. A path covers what lies under it; where several do, the
/// strictest counts.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    id: u64,
    hidden: Paths,
    /// Below `internal`, what nobody marked is hidden too: only these remain.
    only: Option<Paths>,
}

impl Mask {
    pub fn new<'a>(fields: impl Iterator<Item = (&'a Vec<String>, Clearance)>, clearance: Clearance) -> Self {
        let (mut hidden, mut only) = (Paths::new(), Paths::new());
        for (path, sensitivity) in fields {
            if sensitivity > clearance {
                hidden.push(path.clone());
            } else if sensitivity == Clearance::Public {
                only.push(path.clone());
            }
        }
        let only = (clearance < Clearance::default()).then_some(only);
        let id = if hidden.is_empty() && only.is_none() { 0 } else { fingerprint(&hidden, only.as_ref()) };
        Self { id, hidden, only }
    }

    /// The same for the same paths; 0 when nothing is hidden.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn is_full(&self) -> bool {
        self.id == 0
    }

    /// Whether a filter or sort may name the path: it and everything under it is seen.
    pub fn shows(&self, path: &[String]) -> bool {
        let hidden = self.hidden.iter().any(|hidden| path.starts_with(hidden) || hidden.starts_with(path));
        !hidden && self.only.as_ref().is_none_or(|only| only.iter().any(|seen| path.starts_with(seen)))
    }

    /// Whether an error may name the path.
    pub fn hides(&self, path: &[String]) -> bool {
        self.hidden.iter().any(|hidden| path.starts_with(hidden))
            || self
                .only
                .as_ref()
                .is_some_and(|only| !only.iter().any(|seen| path.starts_with(seen) || seen.starts_with(path)))
    }

    /// The part of data that a search may look into.
    pub fn sight(&self) -> Sight {
        Sight { only: self.only.clone(), hidden: self.hidden.clone() }
    }

    /// Takes out what is not to be seen.
    pub fn apply(&self, data: &mut Value) {
        if let Some(only) = &self.only {
            let mut seen = Value::Object(Map::new());
            for path in only {
                if let Some(value) = pointer::get(data, path) {
                    pointer::put(&mut seen, path, value.clone());
                }
            }
            *data = seen;
        }
        for path in &self.hidden {
            pointer::remove(data, path);
        }
    }

    /// The first path in what a caller sends that they may not set. `null` over a parent is well: what is
    /// hidden under it stays.
    pub fn refused(&self, sent: &Value) -> Option<String> {
        if let Some(path) = self.hidden.iter().find(|path| reaches(sent, path)) {
            return Some(pointer::join(path));
        }
        let only = self.only.as_ref()?;
        let mut refused = None;
        leaves(sent, &mut Vec::new(), &mut |path| {
            if refused.is_none() && !only.iter().any(|seen| path.starts_with(seen)) {
                refused = Some(pointer::join(path));
            }
        });
        refused
    }

    /// Puts back into `new` what the caller could not see in `old`.
    pub fn restore(&self, old: &Value, new: &mut Value) {
        if let Some(only) = &self.only {
            let mut whole = old.clone();
            for path in only {
                if pointer::get(&whole, path).is_some() {
                    pointer::remove(&mut whole, path);
                }
                if let Some(value) = pointer::get(new, path) {
                    pointer::put(&mut whole, path, value.clone());
                }
            }
            *new = whole;
        }
        for path in &self.hidden {
            if let Some((place, value)) = hidden_at(old, path) {
                pointer::put(new, &path[..place], value.clone());
            }
        }
    }
}

/// What stands at the path, and how far the path leads to it: to an array on the way when something is hidden in it,
/// since whoever cannot see its items whole cannot have sent it.
fn hidden_at<'v>(data: &'v Value, path: &[String]) -> Option<(usize, &'v Value)> {
    let mut here = data;
    for (place, segment) in path.iter().enumerate() {
        here = match here {
            Value::Object(members) => members.get(segment)?,
            Value::Array(items) => {
                return items.iter().any(|item| holds(item, &path[place..])).then_some((place, here));
            }
            _ => return None,
        };
    }
    Some((path.len(), here))
}

fn holds(value: &Value, path: &[String]) -> bool {
    match (path.split_first(), value) {
        (None, _) => true,
        (Some((first, rest)), Value::Object(members)) => members.get(first).is_some_and(|member| holds(member, rest)),
        (Some(_), Value::Array(items)) => items.iter().any(|item| holds(item, path)),
        _ => false,
    }
}

/// Whether `sent` says something at the path, or puts something else than an object in its way.
fn reaches(sent: &Value, path: &[String]) -> bool {
    match (path.split_first(), sent) {
        (Some((first, rest)), Value::Object(members)) => members.get(first).is_some_and(|member| reaches(member, rest)),
        (Some(_), Value::Null) => false,
        _ => true,
    }
}

fn leaves(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                path.push(name.clone());
                leaves(member, path, visit);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => visit(path),
    }
}

fn fingerprint(hidden: &Paths, only: Option<&Paths>) -> u64 {
    let text = serde_json::to_vec(&(hidden, only)).unwrap_or_default();
    let digest = Sha256::digest(text);
    u64::from_be_bytes(std::array::from_fn(|index| digest[index])).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn masks() -> [Mask; 4] {
        let fields = [
            ("/title", Clearance::Public),
            ("/bank", Clearance::Confidential),
            ("/bank/iban", Clearance::Restricted),
            ("/bank/name", Clearance::Public),
        ];
        let fields = fields.map(|(path, level)| (pointer::segments(path).unwrap(), level));
        Clearance::ALL.map(|level| Mask::new(fields.iter().map(|(path, level)| (path, *level)), level))
    }

    #[test]
    fn each_clearance_sees_its_own_part() {
        let data = json!({"title": "t", "note": "n", "bank": {"iban": "DE", "name": "b", "city": "c"}});
        let seen = masks().map(|mask| {
            let mut data = data.clone();
            mask.apply(&mut data);
            data
        });
        assert_eq!(seen[0], json!({"title": "t"}));
        assert_eq!(seen[1], json!({"title": "t", "note": "n"}));
        assert_eq!(seen[2], json!({"title": "t", "note": "n", "bank": {"name": "b", "city": "c"}}));
        assert_eq!(seen[3], data);
        assert!(masks()[3].is_full() && !masks()[2].is_full());
    }

    #[test]
    fn hidden_paths_cannot_be_named_set_or_lost() {
        let [public, internal, confidential, restricted] = masks();
        let path = |text: &str| pointer::segments(text).unwrap();
        assert!(!confidential.shows(&path("/bank")) && !confidential.shows(&path("/bank/iban/x")));
        assert!(confidential.shows(&path("/bank/city")) && restricted.shows(&path("/bank")));
        assert!(!public.shows(&path("/note")) && public.shows(&path("/title")));
        assert_eq!(internal.refused(&json!({"bank": {"x": 1}})).as_deref(), Some("/bank"));
        assert_eq!(confidential.refused(&json!({"bank": 5})).as_deref(), Some("/bank/iban"));
        assert_eq!(confidential.refused(&json!({"bank": {"city": "c"}})), None);
        assert_eq!(confidential.refused(&json!({"bank": null})), None);
        assert_eq!(public.refused(&json!({"title": "t", "note": "n"})).as_deref(), Some("/note"));
        let old = json!({"title": "t", "note": "n", "bank": {"iban": "DE", "city": "c"}});
        let mut new = json!({"title": "u"});
        confidential.restore(&old, &mut new);
        assert_eq!(new, json!({"title": "u", "bank": {"iban": "DE"}}));
        let mut new = json!({"title": "u"});
        public.restore(&old, &mut new);
        assert_eq!(new, json!({"title": "u", "note": "n", "bank": {"iban": "DE", "city": "c"}}));
    }
}
