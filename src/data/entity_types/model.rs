//! An entity type as it is stored and shown, and as it is used.

use super::{
    declared::{self, Cell},
    defaults,
    mask::Mask,
    personal, schema,
    sensitive::Sensitive,
    unique::UniqueField,
};
use crate::{
    audit::{Fields, Watched},
    clock::Time,
    config::InspectionMode,
    data::{pointer, sealed::PersonalField},
    error::{Error, Faults, Result},
    filter::{Field, Kind},
    ids::Id,
    permit::Clearance,
};
use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, ops::Deref, sync::Arc};

/// What a type says about one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldOptions {
    #[serde(default)]
    pub sensitivity: Clearance,
    /// Filters and sorts on it find their way without looking at every entity.
    #[serde(default)]
    pub index: bool,
    /// Only one live entity may have a value.
    #[serde(default)]
    pub unique: bool,
    /// Personal data: sealed under the entity's own key wherever it is kept.
    #[serde(default)]
    pub pii: bool,
}

/// What is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Definition {
    pub id: Id,
    pub name: Arc<str>,
    pub schema: Value,
    pub fields: BTreeMap<String, FieldOptions>,
    pub indexes: Vec<String>,
    /// Where searches look besides the name, by an index; none: they look everywhere, without one.
    pub search: Option<Vec<String>>,
    pub alias: Option<Arc<str>>,
    pub owner_only: bool,
    /// What inspection does with findings in this type's entities; none: as the server does.
    pub inspection: Option<InspectionMode>,
    /// Days after its deletion until an entity is gone for good; none: it is kept.
    pub retention_days: Option<u32>,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A type ready for use: its schema compiled, and what each clearance sees.
#[derive(Debug)]
pub struct EntityType {
    definition: Definition,
    validator: Validator,
    masks: [Arc<Mask>; 4],
    unique: Vec<UniqueField>,
    sensitive: Sensitive,
    personal: Vec<PersonalField>,
    has_defaults: bool,
}

impl Deref for EntityType {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
}

impl EntityType {
    /// Compiles a definition, or names everything that is wrong with it.
    pub fn new(definition: Definition) -> Result<Self> {
        let mut faults = Faults::default();
        let validator = schema::compile(&definition.schema, &mut faults);
        let mut paths = Vec::with_capacity(definition.fields.len());
        for (text, options) in &definition.fields {
            match pointer::segments(text) {
                Some(path) => paths.push((path, options.sensitivity)),
                None => faults.push(
                    format!("/fields/{}", pointer::escape(text)),
                    "invalid_pointer",
                    format!("`{text}` is no pointer into data, such as /address/city."),
                ),
            }
        }
        check_indexes(&definition, &mut faults);
        check_search(&definition, &mut faults);
        let unique = unique_fields(&definition, &mut faults);
        let personal = personal::fields(&definition);
        personal::check(&definition, &personal, &mut faults);
        faults.into_result()?;
        let validator = validator.ok_or_else(|| Error::internal("a schema without faults was not compiled"))?;
        let masks = Clearance::ALL
            .map(|level| Arc::new(Mask::new(paths.iter().map(|(path, sensitivity)| (path, *sensitivity)), level)));
        let (has_defaults, sensitive) = (defaults::any(&definition.schema), Sensitive::new(&definition));
        let made = Self { definition, validator, masks, unique, sensitive, personal, has_defaults };
        made.ensure_defaults_fit()?;
        Ok(made)
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub fn mask(&self, clearance: Clearance) -> &Arc<Mask> {
        &self.masks[clearance as usize]
    }

    /// The fields whose reading is recorded.
    pub fn watched(&self) -> &Arc<Watched> {
        self.sensitive.watched()
    }

    /// Those that this text of `data` shows to somebody with `clearance`.
    pub fn watched_in(&self, clearance: Clearance, text: &[u8]) -> Fields {
        self.sensitive.in_text(clearance, text)
    }

    /// Those that a question about a path in `data` asks for; about all of it where the path is empty.
    pub fn watched_at(&self, clearance: Clearance, path: &[String]) -> Fields {
        self.sensitive.at(clearance, path)
    }

    /// Names what in `data` does not fit the schema, as far as `mask` lets it be named.
    pub fn check(&self, data: &Value, mask: &Mask, faults: &mut Faults) {
        if !self.validator.is_valid(data) {
            schema::check(&self.validator, data, mask, faults);
        }
    }

    pub fn accepts(&self, data: &Value) -> bool {
        self.validator.is_valid(data)
    }

    /// The fields whose values only one live entity may have.
    pub fn unique(&self) -> &[UniqueField] {
        &self.unique
    }

    /// The fields whose values are sealed.
    pub fn personal(&self) -> &[PersonalField] {
        &self.personal
    }

    /// The personal field that a path leads to, into or around.
    pub fn personal_at(&self, path: &[String]) -> Option<&PersonalField> {
        self.personal.iter().find(|field| path.starts_with(&field.path) || field.path.starts_with(path))
    }

    /// The unique field that a caller means. One that is not there and one they may not see are refused alike.
    pub fn unique_field(&self, pointer: &str, mask: &Mask) -> Option<&UniqueField> {
        self.unique.iter().find(|field| field.pointer == pointer && mask.shows(&field.path))
    }

    /// Puts the defaults of the schema where data says nothing, but none that `mask` hides.
    pub fn fill_defaults(&self, data: &mut Value, mask: &Mask) {
        if self.has_defaults {
            defaults::fill(&self.definition.schema, data, mask);
        }
    }

    /// Refuses defaults that the schema itself would refuse.
    fn ensure_defaults_fit(&self) -> Result<()> {
        let mut data = Value::Object(serde_json::Map::new());
        self.fill_defaults(&mut data, &Mask::default());
        let mut faults = Faults::default();
        for error in self.validator.iter_errors(&data).filter(|error| !error.instance_path().as_str().is_empty()) {
            let message = format!("The default at {} does not fit the schema: {error}.", error.instance_path());
            faults.push("/schema", "invalid_default", message);
        }
        faults.into_result()
    }

    /// How a table's cell becomes the member `name` of `data`.
    pub fn cell(&self, name: &str) -> Cell {
        declared::cell(&self.definition.schema, name)
    }

    /// Whether the schema leaves room for a path in `data`.
    pub fn allows(&self, path: &[String]) -> bool {
        declared::allows(&self.definition.schema, path)
    }

    /// What the schema says about the type of a path in `data`.
    pub fn kind(&self, path: &[String]) -> Kind {
        declared::kind(&self.definition.schema, path)
    }
}

impl Definition {
    /// The paths that have an index, whichever way it was asked for.
    pub fn indexed(&self) -> impl Iterator<Item = &str> {
        let marked = self.fields.iter().filter(|(_, options)| options.index).map(|(pointer, _)| pointer.as_str());
        let listed = self.indexes.iter().map(String::as_str);
        listed.chain(marked.filter(|pointer| !self.indexes.iter().any(|listed| listed == pointer)))
    }

