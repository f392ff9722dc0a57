//! Making, changing and deleting entity types.

use super::{
    compatibility, migration,
    model::{Definition, EntityType, FieldOptions},
    names::check_name,
    personal,
    registry::EntityTypes,
    steps::Steps,
    store,
    unique::{self, UniqueField},
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    clock::Time,
    config::InspectionMode,
    error::{Error, Faults, Result},
    ids::Id,
    permit::{Action, Clearance, Permit, Reach},
    storage::Tx,
    web::{Body, Precondition, etag, nullable},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Fields that a type may mark, at most.
const FIELDS: usize = 200;
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct NewEntityType {
    pub name: String,
    pub schema: Option<Value>,
    pub fields: Option<BTreeMap<String, FieldInput>>,
    pub indexes: Option<Vec<String>>,
    pub search: Option<Vec<String>>,
    pub alias: Option<String>,
    pub owner_only: Option<bool>,
    pub inspection: Option<InspectionMode>,
    pub retention_days: Option<u32>,
}

/// Members that are given replace what was; absent ones stay.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct ChangeEntityType {
    pub schema: Option<Value>,
    pub fields: Option<BTreeMap<String, FieldInput>>,
    pub indexes: Option<Vec<String>>,
    /// Null: without an index.
    #[serde(default, deserialize_with = "nullable")]
    pub search: Option<Option<Vec<String>>>,
    /// Null: no alias.
    #[serde(default, deserialize_with = "nullable")]
    pub alias: Option<Option<String>>,
    pub owner_only: Option<bool>,
    /// Null: as the server does.
    #[serde(default, deserialize_with = "nullable")]
    pub inspection: Option<Option<InspectionMode>>,
    /// Null: deleted entities are kept.
    #[serde(default, deserialize_with = "nullable")]
    pub retention_days: Option<Option<u32>>,
    /// What becomes of the data of each entity, so that it fits.
    pub migration: Option<Steps>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldInput {
    pub sensitivity: Option<Clearance>,
    pub pii: Option<bool>,
    pub unique: Option<bool>,
    pub index: Option<bool>,
}

impl Body for NewEntityType {
    fn check(&self, faults: &mut Faults) {
        check_name("/name", &self.name, faults);
        if let Some(alias) = &self.alias {
            check_name("/alias", alias, faults);
        }
        check_fields(self.fields.as_ref(), faults);
        check_retention(self.retention_days, faults);
    }
}

impl Body for ChangeEntityType {
    fn check(&self, faults: &mut Faults) {
        if let Some(Some(alias)) = &self.alias {
            check_name("/alias", alias, faults);
        }
        check_fields(self.fields.as_ref(), faults);
        check_retention(self.retention_days.flatten(), faults);
        if let Some(steps) = &self.migration {
            steps.check(faults);
        }
    }
}

/// Days, at most: a hundred years.
const RETENTION: u32 = 36_500;

fn check_retention(days: Option<u32>, faults: &mut Faults) {
    if days.is_some_and(|days| !(1..=RETENTION).contains(&days)) {
        faults.push("/retention_days", "out_of_range", format!("Deleted entities are kept 1 to {RETENTION} days."));
    }
}

fn check_fields(fields: Option<&BTreeMap<String, FieldInput>>, faults: &mut Faults) {
    let Some(fields) = fields else { return };
    if fields.len() > FIELDS {
        faults.push("/fields", "too_many", format!("A type marks at most {FIELDS} fields."));
    }
}

fn options(fields: BTreeMap<String, FieldInput>) -> BTreeMap<String, FieldOptions> {
    let option = |input: FieldInput| FieldOptions {
        sensitivity: input.sensitivity.unwrap_or_default(),
        index: input.index.unwrap_or(false),
        unique: input.unique.unwrap_or(false),
        pii: input.pii.unwrap_or(false),
    };
    fields.into_iter().map(|(pointer, input)| (pointer, option(input))).collect()
}

impl NewEntityType {
    fn into_definition(self, now: Time) -> Definition {
        Definition {
            id: Id::new(),
            name: self.name.into(),
            schema: self.schema.unwrap_or_else(any_object),
            fields: options(self.fields.unwrap_or_default()),
            indexes: self.indexes.unwrap_or_default(),
            search: self.search,
            alias: self.alias.map(Into::into),
            owner_only: self.owner_only.unwrap_or(false),
            inspection: self.inspection,
            retention_days: self.retention_days,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl NewEntityType {
    /// The type as it would be made, or everything that is wrong with it.
    pub fn compile(self, now: Time) -> Result<EntityType> {
        let mut faults = Faults::default();
        self.check(&mut faults);
        let compiled = EntityType::new(self.into_definition(now));
        match compiled {
            Ok(compiled) => faults.into_result().map(|()| compiled),
            Err(error) => {
                let mut all = faults.into_inner();
                all.extend(error.faults().iter().cloned());
                Err(if all.is_empty() { error } else { Error::invalid(all) })
            }
        }
    }
}

impl From<NewEntityType> for ChangeEntityType {
    /// The change that leaves nothing of what was.
    fn from(new: NewEntityType) -> Self {
        Self {
            schema: Some(new.schema.unwrap_or_else(any_object)),
            fields: Some(new.fields.unwrap_or_default()),
            indexes: Some(new.indexes.unwrap_or_default()),
            search: Some(new.search),
            alias: Some(new.alias),
            owner_only: Some(new.owner_only.unwrap_or(false)),
            inspection: Some(new.inspection),
            retention_days: Some(new.retention_days),
            migration: None,
        }
    }
}

/// What a type without a schema takes.
fn any_object() -> Value {
    json!({"type": "object"})
}

impl ChangeEntityType {
    fn apply(self, mut definition: Definition, now: Time) -> Definition {
        if let Some(schema) = self.schema {
            definition.schema = schema;
        }
        if let Some(fields) = self.fields {
            definition.fields = options(fields);
        }
        if let Some(indexes) = self.indexes {
            definition.indexes = indexes;
        }
        if let Some(search) = self.search {
            definition.search = search;
        }
        if let Some(alias) = self.alias {
            definition.alias = alias.map(Into::into);
        }
        definition.owner_only = self.owner_only.unwrap_or(definition.owner_only);
        definition.inspection = self.inspection.unwrap_or(definition.inspection);
        definition.retention_days = self.retention_days.unwrap_or(definition.retention_days);
        definition.version += 1;
        definition.updated_at = now;
        definition
    }

    /// [`ChangeEntityType::apply`], with what a migration carries along.
    fn migrate(mut self, before: &Definition, now: Time) -> (Definition, Option<Steps>) {
        let steps = self.migration.take();
        let said = (self.fields.is_some(), self.indexes.is_some(), self.search.is_some());
        let mut after = self.apply(before.clone(), now);
        if let Some(steps) = &steps {
            steps.carry(before, &mut after, said);
        }
        (after, steps)
    }
}

fn ensure_alias_free(tx: &Tx<'_>, definition: &Definition) -> Result<()> {
    let Some(alias) = &definition.alias else { return Ok(()) };
    match store::has_alias(tx, alias)? {
        Some(other) if *other != *definition.name => {
            Err(Error::conflict(format!("The alias {alias} belongs to the type {other}.")))
        }
        _ => Ok(()),
    }
}

pub async fn create(
    ledger: &Ledger,
    types: &EntityTypes,
    actor: &Actor,
    new: NewEntityType,
) -> Result<Arc<EntityType>> {
    let entity_type = Arc::new(EntityType::new(new.into_definition(ledger.clock().now()))?);
    let types = types.clone();
    ledger
        .change(actor, move |tx| {
            let name = &entity_type.name;
            if store::find(tx, name)?.is_some() {
                return Err(Error::conflict(format!("There is a type {name} already.")));
            }
            ensure_alias_free(tx, &entity_type)?;
            store::insert(tx, &entity_type)?;
            types.replace(tx, name, Some(entity_type.clone()));
            let event = Event::new("entity_type.created", "entity_type", name).after(entity_type.definition());
            Ok((entity_type.clone(), event))
        })
        .await
}

/// Nobody opens what they may not see themselves: the mark of a field above their clearance stays, and so does an
/// owner's privacy. Nor do they try values with schemas, since the answer says which entities fit.
fn ensure_stays_hidden(permit: &Permit, before: &Definition, after: &Definition) -> Result<()> {
    let own = permit.caller().own_grants();
    let clearance = own.clearance();
    let level = |kind: &Definition, pointer: &str| kind.fields.get(pointer).copied().unwrap_or_default().sensitivity;
    let above = |pointer: &&String| level(before, pointer) > clearance;
    let mut hidden = before.fields.keys().filter(above);
    if let Some(pointer) = hidden.clone().find(|pointer| level(after, pointer) < level(before, pointer)) {
        return Err(Error::forbidden(format!(
            "The field {pointer} is above your clearance; only somebody who may see it can lower its sensitivity."
        )));
    }
    let opened = |pointer: &&String| level(after, pointer) < Clearance::default() && above(pointer);
    if clearance < Clearance::default() && after.fields.keys().any(|pointer| opened(&pointer)) {
        return Err(Error::forbidden("You cannot make fields public that you may not see yourself."));
    }
    if after.schema != before.schema && (hidden.next().is_some() || clearance < Clearance::default()) {
        return Err(Error::forbidden(
            "This type has fields above your clearance; only somebody who may see them can change its schema.",
        ));
    }
    let every = own.reach_owner_only(&before.name, Action::Read) == Some(Reach::Any);
    if before.owner_only && !after.owner_only && !every {
        return Err(Error::forbidden("Only somebody who may read every entity of this type can open it to others."));
    }
    Ok(())
}

/// Changes a type. A schema that entities would not fit is refused: they are looked at before the writer's
/// turn, and those that changed meanwhile within it. Answers the type, and whether a job migrates its entities now.
pub async fn change(
    ledger: &Ledger,
    types: &EntityTypes,
    permit: &Permit,
    name: &str,
    change: ChangeEntityType,
    precondition: Precondition,
) -> Result<(Arc<EntityType>, bool)> {
    let before = types.require(name)?;
    precondition.check(&etag(before.version, 0))?;
    let (now, marks) = (ledger.clock().now(), change.fields.is_some());
    let (after, steps) = change.migrate(before.definition(), now);
    let after = Arc::new(EntityType::new(after)?);
    let same = after.schema == before.schema && steps.is_none();
    ensure_stays_hidden(permit, before.definition(), after.definition())?;
    let added = unique::added(before.definition(), &after);
    if added.iter().any(|field| !before.mask(permit.clearance()).shows(&field.path)) {
        return Err(Error::forbidden("Only somebody who may see a field can make it unique."));
    }
    let seals = before.personal() != after.personal();
    if let Some(steps) = &steps {
        steps.ensure_may(permit, &before, &after)?;
        if marks && (seals || !added.is_empty()) {
            let message = "Mark fields as unique or personal in a change of its own, once the migration is done.";
            return Err(Error::invalid_at("/migration", "not_alone", message));
        }
    }
    let mut by_job = steps.is_some();
    if !same || !added.is_empty() || seals {
        let (db, next, added) = (ledger.db().clone(), after.clone(), added.clone());
        let (keys, was, steps) = (types.keys().clone(), before.clone(), steps.clone());
        let look = move || {
            db.read_long(|reader| {
                let many = personal::ensure_can_follow(reader, &was, &next)?;
                if !same {
                    compatibility::check(reader, &keys, &was, &next, steps.as_ref(), None)?.into_result()?;
                }
                unique::ensure_none_twice(reader, &keys, &was, &added, steps.as_ref())?;
                Ok(many)
            })
        };
        by_job |= tokio::task::spawn_blocking(look).await.map_err(Error::internal)??;
    }
    let becomes = |field: &UniqueField| !before.unique().iter().any(|other| other.pointer == field.pointer);
    if by_job && steps.is_none() && added.iter().any(becomes) {
        let message = "There are too many entities to seal and to compare at once. Make fields unique in a change of \
                       its own, once those that are there are sealed.";
        return Err(Error::invalid_at("/fields", "not_alone", message));
    }
    let interim = by_job.then(|| migration::interim(&before, &after)).transpose()?;
    let types = types.clone();
    ledger
        .change(&permit.actor(), move |tx| {
            let stored = store::find(tx, &before.name)?.ok_or_else(Error::not_found)?;
            if stored.version != before.version {
                return Err(Error::conflict(format!("The type {} was changed just now. Try again.", before.name)));
            }
            migration::ensure_none(tx, &before.name)?;
            if !same {
                let since = now.minus(Duration::from_secs(60));
                compatibility::check(tx, types.keys(), &before, &after, steps.as_ref(), Some(since))?.into_result()?;
            }
            ensure_alias_free(tx, &after)?;
            if let Some(interim) = &interim {
                let steps = steps.clone().unwrap_or_default();
                if !steps.is_empty() {
                    unique::ensure_none_twice(tx, types.keys(), &before, &added, Some(&steps))?;
                }
                let event = migration::begin(tx, &types, &before, interim, &after, &steps)?;
                return Ok(((interim.clone(), true), event));
            }
            personal::ensure_can_follow(tx, &before, &after)?;
            let rewritten = personal::follow(tx, types.keys(), &before, &after)?;
            store::update(tx, &after)?;
            unique::adopt(tx, before.definition(), &after, &added)?;
            types.replace(tx, &after.name, Some(after.clone()));
            let event = Event::new("entity_type.updated", "entity_type", &after.name)
                .changed(before.definition(), after.definition())
                .rewriting(rewritten);
            Ok(((after.clone(), false), event))
        })
        .await
}

pub async fn delete(
    ledger: &Ledger,
    types: &EntityTypes,
    actor: &Actor,
    name: String,
    precondition: Precondition,
) -> Result<()> {
    let types = types.clone();
    ledger
        .change(actor, move |tx| {
            let stored = store::find(tx, &name)?.ok_or_else(Error::not_found)?;
            precondition.check(&etag(stored.version, 0))?;
            migration::ensure_none(tx, &name)?;
            let entities = store::entities(tx, &name)?;
            if entities > 0 {
                let message = format!("The type {name} still has entities: {entities}. Delete them first.");
                return Err(Error::conflict(message).with("count", entities));
            }
            let purged = store::delete(tx, &stored)?;
            types.replace(tx, &stored.name, None);
            let event = Event::new("entity_type.deleted", "entity_type", &name)
                .before(&json!({"definition": stored, "deleted_entities": purged}));
            Ok(((), event))
        })
        .await
}
