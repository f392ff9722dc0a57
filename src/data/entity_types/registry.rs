//! All entity types in memory, since every request on entities needs one.

use super::{migration, model::EntityType, store};
use crate::{
    access::{FieldCatalogue, TypeFields},
    data::pointer,
    error::{Error, Result},
    personal::DataKeys,
    storage::{Db, Reader, Tx},
};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The types as they stand now. Clones share them.
#[derive(Clone)]
pub struct EntityTypes {
    current: Arc<RwLock<Arc<Snapshot>>>,
    keys: DataKeys,
}

#[derive(Default)]
struct Snapshot {
    by_name: BTreeMap<Arc<str>, Arc<EntityType>>,
    by_alias: BTreeMap<Arc<str>, Arc<EntityType>>,
}

impl EntityTypes {
    pub fn load(db: &Db, keys: DataKeys) -> Result<Self> {
        let definitions = db.read(store::all)?;
        let types = definitions.into_iter().map(|definition| EntityType::new(definition).map(Arc::new));
        let current = Arc::new(RwLock::new(Arc::new(Snapshot::new(types.collect::<Result<_>>()?))));
        Ok(Self { current, keys })
    }

    /// What seals the personal data of entities.
    pub fn keys(&self) -> &DataKeys {
        &self.keys
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn get(&self, name: &str) -> Option<Arc<EntityType>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }

    /// [`EntityTypes::get`], or the answer to somebody who asks for a type that is not there.
    pub fn require(&self, name: &str) -> Result<Arc<EntityType>> {
        self.get(name).ok_or_else(Error::not_found)
    }

    /// Whether entities of the type are their owners' alone.
    pub fn is_owner_only(&self, name: &str) -> bool {
        self.get(name).is_some_and(|kind| kind.owner_only)
    }

    pub fn by_alias(&self, alias: &str) -> Option<Arc<EntityType>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).by_alias.get(alias).cloned()
    }

    /// In the order of their names.
    pub fn all(&self) -> Vec<Arc<EntityType>> {
        self.snapshot().by_name.values().cloned().collect()
    }

    /// Refuses to go on with a type that was changed since it was taken from here. Entities are checked
    /// before the writer's turn, so whoever writes one asks this in the transaction.
    pub fn ensure_current(reader: &Reader<'_>, entity_type: &EntityType) -> Result<()> {
        match store::version(reader, entity_type.id)? {
            Some((_, true)) => return Err(migration::under_way(&entity_type.name)),
            Some((version, false)) if version == entity_type.version => return Ok(()),
            _ => {}
        }
        Err(Error::conflict(format!("The type {} was changed just now. Try again.", entity_type.name)))
    }

    /// Takes over a change once it is committed; `None` for a type that is gone.
    pub(super) fn replace(&self, tx: &Tx<'_>, name: &Arc<str>, with: Option<Arc<EntityType>>) {
        let (shared, name) = (self.current.clone(), name.clone());
        tx.after_commit(move || {
            let mut current = shared.write().unwrap_or_else(PoisonError::into_inner);
            let others = current.by_name.values().filter(|other| other.name != name).cloned();
            *current = Arc::new(Snapshot::new(others.chain(with).collect()));
        });
    }
}

impl Snapshot {
    fn new(types: Vec<Arc<EntityType>>) -> Self {
        let by_alias = types.iter().filter_map(|kind| Some((kind.alias.clone()?, kind.clone())));
        Self {
            by_alias: by_alias.collect(),
            by_name: types.into_iter().map(|kind| (kind.name.clone(), kind)).collect(),
        }
    }
}

impl FieldCatalogue for EntityTypes {
    fn types(&self) -> Vec<TypeFields> {
        let all = self.all();
        let fields = |kind: &EntityType| {
            kind.fields.iter().map(|(pointer, options)| (pointer.clone(), options.sensitivity)).collect()
        };
        let declared = |kind: &EntityType| {
            let properties = kind.schema.get("properties").and_then(Value::as_object);
            properties.into_iter().flat_map(Map::keys).map(|name| pointer::join(&[name])).collect()
        };
        let entry = |kind: &Arc<EntityType>| TypeFields {
            name: kind.name.to_string(),
            owner_only: kind.owner_only,
            fields: fields(kind),
            declared: declared(kind),
        };
        all.iter().map(entry).collect()
    }
}
