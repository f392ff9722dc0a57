//! The entity types' own paths, with their schemas as the caller may see them.

use crate::{
    data::entity_types::{EntityType, EntityTypes, Mask},
    permit::{Action, Caller},
};
use serde_json::{Map, Value, json};

/// The paths below `/entities/{type}` that each type has for itself.
const PATHS: [(&str, &[(&str, Action)]); 2] = [
    ("/api/v1/entities/{type}", &[("get", Action::Read), ("post", Action::Create)]),
    (
        "/api/v1/entities/{type}/{id}",
        &[("get", Action::Read), ("patch", Action::Update), ("put", Action::Update), ("delete", Action::Delete)],
    ),
];

/// Keywords of a schema that say nothing of fields beside it.
const PLAIN: [&str; 14] = [
    "type",
    "format",
    "title",
    "description",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
];

pub(super) fn add(document: &mut Value, caller: &Caller, types: &EntityTypes) {
    for kind in types.all() {
        let may = |action| caller.grants().reach("entities", Some(&kind.name), action).is_some();
        if !may(Action::Read) {
            continue;
        }
        let data = schema(&kind, kind.mask(caller.clearance()));
        document["components"]["schemas"][format!("{}.data", kind.name)] = data;
        for (pattern, methods) in PATHS {
            let general = document["paths"][pattern].clone();
            let mut own = Map::new();
            for (method, _) in methods.iter().filter(|(_, action)| may(*action)) {
                own.insert((*method).to_owned(), operation(&general[*method], &kind));
            }
            own.insert("parameters".into(), id_alone(&general["parameters"]));
            let path = pattern.replace("/entities/{type}", &format!("/entities/{}", kind.name));
            if let Some(alias) = &kind.alias {
                let short = pattern.replace("/entities/{type}", &format!("/{alias}"));
                own.insert("description".into(), format!("Answers at `{short}` too.").into());
            }
            document["paths"][path] = Value::Object(own);
        }
    }
}

fn id_alone(parameters: &Value) -> Value {
    parameters.as_array().into_iter().flatten().filter(|parameter| parameter["name"] != "type").cloned().collect()
}

/// The general operation, speaking of one type.
fn operation(general: &Value, kind: &EntityType) -> Value {
    let mut own = general.clone();
    own["operationId"] = format!("{}_of_{}", general["operationId"].as_str().unwrap_or_default(), kind.name).into();
    own["tags"] = json!([format!("entities: {}", kind.name)]);
    let data = json!({ "properties": { "data": { "$ref": format!("#/components/schemas/{}.data", kind.name) } } });
    if let Some(content) = own.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) {
        for media in content.values_mut() {
            let whole = !media["schema"].to_string().contains("Patch");
            if whole {
                media["schema"] = json!({ "allOf": [media["schema"].take(), data] });
            }
        }
    }
    own
}

fn schema(kind: &EntityType, mask: &Mask) -> Value {
    if mask.is_full() { kind.schema.clone() } else { seen(&kind.schema, &mut Vec::new(), mask) }
}

/// The part of a schema that says nothing of hidden fields: named properties and what is plain about them.
fn seen(schema: &Value, path: &mut Vec<String>, mask: &Mask) -> Value {
    let Some(members) = schema.as_object() else { return json!({}) };
    let mut shown: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| PLAIN.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    if let Some(properties) = members.get("properties").and_then(Value::as_object) {
        let mut inner = Map::new();
        for (name, property) in properties {
            path.push(name.clone());
            if !mask.hides(path) {
                inner.insert(name.clone(), seen(property, path, mask));
            }
            path.pop();
        }
        shown.insert("properties".into(), Value::Object(inner));
        let required = members.get("required").and_then(Value::as_array).into_iter().flatten();
        let named = required.filter(|name| name.as_str().is_some_and(|name| shown["properties"].get(name).is_some()));
        let required: Vec<_> = named.cloned().collect();
        if !required.is_empty() {
            shown.insert("required".into(), required.into());
        }
    }
    if let Some(items) = members.get("items") {
        shown.insert("items".into(), seen(items, path, mask));
    }
    Value::Object(shown)
}
