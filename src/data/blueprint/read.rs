//! The text of a blueprint, with every mistake in it.

use crate::{
    access::{NewRole, RateLimit},
    config::InspectionMode,
    data::{
        entity_types::{FieldInput, NewEntityType},
        relationship_types::NewRelationshipType,
    },
    error::{Error, Faults, Result},
    permit::Clearance,
    web::parse_json,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    roles: Vec<RoleEntry>,
    #[serde(default)]
    entity_types: Vec<TypeEntry>,
    #[serde(default)]
    relationship_types: Vec<NewRelationshipType>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    name: String,
    #[serde(default)]
    permissions: Vec<String>,
    clearance: Option<Clearance>,
    rate_limit: Option<RateLimit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeEntry {
    name: String,
    schema: Option<toml::Value>,
    fields: Option<BTreeMap<String, FieldInput>>,
    indexes: Option<Vec<String>>,
    search: Option<Vec<String>>,
    alias: Option<String>,
    owner_only: Option<bool>,
    inspection: Option<InspectionMode>,
    retention_days: Option<u32>,
}

/// What a blueprint asks for.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub roles: Vec<NewRole>,
    pub entity_types: Vec<NewEntityType>,
    pub relationship_types: Vec<NewRelationshipType>,
    /// A tree of settings.
    pub settings: Map<String, Value>,
}

/// Reads a blueprint that stands in `folder`, where the files of its schemas are.
pub(super) fn read(text: &str, folder: &Path, faults: &mut Faults) -> Result<Blueprint> {
    let file: File = toml::from_str(text).map_err(|cause| {
        let line = cause.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Error::invalid_at(format!("line {line}"), "invalid", format!("line {line}: {}", cause.message()))
    })?;
    let roles = file.roles.into_iter().map(|role| NewRole {
        name: role.name,
        permissions: role.permissions,
        clearance: role.clearance,
        rate_limit: role.rate_limit,
    });
    let mut entity_types = Vec::new();
    for (index, entry) in file.entity_types.into_iter().enumerate() {
        let schema = entry.schema.and_then(|schema| {
            schema_of(schema, folder)
                .map_err(|message| faults.push(format!("/entity_types/{index}/schema"), "invalid_schema", message))
                .ok()
        });
        entity_types.push(NewEntityType {
            name: entry.name,
            schema,
            fields: entry.fields,
            indexes: entry.indexes,
            search: entry.search,
            alias: entry.alias,
            owner_only: entry.owner_only,
            inspection: entry.inspection,
            retention_days: entry.retention_days,
        });
    }
    let settings = match serde_json::to_value(file.settings) {
        Ok(Value::Object(tree)) => tree,
        _ => Map::new(),
    };
    Ok(Blueprint { roles: roles.collect(), entity_types, relationship_types: file.relationship_types, settings })
}

/// A schema is a table, JSON in a string, or the name of a file beside the blueprint.
fn schema_of(value: toml::Value, folder: &Path) -> Result<Value, String> {
    let toml::Value::String(text) = value else {
        return serde_json::to_value(value).map_err(|cause| format!("The schema is not JSON: {cause}."));
    };
    if text.trim_start().starts_with('{') {
        return parse_json(text.as_bytes()).map_err(|error| error.detail().replace("The body", "The schema"));
    }
    let beside = Path::new(&text);
    if !beside.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("`{text}` is no file beside the blueprint."));
    }
    let bytes = fs::read(folder.join(beside)).map_err(|cause| format!("The file `{text}` cannot be read: {cause}."))?;
    parse_json(&bytes).map_err(|error| error.detail().replace("The body", &format!("The file `{text}`")))
}
