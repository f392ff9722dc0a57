//! JSON Schema 2020-12 of `data`: what is taken as a schema, and how an entity is checked against it.

use super::{formats, mask::Mask, patterns};
use crate::{data::pointer, error::Faults};
use jsonschema::{PatternOptions, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use std::collections::HashMap;

const SIZE: usize = 100 * 1024;
/// Steps that one value may take through `$ref`, `allOf` and the like, at most.
const STEPS: u64 = 2_000;
/// Faults that one answer names, at most.
const FAULTS: usize = 20;

const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const SINGLE: [&str; 12] = [
    "not",
    "if",
    "then",
    "else",
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "propertyNames",
    "contentSchema",
    "additionalItems",
];
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
const REFUSED: [&str; 7] =
    ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"];

/// Compiles a schema, or names everything that is wrong with it.
pub(super) fn compile(schema: &Value, faults: &mut Faults) -> Option<Validator> {
    let mut walk = Walk { root: schema, nodes: HashMap::new(), wrong: Vec::new() };
    if serde_json::to_string(schema).map_or(0, |text| text.len()) > SIZE {
        faults.push("/schema", "too_large", format!("A schema has at most {SIZE} bytes."));
        return None;
    }
    walk.schema(schema, String::new());
    walk.references();
    if !walk.wrong.is_empty() {
        for (path, message) in walk.wrong {
            faults.push(format!("/schema{path}"), "invalid_schema", message);
        }
        return None;
    }
    let built = formats::options()
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(1 << 20))
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(schema);
    match built {
        Ok(validator) => Some(validator),
        Err(error) => {
            let path = error.instance_path().to_string();
            faults.push(
                format!("/schema{path}"),
                "invalid_schema",
                format!("This is not JSON Schema 2020-12: {error}."),
            );
            None
        }
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// Every place where a schema stands, with the places it applies to the same value.
    nodes: HashMap<String, Vec<String>>,
    wrong: Vec<(String, String)>,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value, path: String) {
        let mut same = Vec::new();
        if let Value::Object(members) = schema {
            self.keywords(members, &path);
            for (word, value) in members {
                let here = format!("{path}/{}", pointer::escape(word));
                let word = word.as_str();
                match value {
                    Value::Object(children) if MAPS.contains(&word) => {
                        for (name, child) in children {
                            let below = format!("{here}/{}", pointer::escape(name));
                            if word == "dependentSchemas" {
                                same.push(below.clone());
                            }
                            self.schema(child, below);
                        }
                    }
                    Value::Array(children) if LISTS.contains(&word) => {
                        for (index, child) in children.iter().enumerate() {
                            let below = format!("{here}/{index}");
                            if IN_PLACE.contains(&word) {
                                same.push(below.clone());
                            }
                            self.schema(child, below);
                        }
                    }
                    child if SINGLE.contains(&word) => {
                        if IN_PLACE.contains(&word) {
                            same.push(here.clone());
                        }
                        self.schema(child, here);
                    }
                    Value::String(target) if word == "$ref" => match target.strip_prefix('#') {
                        Some(target) => same.push(decode(target)),
                        None => {
                            self.wrong(&here, "Only references inside the schema, such as #/$defs/name, are followed.");
                        }
                    },
                    _ => {}
                }
            }
        }
        self.nodes.insert(path, same);
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.wrong.push((path.to_owned(), message.into()));
    }

    fn keywords(&mut self, members: &Map<String, Value>, path: &str) {
        for word in REFUSED.iter().filter(|word| members.contains_key(**word)) {
            self.wrong(&format!("{path}/{word}"), format!("{word} is not supported."));
        }
        if let Some(dialect) = members.get("$schema").filter(|dialect| {
            dialect.as_str().map(|uri| uri.trim_end_matches('#'))
                != Some("https://json-schema.org/draft/2020-12/schema")
        }) {
            self.wrong(&format!("{path}/$schema"), format!("Only JSON Schema 2020-12 is known, not {dialect}."));
        }
        let keys = members.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let patterns = members.get("pattern").and_then(Value::as_str).into_iter().map(|text| ("pattern", text));
        let all: Vec<_> = patterns.chain(keys.map(|key| ("patternProperties", key.as_str()))).collect();
        for (word, pattern) in all {
            if let Some(why) = patterns::refusal(pattern) {
                self.wrong(&format!("{path}/{word}"), format!("The pattern `{pattern}` is refused: {why}."));
            }
        }
    }

    /// References that lead nowhere, in a circle, or through too many steps for one value.
    fn references(&mut self) {
        let mut steps = HashMap::new();
        let paths: Vec<_> = self.nodes.keys().cloned().collect();
        for path in paths {
            if let Err(message) = self.steps(&path, &mut steps, 0) {
                self.wrong.push((path, message));
                return;
            }
        }
    }

    fn steps(&self, path: &str, known: &mut HashMap<String, Option<u64>>, depth: usize) -> Result<u64, String> {
        match known.get(path) {
            Some(Some(steps)) => return Ok(*steps),
            Some(None) => return Err("References go in a circle here.".to_owned()),
            None if depth > 200 => return Err("References go too deep here.".to_owned()),
            None => {}
        }
        let Some(next) = self.nodes.get(path) else {
            return Err(format!(
                "There is no schema at #{path}{}.",
                if self.root.pointer(path).is_some() { ", only a value" } else { "" }
            ));
        };
        known.insert(path.to_owned(), None);
        let mut total = 1_u64;
        for below in next {
            total = total.saturating_add(self.steps(below, known, depth + 1)?);
        }
        known.insert(path.to_owned(), Some(total));
        if total > STEPS {
            Err(format!("One value would take {total} steps through this schema; {STEPS} are allowed."))
        } else {
            Ok(total)
        }
    }
}

