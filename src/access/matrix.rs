//! Who may do what: roles and keys by resources and actions, fields by clearance, from what is enforced.

use super::snapshot::Snapshot;
use crate::{
    error::Result,
    ids::Id,
    permit::{Action, CATALOGUE, Clearance, Grants},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// An entity type, with the sensitivity of its fields by pointer.
#[derive(Clone, Debug)]
pub struct TypeFields {
    pub name: String,
    /// Permissions on all types reach one's own only.
    pub owner_only: bool,
    pub fields: Vec<(String, Clearance)>,
    /// The properties of its schema, marked or not.
    pub declared: Vec<String>,
}

/// Knows the entity types and their fields.
pub trait FieldCatalogue: Send + Sync {
    fn types(&self) -> Vec<TypeFields>;
}

/// A key that works, with what it holds now.
#[derive(Clone, Debug)]
pub struct KeyHolder {
    pub id: Id,
    pub name: String,
    pub owner_email: String,
    pub grants: Grants,
}

/// Knows the keys.
pub trait KeyCatalogue: Send + Sync {
    fn keys(&self) -> Result<Vec<KeyHolder>>;
}

/// What is enforced now.
#[derive(Debug, Serialize)]
pub struct Matrix {
    pub(super) roles: Vec<Arc<str>>,
    pub(super) clearances: BTreeMap<Arc<str>, Clearance>,
    /// Absent for those who may not read keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<Vec<Key>>,
    pub(super) resources: Vec<Row>,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
pub(super) struct Key {
    pub id: Id,
    pub name: String,
    pub owner_email: String,
    pub clearance: Clearance,
    pub grants: BTreeMap<String, BTreeMap<Action, String>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub name: String,
    pub actions: &'static [Action],
    /// Whether a permission can be limited to one's own or by a row rule.
    pub reach: bool,
    pub grants: BTreeMap<Arc<str>, BTreeMap<Action, String>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub r#type: String,
    pub path: String,
    /// What it comes to, with the marks of what it lies under.
    pub sensitivity: Clearance,
    pub marked: bool,
    pub readable_by: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable_by_keys: Option<Vec<Id>>,
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

impl Matrix {
    pub fn new(snapshot: &Snapshot, types: &[TypeFields], keys: Option<Vec<KeyHolder>>) -> Self {
        let held: Vec<(Arc<str>, Grants)> = snapshot.iter().map(|role| (role.name.clone(), role.grants())).collect();
        let entries = catalogue(types);
        Self {
            roles: held.iter().map(|(name, _)| name.clone()).collect(),
            clearances: held.iter().map(|(name, grants)| (name.clone(), grants.clearance())).collect(),
            fields: types.iter().flat_map(|kind| fields(kind, &held, keys.as_deref())).collect(),
            keys: keys.map(|keys| keys.into_iter().map(|key| Key::new(key, &entries)).collect()),
            resources: entries.into_iter().map(|entry| row(entry, &held)).collect(),
        }
    }
}

impl Key {
    fn new(key: KeyHolder, entries: &[Entry]) -> Self {
        let KeyHolder { id, name, owner_email, grants } = key;
        let held = entries.iter().map(|entry| (entry.resource.clone(), entry.held(&grants)));
        let held = held.filter(|(_, actions)| !actions.is_empty()).collect();
        Self { id, name, owner_email, clearance: grants.clearance(), grants: held }
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
    let readable = types.iter().filter(|kind| reads(grants, kind));
    let fields = readable.flat_map(|kind| {
        kind.fields.iter().map(|(path, _)| {
            let sensitivity = kind.sensitivity(path);
            let readable = grants.clearance() >= sensitivity;
            FieldSeen { r#type: kind.name.clone(), path: path.clone(), sensitivity, readable }
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
    Row { grants: grants.collect(), name: entry.resource, actions: entry.actions, reach: entry.reach }
}

impl TypeFields {
    /// The strictest mark among those that cover the path.
    fn sensitivity(&self, path: &str) -> Clearance {
        let covers =
            |outer: &str| path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let marks = self.fields.iter().filter(|(marked, _)| covers(marked)).map(|(_, level)| *level);
        marks.max().unwrap_or_default()
    }
}

fn reads(grants: &Grants, kind: &TypeFields) -> bool {
    grants.reach("entities", Some(&kind.name), Action::Read).is_some()
}

fn fields(kind: &TypeFields, held: &[(Arc<str>, Grants)], keys: Option<&[KeyHolder]>) -> Vec<Field> {
    let marked: BTreeSet<&String> = kind.fields.iter().map(|(path, _)| path).collect();
    let all: BTreeSet<&String> = marked.iter().copied().chain(&kind.declared).collect();
    let field = |path: &String| {
        let sensitivity = kind.sensitivity(path);
        let sees = |grants: &Grants| grants.clearance() >= sensitivity && reads(grants, kind);
        let by_key = |keys: &[KeyHolder]| keys.iter().filter(|key| sees(&key.grants)).map(|key| key.id).collect();
        Field {
            r#type: kind.name.clone(),
            path: path.clone(),
            sensitivity,
            marked: marked.contains(path),
            readable_by: held.iter().filter(|(_, grants)| sees(grants)).map(|(role, _)| role.clone()).collect(),
            readable_by_keys: keys.map(by_key),
        }
    };
    all.into_iter().map(field).collect()
}
