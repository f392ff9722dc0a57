//! `default` in a schema: what a member of `data` is when nobody says.

use super::{declared::follow, mask::Mask};
use serde_json::{Map, Value};

/// Values that are put in at most: more keys than an entity may have.
const MOST: usize = 201;
/// Deeper than data may be.
const DEPTH: usize = 9;

/// Whether any property of the schema has a default.
pub(super) fn any(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            properties.is_some_and(|all| all.values().any(|property| property.get("default").is_some()))
                || members.values().any(any)
        }
        Value::Array(items) => items.iter().any(any),
        _ => false,
    }
}

/// Puts in the defaults that are missing, also in objects below, but none that the mask hides.
pub(super) fn fill(schema: &Value, data: &mut Value, mask: &Mask) {
    let mut filling = Filling { root: schema, mask, left: MOST, path: Vec::new() };
    filling.value(schema, data);
}

struct Filling<'s> {
    root: &'s Value,
    mask: &'s Mask,
    left: usize,
    path: Vec<String>,
}

impl<'s> Filling<'s> {
    fn value(&mut self, schema: &'s Value, value: &mut Value) {
        if self.path.len() > DEPTH || self.left == 0 {
            return;
        }
        let schema = follow(self.root, schema);
        match value {
            Value::Object(members) => {
                if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                    self.members(properties, members);
                }
            }
            Value::Array(items) => {
                if let Some(each) = schema.get("items") {
                    for item in items {
                        self.value(each, item);
                    }
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, properties: &'s Map<String, Value>, members: &mut Map<String, Value>) {
        for (name, property) in properties {
            self.path.push(name.clone());
            if !members.contains_key(name)
                && self.left > 0
                && !self.mask.hides(&self.path)
                && let Some(default) = property.get("default").or_else(|| follow(self.root, property).get("default"))
            {
                self.left -= 1;
                members.insert(name.clone(), default.clone());
            }
            if let Some(member) = members.get_mut(name) {
                self.value(property, member);
            }
            self.path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(schema: &Value, mut data: Value) -> Value {
        fill(schema, &mut data, &Mask::default());
        data
    }

    #[test]
    fn what_is_missing_is_put_in_where_its_object_stands() {
        let schema = json!({"properties": {
            "tier": {"default": "silver"},
            "flag": {"default": false},
            "address": {"$ref": "#/$defs/address"},
            "lines": {"items": {"properties": {"count": {"default": 1}}}},
            "terms": {"default": {}, "properties": {"days": {"default": 30}}}
        }, "$defs": {"address": {"properties": {"country": {"default": "NL"}}}}});
        assert!(any(&schema));
        assert_eq!(filled(&schema, json!({})), json!({"tier": "silver", "flag": false, "terms": {"days": 30}}));
        let given =
            json!({"tier": null, "flag": true, "address": {}, "lines": [{}, {"count": 2}, 5], "terms": {"days": 1}});
        let whole = json!({"tier": null, "flag": true, "address": {"country": "NL"},
            "lines": [{"count": 1}, {"count": 2}, 5], "terms": {"days": 1}});
        assert_eq!(filled(&schema, given), whole);
        assert!(!any(&json!({"properties": {"default": {"type": "string"}}})));
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let names: Map<String, Value> =
            (0..20).map(|n| (format!("p{n}"), json!({"$ref": "#", "default": {}}))).collect();
        let data = filled(&json!({ "properties": names }), json!({}));
        assert!(data.to_string().matches('{').count() <= MOST + 1);
    }
}
