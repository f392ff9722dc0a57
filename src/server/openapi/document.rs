//! The document of the routes, whoever asks.

use super::{super::idempotency::takes_key, responses};
use crate::{
    permit::{Action, Need, Route},
    web::Description,
};
use actix_web::http::Method;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

const ABOUT: &str = "Everything that the console does, and more. Times are RFC 3339 in UTC, ids are UUIDs, errors are \
    problem documents (RFC 9457) with a stable `code`. Unknown members and parameters are refused by name.";

pub(super) fn build(routes: &[Route]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let path = format!("/api/v1{}", route.path);
        let here = paths.entry(path).or_insert_with(|| json!({ "parameters": path_parameters(route.path) }));
        here[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut schemas);
    }
    let mut definitions = schemas.take_definitions(true);
    definitions.insert("Problem".into(), responses::problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Portcullis", "version": env!("CARGO_PKG_VERSION"), "summary": "A hardened backend for a small team", "description": ABOUT },
        "servers": [{ "url": "/" }],
        "tags": tags(routes),
        "security": [],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": responses::components(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token of `POST /api/v1/auth/login`, or an API key." },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, `ptk_…`." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "__Host-portcullis", "description": "The console's session; writes need `X-CSRF-Token` beside it." },
            },
        },
    })
}

fn tags(routes: &[Route]) -> Vec<Value> {
    let mut nouns: Vec<_> = routes.iter().map(Route::noun).collect();
    nouns.dedup();
    let mut seen = Vec::new();
    nouns.retain(|noun| {
        !seen.contains(noun) && {
            seen.push(*noun);
            true
        }
    });
    nouns.iter().map(|noun| json!({ "name": noun })).collect()
}

/// What stands in braces.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(name) })).collect()
}

fn path_schema(name: &str) -> Value {
    match name {
        "seq" | "version" => json!({ "type": "integer", "minimum": 1 }),
        "type" | "name" => json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$" }),
        "id" | "delivery" => json!({ "type": "string", "format": "uuid" }),
        _ => json!({ "type": "string" }),
    }
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut description = Description::new(schemas);
    route.describe(&mut description);
    let (body, query) = (description.body.take(), description.query.take());
    let (conditional, raw) = (description.conditional, description.raw);
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.noun()],
        "summary": route.summary,
        "description": need(route),
        "security": security(route),
    });
    let mut parameters = query.map(|query| query_parameters(query.as_value())).unwrap_or_default();
    if conditional {
        let name = if route.method == Method::GET { "If-None-Match" } else { "If-Match" };
        parameters.push(json!({ "name": name, "in": "header", "schema": { "type": "string" }, "example": "\"3\"" }));
    }
    if takes_key(route) {
        let about = "The first answer is given again for 24 hours when the same call comes with the same key.";
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "description": about, "schema": { "type": "string", "maxLength": 255 } }));
    }
    operation["parameters"] = Value::Array(parameters);
    let takes_body = body.is_some();
    if let Some(body) = body {
        operation["requestBody"] = json!({ "content": { content_type(route): { "schema": body } } });
    } else if raw {
        operation["requestBody"] = json!({ "content": { "text/csv": {}, "application/x-ndjson": {} } });
    }
    operation["responses"] = responses::of(route, takes_body || raw, conditional, schemas);
    operation
}

fn content_type(route: &Route) -> &'static str {
    if route.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" }
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split('/').filter(|segment| !segment.is_empty());
    let words: Vec<_> = words.map(|word| word.trim_matches(['{', '}']).replace('-', "_")).collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), words.join("_"))
}

fn need(route: &Route) -> String {
    let held = |resource: &str, action: Action| match resource {
        "entities" => format!("`entities.{{type}}:{}`", action.as_str()),
        _ => format!("`{resource}:{}`", action.as_str()),
    };
    match route.need {
        Need::Public(reason) => format!("Open to anyone: {reason}"),
        Need::SignedIn => "Takes any known caller.".into(),
        Need::Session => "Takes somebody who signed in; keys do not.".into(),
        Need::SessionWith { resource, action } => {
            format!("Takes somebody who signed in and holds {}.", held(resource, action))
        }
        Need::Own { resource, action } => {
            format!("For what is one's own; for others' it takes {}.", held(resource, action))
        }
        Need::Permission { resource, action } => format!("Takes {}.", held(resource, action)),
    }
}

fn security(route: &Route) -> Value {
    match route.need {
        Need::Public(_) => json!([]),
        Need::Session | Need::SessionWith { .. } => json!([{ "bearer": [] }, { "cookie": [] }]),
        _ => json!([{ "bearer": [] }, { "key": [] }, { "cookie": [] }]),
    }
}

fn query_parameters(query: &Value) -> Vec<Value> {
    let required = |name: &str| query["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = query["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter =
            json!({ "name": name, "in": "query", "required": required(&name), "schema": present(schema) });
        if let Some(text) = description.or_else(|| known_parameter(&name).map(Into::into)) {
            parameter["description"] = text;
        }
        if let Some(limits) =
            (name == "limit").then(|| json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 30 }))
        {
            parameter["schema"] = limits;
        }
        parameter
    };
    properties.into_iter().map(parameter).collect()
}

/// Absent or there: an address has no null.
fn present(mut schema: Value) -> Value {
    if let Some(types) = schema["type"].as_array_mut() {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            schema["type"] = only.clone();
        }
    }
    if let Some(choices) = schema["anyOf"].as_array_mut() {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = &choices[..] {
            return only.clone();
        }
    }
    schema
}

/// What the parameters say that many lists share.
fn known_parameter(name: &str) -> Option<&'static str> {
    Some(match name {
        "limit" => "Items on a page.",
        "cursor" => "`next_cursor` of the page before.",
        "sort" => "Fields to sort by, `-` before one for the other way round: `-created_at,name`.",
        "filter" => "What items must be like, in the filter language: `data.city = \"Paris\" and confidence >= 0.5`.",
        "fields" => "Only these members: `name,data.city`.",
        "q" => "Words to search for.",
        "deleted" => "`include` or `only`.",
        "count" => "Adds `total`.",
        "format" => "`csv` or `jsonl`.",
        _ => return None,
    })
}