/// A reference is a fragment of a URI, so its pointer may be percent-encoded.
pub(super) fn decode(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Names what is wrong with `data`, without its values and without fields that the mask hides.
pub(super) fn check(validator: &Validator, data: &Value, mask: &Mask, faults: &mut Faults) {
    for error in validator.iter_errors(data).take(FAULTS) {
        let mut path = pointer::segments(error.instance_path().as_str()).unwrap_or_default();
        if let ValidationErrorKind::Required { property } = error.kind()
            && let Some(name) = property.as_str()
        {
            path.push(name.to_owned());
            if mask.hides(&path) {
                faults.push("/data", "required", "A field that you may not set is required.");
            } else {
                faults.push(format!("/data{}", pointer::join(&path)), "required", format!("`{name}` is required."));
            }
            continue;
        }
        if mask.hides(&path) || !path.is_empty() && !mask.is_full() && !mask.shows(&path) {
            faults.push(
                "/data",
                "invalid",
                "The data does not fit the schema together with fields that you may not see.",
            );
            continue;
        }
        let at = format!("/data{}", pointer::join(&path));
        let message = error.masked().to_string();
        let mut letters = message.chars();
        let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
        faults.push(at, error.kind().keyword().to_owned(), format!("{first}{}.", letters.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::declared::kind, *};
    use crate::filter::Kind;
    use serde_json::json;

    fn compiled(schema: &Value) -> Result<Validator, Vec<String>> {
        let mut faults = Faults::default();
        compile(schema, &mut faults).ok_or_else(|| {
            faults.into_inner().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect()
        })
    }

    #[test]
    fn dangerous_schemas_are_refused() {
        let mut bomb = json!({"$defs": {"a0": {}}, "$ref": "#/$defs/a20"});
        for level in 1..=20 {
            let below = json!({"$ref": format!("#/$defs/a{}", level - 1)});
            bomb["$defs"][format!("a{level}")] = json!({"allOf": [below.clone(), below]});
        }
        for bad in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"properties": {"a": {"$ref": "other.json"}}}),
            json!({"$id": "http://example.com"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"$ref": "#"}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
            json!({"$ref": "#/$defs/nothing"}),
            json!({"properties": {"a": {"pattern": "^(a+)+$"}}}),
            json!({"patternProperties": {"^(a+)+$": {}}}),
            json!({"pattern": "(?=x)"}),
            json!({"type": "objekt"}),
            json!({"required": "a"}),
            json!({"format": "no-such-format"}),
            json!([]),
            bomb,
        ] {
            assert!(compiled(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ordinary_schemas_compile_and_check() {
        let schema = json!({
            "type": "object",
            "required": ["no", "iban"],
            "properties": {
                "no": {"type": "string", "pattern": "^C[0-9]+$"},
                "age": {"type": ["integer", "null"], "minimum": 18},
                "mail": {"type": "string", "format": "email"},
                "iban": {"$ref": "#/$defs/text"},
                "child": {"type": "object", "properties": {"x": {"type": "number"}, "child": {"$ref": "#/properties/child"}}}
            },
            "$defs": {"text": {"type": "string"}},
            "additionalProperties": false
        });
        let validator = compiled(&schema).unwrap();
        let hidden = vec!["iban".to_owned()];
        let fields = [(&hidden, crate::permit::Clearance::Restricted)];
        let mask = Mask::new(fields.into_iter(), crate::permit::Clearance::Internal);
        let faults = |data: Value, mask: &Mask| {
            let mut faults = Faults::default();
            check(&validator, &data, mask, &mut faults);
            let mut named: Vec<_> =
                faults.into_inner().iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect();
            named.sort();
            named
        };
        let bad = json!({"no": "secret-value", "age": 3, "mail": "x", "other": 1});
        let full = Mask::default();
        assert_eq!(
            faults(bad.clone(), &full),
            [
                "/data additionalProperties",
                "/data/age minimum",
                "/data/iban required",
                "/data/mail format",
                "/data/no pattern"
            ]
        );
        assert_eq!(faults(bad, &mask)[..2], ["/data additionalProperties", "/data required"]);
        assert!(faults(json!({"no": "C1", "iban": "x", "age": null}), &full).is_empty());
        let path = |text: &str| pointer::segments(text).unwrap();
        assert_eq!(kind(&schema, &path("/age")), Kind::Number);
        assert_eq!(kind(&schema, &path("/iban")), Kind::Text);
        assert_eq!(kind(&schema, &path("/child/child/x")), Kind::Number);
        assert_eq!(kind(&schema, &path("/child")), Kind::Any);
    }
}
