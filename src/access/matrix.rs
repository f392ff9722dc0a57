//! Who may do what: roles by resources and actions, fields by clearance, from the same roles that are enforced.

use super::snapshot::Snapshot;
use crate::permit::{Action, CATALOGUE, Clearance, Grants};
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

/// What somebody's grants come to.
#[derive(Debug, Serialize)]
pub struct Scope {
    resources: Vec<HeldResource>,
    fields: Vec<FieldSeen>,
}

#[derive(Debug, Serialize)]
struct HeldResource {
    name: String,
    actions: BTreeMap<Action, String>,
}

#[derive(Debug, Serialize)]
struct FieldSeen {
    r#type: String,
    path: String,
    sensitivity: Clearance,
    readable: bool,
}

/// The resources within reach, with how far each action goes, and the marked fields of the types that can be read.
pub fn scope_of(grants: &Grants, types: &[TypeFields]) -> Scope {
    let resources =
        catalogue(types).into_iter().map(|entry| HeldResource { actions: entry.held(grants), name: entry.resource });
    let readable = types.iter().filter(|kind| grants.reach("entities", Some(&kind.name), Action::Read).is_some());
    let fields = readable.flat_map(|kind| {
        kind.fields.iter().map(|(path, sensitivity)| FieldSeen {
            r#type: kind.name.clone(),
            path: path.clone(),
            sensitivity: *sensitivity,
            readable: grants.clearance() >= *sensitivity,
        })
    });
    Scope { resources: resources.filter(|held| !held.actions.is_empty()).collect(), fields: fields.collect() }
}

impl Entry {
    /// How far each action goes for somebody who holds `grants`; without those that go nowhere.
    fn held(&self, grants: &Grants) -> BTreeMap<Action, String> {
        let resource = self.resource.split('.').next().unwrap_or_default();
        let reach = |&action: &Action| {
            let reach = match &self.entity_type {
                Some(name) if self.owner_only => grants.reach_owner_only(name, action)?,
                name => grants.reach(resource, name.as_deref(), action)?,
            };
            Some((action, reach.to_string()))
        };
        self.actions.iter().filter_map(reach).collect()
    }
}

fn row(entry: Entry, held: &[(Arc<str>, Grants)]) -> Row {
    let grants = held.iter().filter_map(|(role, grants)| {
        let reaches = entry.held(grants);
        (!reaches.is_empty()).then(|| (role.clone(), reaches))
    });
    Row { grants: grants.collect(), name: entry.resource, actions: entry.actions }
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
