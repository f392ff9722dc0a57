//! An entity, and how it is shown.

use crate::{
    clock::Time,
    data::{entity_types::EntityType, sealed},
    error::{Error, Result},
    ids::Id,
    personal::SubjectKey,
    storage::{Column, Row},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, io::Write, sync::Arc};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub id: Id,
    pub entity_type: Arc<str>,
    pub name: Option<String>,
    pub confidence: Option<f64>,
    /// Compact JSON text of an object.
    pub data: String,
    pub owner_id: Option<Id>,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub created_by: Option<Id>,
    pub updated_by: Option<Id>,
    pub deleted_at: Option<Time>,
    pub deleted_by: Option<Id>,
    /// What seals the personal data in `data`.
    pub key: Option<SubjectKey>,
}

pub(super) const COLUMNS: &str = "id, type, name, confidence, data, owner_id, version, created_at, updated_at, \
     created_by, updated_by, deleted_at, deleted_by";
/// How many columns [`columns`] are.
pub(super) const WIDTH: usize = 14;

/// What [`Entity::read`] reads: with the key where the type has personal data, or is not known.
pub(super) fn columns(entity_type: Option<&EntityType>) -> String {
    let key = if entity_type.is_some_and(|kind| kind.personal().is_empty()) { "NULL" } else { SubjectKey::COLUMN };
    format!("{COLUMNS}, {key}")
}

/// The members of an entity as answers name them, besides `data`.
pub(super) const MEMBERS: [&str; 12] = [
    "id",
    "type",
    "name",
    "confidence",
    "owner_id",
    "version",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "deleted_at",
    "deleted_by",
];

/// An entity on its way out, borrowed from wherever it stands.
pub(super) struct Shown<'a> {
    id: Ident<'a>,
    entity_type: &'a str,
    name: Option<&'a str>,
    confidence: Option<f64>,
    pub data: &'a str,
    owner_id: Option<Ident<'a>>,
    version: i64,
    created_at: Time,
    updated_at: Time,
    created_by: Option<Ident<'a>>,
    updated_by: Option<Ident<'a>>,
    deleted_at: Option<Time>,
    deleted_by: Option<Ident<'a>>,
    pub key: Option<Cow<'a, SubjectKey>>,
}

enum Ident<'a> {
    Id(Id),
    Text(&'a str),
}

impl Entity {
    pub(super) fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            entity_type: row.text(1)?.into(),
            name: row.get(2)?,
            confidence: row.get(3)?,
            data: row.get(4)?,
            owner_id: row.get(5)?,
            version: row.get(6)?,
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
            created_by: row.get(9)?,
            updated_by: row.get(10)?,
            deleted_at: row.get(11)?,
            deleted_by: row.get(12)?,
            key: SubjectKey::read(row, 13)?,
        })
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        Shown {
            id: Ident::Id(self.id),
            entity_type: &self.entity_type,
            name: self.name.as_deref(),
            confidence: self.confidence,
            data: &self.data,
            owner_id: self.owner_id.map(Ident::Id),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            created_by: self.created_by.map(Ident::Id),
            updated_by: self.updated_by.map(Ident::Id),
            deleted_at: self.deleted_at,
            deleted_by: self.deleted_by.map(Ident::Id),
            key: self.key.as_ref().map(Cow::Borrowed),
        }
    }

    /// The whole entity for the audit log.
    pub(super) fn state(&self, entity_type: &EntityType) -> Result<Box<RawValue>> {
        let mut text = Vec::with_capacity(self.data.len() + 512);
        let mut shown = self.shown();
        let data;
        if !entity_type.personal().is_empty() {
            let mut stored = serde_json::from_str(&self.data).map_err(Error::internal)?;
            sealed::without_digests(entity_type.personal(), &mut stored);
            data = stored.to_string();
            shown.data = &data;
        }
        shown.write(&mut text);
        let text = String::from_utf8(text).map_err(Error::internal)?;
        RawValue::from_string(text).map_err(Error::internal)
    }
}

impl<'a> Shown<'a> {
    pub fn read(row: &'a Row<'_>) -> Result<Self> {
        let text = |index| match row.column(index)? {
            Column::Text(text) => Ok(Some(text)),
            Column::Null => Ok(None),
            _ => Err(Error::internal("an entity holds another type than expected")),
        };
        let id = |index| Ok::<_, Error>(text(index)?.map(Ident::Text));
        Ok(Self {
            id: Ident::Text(row.text(0)?),
            entity_type: row.text(1)?,
            name: text(2)?,
            confidence: row.get(3)?,
            data: row.text(4)?,
            owner_id: id(5)?,
            version: row.get(6)?,
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
            created_by: id(9)?,
            updated_by: id(10)?,
            deleted_at: row.get(11)?,
            deleted_by: id(12)?,
            key: SubjectKey::read(row, 13)?.map(Cow::Owned),
        })
    }

    pub fn id(&self) -> Option<Id> {
        match &self.id {
            Ident::Id(id) => Some(*id),
            Ident::Text(text) => text.parse().ok(),
        }
    }

    pub fn id_text(&self) -> Cow<'_, str> {
        match &self.id {
            Ident::Id(id) => Cow::Owned(id.to_string()),
            Ident::Text(text) => Cow::Borrowed(text),
        }
    }

    /// As JSON. `data` goes out as it is stored.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        self.id.write(out);
        member(out, "type", &self.entity_type);
        member(out, "name", &self.name);
        member(out, "confidence", &self.confidence);
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(self.data.as_bytes());
        ident(out, "owner_id", self.owner_id.as_ref());
        member(out, "version", &self.version);
        time(out, "created_at", Some(self.created_at));
        time(out, "updated_at", Some(self.updated_at));
        ident(out, "created_by", self.created_by.as_ref());
        ident(out, "updated_by", self.updated_by.as_ref());
        time(out, "deleted_at", self.deleted_at);
        ident(out, "deleted_by", self.deleted_by.as_ref());
        out.push(b'}');
    }
}

impl Ident<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let _ = match self {
            Self::Id(id) => write!(out, "\"{id}\""),
            Self::Text(text) => write!(out, "\"{text}\""),
        };
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn member(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    key(out, name);
    // Into memory this only fails for values that JSON has no word for, of which there are none here.
    let _ = serde_json::to_writer(out, value);
}

fn ident(out: &mut Vec<u8>, name: &str, id: Option<&Ident<'_>>) {
    key(out, name);
    match id {
        Some(id) => id.write(out),
        None => out.extend_from_slice(b"null"),
    }
}

fn time(out: &mut Vec<u8>, name: &str, time: Option<Time>) {
    key(out, name);
    let _ = match time {
        Some(time) => write!(out, "\"{time}\""),
        None => write!(out, "null"),
    };
}
