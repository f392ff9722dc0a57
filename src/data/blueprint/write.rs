//! What is, as a blueprint that leads to it.

use crate::{
    access::{ADMIN, RateLimit, Roles},
    config::InspectionMode,
    data::{
        entity_types::{EntityTypes, FieldOptions},
        relationship_types::{OnDelete, RelationshipType},
    },
    error::{Error, Result},
    permit::{Clearance, Permission},
    settings::Settings,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Serialize)]
struct File<'a> {
    roles: Vec<RoleEntry<'a>>,
    entity_types: Vec<TypeEntry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relationship_types: Vec<JoinEntry<'a>>,
    /// What was changed while running.
    #[serde(skip_serializing_if = "Map::is_empty")]
    settings: Map<String, Value>,
}

#[derive(Serialize)]
struct RoleEntry<'a> {
    name: &'a str,
    permissions: &'a [Permission],
    clearance: Clearance,
    rate_limit: Option<RateLimit>,
}

#[derive(Serialize)]
struct TypeEntry<'a> {
    name: &'a str,
    alias: Option<&'a str>,
    owner_only: bool,
    inspection: Option<InspectionMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
    indexes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a [String]>,
    schema: String,
    fields: &'a BTreeMap<String, FieldOptions>,
}

#[derive(Serialize)]
struct JoinEntry<'a> {
    name: &'a str,
    on_delete: OnDelete,
    allow_self: bool,
}

/// Roles that are not as they were built in, all entity types and kinds of relationships, and the settings that were changed.
pub fn export(roles: &Roles, types: &EntityTypes, joins: &[RelationshipType], settings: &Settings) -> Result<String> {
    let Value::Object(settings) = settings.kept() else { return Err(Error::internal("settings are a tree")) };
    let (roles, types) = (roles.snapshot(), types.all());
    let changed: Vec<&Arc<_>> =
        roles.iter().filter(|role| *role.name != *ADMIN && (!role.built_in || role.version > 1)).collect();
    let roles = changed.iter().map(|role| RoleEntry {
        name: &role.name,
        permissions: &role.permissions,
        clearance: role.clearance,
        rate_limit: role.rate_limit,
    });
    let entity_types = types.iter().map(|kind| {
        Ok(TypeEntry {
            name: &kind.name,
            alias: kind.alias.as_deref(),
            owner_only: kind.owner_only,
            inspection: kind.inspection,
            retention_days: kind.retention_days,
            indexes: &kind.indexes,
            search: kind.search.as_deref(),
            schema: serde_json::to_string_pretty(&kind.schema).map_err(Error::internal)?,
            fields: &kind.fields,
        })
    });
    let joins =
        joins.iter().map(|kind| JoinEntry { name: &kind.name, on_delete: kind.on_delete, allow_self: kind.allow_self });
    let file = File {
        roles: roles.collect(),
        entity_types: entity_types.collect::<Result<_>>()?,
        relationship_types: joins.collect(),
        settings,
    };
    toml::to_string_pretty(&file).map_err(Error::internal)
}
