//! What a schema declares of a path in `data`.

use super::schema::decode;
use crate::filter::Kind;
use serde_json::Value;

/// How the text of a table's cell becomes a value of the member `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Text,
    Number,
    Boolean,
    Json,
}

pub(super) fn cell(schema: &Value, name: &str) -> Cell {
    let Some(member) = follow(schema, schema).get("properties").and_then(|properties| properties.get(name)) else {
        return Cell::Text;
    };
    let member = follow(schema, member);
    let types: Vec<&str> = match (member.get("type"), member.get("enum"), member.get("const")) {
        (Some(Value::String(one)), _, _) => vec![one],
        (Some(Value::Array(several)), _, _) => several.iter().filter_map(Value::as_str).collect(),
        (None, Some(Value::Array(values)), _) => values.iter().map(type_of).collect(),
        (None, None, Some(value)) => vec![type_of(value)],
        _ => vec!["string"],
    };
    let has = |wanted: &[&str]| types.iter().any(|name| wanted.contains(name));
    if has(&["string"]) {
        Cell::Text
    } else if has(&["integer", "number"]) {
        Cell::Number
    } else if has(&["boolean"]) {
        Cell::Boolean
    } else if has(&["object", "array"]) {
        Cell::Json
    } else {
        Cell::Text
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What the schema says about the type of a path in `data`.
pub(super) fn kind(schema: &Value, path: &[String]) -> Kind {
    let mut here = schema;
    for segment in path {
        let Some(next) = follow(schema, here).get("properties").and_then(|properties| properties.get(segment)) else {
            return Kind::Any;
        };
        here = next;
    }
    let here = follow(schema, here);
    let types: Vec<&str> = match here.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Kind::Any,
    };
    let mut kinds = types.into_iter().filter(|name| *name != "null").map(|name| match name {
        "string" if matches!(here.get("format").and_then(Value::as_str), Some("date" | "date-time")) => Kind::Time,
        "string" => Kind::Text,
        "integer" | "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        _ => Kind::Any,
    });
    let first = kinds.next().unwrap_or(Kind::Any);
    if kinds.all(|other| other == first) { first } else { Kind::Any }
}

/// Whether data may have a member at the path: not where the schema closes the object that it would stand in.
pub(super) fn allows(schema: &Value, path: &[String]) -> bool {
    let mut here = schema;
    for segment in path {
        let object = follow(schema, here);
        let Some(next) = object.get("properties").and_then(|properties| properties.get(segment)) else {
            let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
            return !closed || object.get("patternProperties").is_some();
        };
        here = next;
    }
    true
}

/// The schema behind a chain of references; compiled schemas have no circles.
pub(super) fn follow<'s>(root: &'s Value, mut here: &'s Value) -> &'s Value {
    while let Some(target) = here.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
        match root.pointer(&decode(target)) {
            Some(next) => here = next,
            None => break,
        }
    }
    here
}
