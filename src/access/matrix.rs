//! Who may do what: roles by resources and actions, fields by clearance, from the same roles that are enforced.

use super::snapshot::Snapshot;
use crate::permit::{Action, CATALOGUE, Clearance, Grants, Reach, Rule};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// An entity type, with the sensitivity of its fields by pointer.
#[derive(Clone, Debug)]
pub struct TypeFields {
    pub name: String,
    /// Permissions on all types reach one's own only.
    pub owner_only: bool,
    pub fields: Vec<(String, Clearance)>,
}

/// Knows the entity types and their fields.
pub trait FieldCatalogue: Send + Sync {
    fn types(&self) -> Vec<TypeFields>;
}

#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    roles: Vec<Arc<str>>,
    resources: Vec<Row>,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    actions: &'static [Action],
    grants: BTreeMap<Arc<str>, BTreeMap<Action, String>>,
}

#[derive(Debug, Serialize)]
struct Field {
    r#type: String,
    path: String,
    sensitivity: Clearance,
    readable_by: Vec<Arc<str>>,
}

/// A resource as permissions name it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    resource: String,
    actions: &'static [Action],
    reach: bool,
    description: String,
    #[serde(skip)]
    entity_type: Option<String>,
    #[serde(skip)]
    owner_only: bool,
}

/// Every resource that a permission can name now.
pub(super) fn catalogue(types: &[TypeFields]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for resource in CATALOGUE {
        let entry = |resource_name: String, entity_type: Option<String>, description: String| Entry {
            resource: resource_name,
            actions: resource.actions,
            reach: resource.reach,
            description,
            entity_type,
            owner_only: false,
        };
        if resource.name != "entities" {
            entries.push(entry(resource.name.to_owned(), None, resource.description.to_owned()));
            continue;
        }
        entries.push(entry("entities.*".to_owned(), None, "Entities of every type".to_owned()));
        for kind in types {
            let name = format!("entities.{}", kind.name);
            let of_type = entry(name, Some(kind.name.clone()), format!("Entities of the type {}", kind.name));
            entries.push(Entry { owner_only: kind.owner_only, ..of_type });
        }
    }
    entries
}

pub(super) fn matrix(snapshot: &Snapshot, types: &[TypeFields]) -> Matrix {
    let held: Vec<(Arc<str>, Grants)> = snapshot.iter().map(|role| (role.name.clone(), role.grants())).collect();
    Matrix {
        roles: held.iter().map(|(name, _)| name.clone()).collect(),
        resources: catalogue(types).into_iter().map(|entry| row(entry, &held)).collect(),
        fields: types.iter().flat_map(|kind| fields(kind, &held)).collect(),
    }
}

fn row(entry: Entry, held: &[(Arc<str>, Grants)]) -> Row {
    let resource = entry.resource.split('.').next().unwrap_or_default();
    let grants = held.iter().filter_map(|(role, grants)| {
        let reaches: BTreeMap<_, _> = entry
            .actions
            .iter()
            .filter_map(|&action| {
                let reach = match &entry.entity_type {
                    Some(name) if entry.owner_only => grants.reach_owner_only(name, action)?,
                    name => grants.reach(resource, name.as_deref(), action)?,
                };
                Some((action, describe(&reach)))
            })
            .collect();
        (!reaches.is_empty()).then(|| (role.clone(), reaches))
    });
    Row { grants: grants.collect(), name: entry.resource, actions: entry.actions }
}

fn describe(reach: &Reach) -> String {
    let Reach::Limited(rules) = reach else { return "any".to_owned() };
    let texts: Vec<_> = rules
        .iter()
        .map(|rule| match rule {
            Rule::Own => "own".to_owned(),
            Rule::Where(rule) => format!("where({})", rule.0),
        })
        .collect();
    texts.join(" or ")
}

fn fields(kind: &TypeFields, held: &[(Arc<str>, Grants)]) -> Vec<Field> {
    let readers: Vec<_> =
        held.iter().filter(|(_, grants)| grants.reach("entities", Some(&kind.name), Action::Read).is_some()).collect();
    let field = |(path, sensitivity): &(String, Clearance)| Field {
        r#type: kind.name.clone(),
        path: path.clone(),
        sensitivity: *sensitivity,
        readable_by: readers
            .iter()
            .filter(|(_, grants)| grants.clearance() >= *sensitivity)
            .map(|(role, _)| role.clone())
            .collect(),
    };
    kind.fields.iter().map(field).collect()
}