    /// The indexed values as SQL, by a name that changes with them.
    pub fn index_expressions(&self) -> BTreeMap<String, String> {
        let expressions = self.indexed().filter_map(|pointer| {
            let path = pointer::segments(pointer)?;
            let sql = if self.fields.get(pointer).is_some_and(|options| options.pii) {
                personal::digest_sql(&path)?
            } else {
                Field::json("data", &path, declared::kind(&self.schema, &path))?.sql()
            };
            let digest = <sha2::Sha256 as sha2::Digest>::digest(&sql);
            Some((format!("entities_{}_{}", self.name, hex::encode(&digest[..6])), sql))
        });
        expressions.collect()
    }
}

/// Unique fields in one type, at most: each costs every write.
const UNIQUE: usize = 10;

fn unique_fields(definition: &Definition, faults: &mut Faults) -> Vec<UniqueField> {
    let marked = definition.fields.iter().filter(|(_, options)| options.unique);
    let fields: Vec<_> = marked
        .filter_map(|(pointer, options)| {
            let path = pointer::segments(pointer)?;
            Some(UniqueField { pointer: pointer.clone(), path, personal: options.pii })
        })
        .collect();
    if fields.len() > UNIQUE {
        faults.push("/fields", "too_many", format!("A type has at most {UNIQUE} unique fields."));
    }
    fields
}

/// Indexed paths in one type, at most: each costs every write.
const INDEXES: usize = 10;

fn check_indexes(definition: &Definition, faults: &mut Faults) {
    if definition.indexed().count() > INDEXES {
        faults.push("/indexes", "too_many", format!("A type has at most {INDEXES} indexed fields."));
        return;
    }
    for pointer in definition.indexed() {
        let listed = definition.indexes.iter().position(|listed| listed == pointer);
        let at = listed
            .map_or_else(|| format!("/fields/{}/index", pointer::escape(pointer)), |index| format!("/indexes/{index}"));
        let field = pointer::segments(pointer).and_then(|path| {
            let kind = declared::kind(&definition.schema, &path);
            Field::json("data", &path, kind).filter(|_| kind != Kind::Any)
        });
        if field.is_none() {
            let message = format!(
                "An index needs a field that the schema declares as a text, date, number or boolean; `{pointer}` is none."
            );
            faults.push(at, "invalid_index", message);
        }
    }
}

fn check_search(definition: &Definition, faults: &mut Faults) {
    let pointers = definition.search.as_deref().unwrap_or_default();
    if pointers.len() > INDEXES {
        faults.push("/search", "too_many", format!("A search looks into at most {INDEXES} fields besides the name."));
    }
    for (index, pointer) in pointers.iter().enumerate() {
        let path = pointer::segments(pointer).filter(|path| declared::allows(&definition.schema, path));
        let message = if path.is_none() {
            format!("`{pointer}` is no pointer to a field of this schema, such as /address/city.")
        } else if pointers[..index].contains(pointer) {
            format!("`{pointer}` is named twice.")
        } else {
            continue;
        };
        faults.push(format!("/search/{index}"), "invalid_search", message);
    }
}
