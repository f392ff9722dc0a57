//! A relationship, as it is kept, sent and shown.

use crate::{
    clock::Time,
    data::{entities::limits, relationship_types::check_name},
    error::{Error, Faults, Result},
    ids::Id,
    permit::Clearance,
    storage::Row,
    web::{Body, nullable},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

#[derive(Clone, Debug, Serialize)]
pub struct Relationship {
    pub id: Id,
    pub r#type: String,
    pub from_id: Id,
    pub to_id: Id,
    pub data: Box<RawValue>,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub created_by: Option<Id>,
    pub updated_by: Option<Id>,
    pub deleted_at: Option<Time>,
    pub deleted_by: Option<Id>,
    /// The entity whose deletion took it along.
    #[serde(skip)]
    pub deleted_with: Option<Id>,
}

pub(super) const COLUMNS: &str = "id, type, from_id, to_id, data, version, created_at, updated_at, created_by, updated_by, \
     deleted_at, deleted_by, deleted_with";
/// How many columns that are.
pub(super) const WIDTH: usize = 13;

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct NewRelationship {
    pub from_id: Id,
    pub to_id: Id,
    pub r#type: String,
    pub data: Option<Map<String, Value>>,
}

/// A merge patch of `data`; what a relationship joins, and as what, stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct RelationshipPatch {
    #[serde(default, deserialize_with = "nullable")]
    pub data: Option<Option<Map<String, Value>>>,
}

impl Body for NewRelationship {
    fn check(&self, faults: &mut Faults) {
        check_name("/type", &self.r#type, faults);
    }
}

impl Body for RelationshipPatch {
    fn check(&self, _: &mut Faults) {}
}

/// Nobody marks the data of relationships, so that it is `internal`, as any field that nobody marked.
pub(in super::super) fn shows_data(clearance: Clearance) -> bool {
    clearance >= Clearance::default()
}

/// `data` as it is kept, within the limits of entities.
pub(super) fn data_text(data: Map<String, Value>, clearance: Clearance) -> Result<Box<RawValue>> {
    let mut faults = Faults::default();
    if !data.is_empty() && !shows_data(clearance) {
        faults.push("/data", "not_writable", "You may not set this field.");
    }
    let text = limits::check(&Value::Object(data), &mut faults);
    faults.into_result()?;
    RawValue::from_string(text.unwrap_or_default()).map_err(Error::internal)
}

impl Relationship {
    pub fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            r#type: row.get(1)?,
            from_id: row.get(2)?,
            to_id: row.get(3)?,
            data: RawValue::from_string(row.get(4)?).map_err(Error::internal)?,
            version: row.get(5)?,
            created_at: row.get(6)?,
            updated_at: row.get(7)?,
            created_by: row.get(8)?,
            updated_by: row.get(9)?,
            deleted_at: row.get(10)?,
            deleted_by: row.get(11)?,
            deleted_with: row.get(12)?,
        })
    }

    /// As somebody with this clearance may see it.
    pub fn shown(mut self, clearance: Clearance) -> Result<Self> {
        if !shows_data(clearance) {
            self.data = RawValue::from_string("{}".to_owned()).map_err(Error::internal)?;
        }
        Ok(self)
    }

    /// The end that is not this one.
    pub fn other(&self, end: Id) -> Id {
        if self.from_id == end { self.to_id } else { self.from_id }
    }
}
