//! A file as it is kept, shown and changed.

use super::kinds::Details;
use crate::{
    clock::Time,
    error::{Error, Faults, Result},
    ids::Id,
    storage::Row,
    validate::FileName,
    web::{Body, nullable},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A job looks into it; it can be used meanwhile.
    Processing,
    Ready,
    /// What is stored is not what was sent, or could not be looked into.
    Failed,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "processing" => Self::Processing,
            "ready" => Self::Ready,
            _ => Self::Failed,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct File {
    pub id: Id,
    pub name: String,
    /// Told from the content.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// The entity that it belongs to.
    pub entity_id: Option<Id>,
    pub owner_id: Option<Id>,
    pub state: State,
    /// What the job found in it: sides of images, pages, lines, rows, entries.
    pub details: serde_json::Value,
    /// Why it is not as it should be.
    pub error: Option<String>,
    pub version: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub created_by: Option<Id>,
    pub updated_by: Option<Id>,
    pub deleted_at: Option<Time>,
    pub deleted_by: Option<Id>,
    /// The content's name in the store.
    #[serde(skip)]
    pub content: String,
    #[serde(skip)]
    pub job_id: Option<Id>,
}

pub(super) const COLUMNS: &str = "id, name, content_type, size, sha256, entity_id, owner_id, state, details, error, \
     version, created_at, updated_at, created_by, updated_by, deleted_at, deleted_by, content, job_id";
pub(super) const WIDTH: usize = 19;

impl File {
    pub(super) fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            content_type: row.get(2)?,
            size: row.get(3)?,
            sha256: row.get(4)?,
            entity_id: row.get(5)?,
            owner_id: row.get(6)?,
            state: State::read(row.text(7)?),
            details: serde_json::from_str(row.text(8)?).map_err(Error::internal)?,
            error: row.get(9)?,
            version: row.get(10)?,
            created_at: row.get(11)?,
            updated_at: row.get(12)?,
            created_by: row.get(13)?,
            updated_by: row.get(14)?,
            deleted_at: row.get(15)?,
            deleted_by: row.get(16)?,
            content: row.get(17)?,
            job_id: row.get(18)?,
        })
    }

    pub(super) fn processed(&self, found: std::result::Result<Details, String>) -> Self {
        let (state, details, error) = match found {
            Ok(details) => (State::Ready, serde_json::to_value(details).unwrap_or_default(), None),
            Err(error) => (State::Failed, serde_json::json!({}), Some(error)),
        };
        Self { state, details, error, version: self.version + 1, ..self.clone() }
    }
}

/// What may change of a file; its content never does.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct FileChange {
    pub name: Option<FileName>,
    #[serde(default, deserialize_with = "nullable")]
    pub entity_id: Option<Option<Id>>,
}

impl Body for FileChange {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Put,
}

/// An address that is asked for: to bring a file, or to fetch one.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct Presign {
    pub method: Method,
    pub name: Option<FileName>,
    pub content_type: Option<String>,
    pub size: Option<u64>,
    pub entity_id: Option<Id>,
    pub file_id: Option<Id>,
}

impl Body for Presign {
    fn check(&self, faults: &mut Faults) {
        let to_bring = [
            ("/name", self.name.is_some()),
            ("/content_type", self.content_type.is_some()),
            ("/size", self.size.is_some()),
        ];
        let (needed, others) = match self.method {
            Method::Put => (&to_bring[..], [("/file_id", self.file_id.is_some())].to_vec()),
            Method::Get => {
                let others = to_bring.iter().copied().chain([("/entity_id", self.entity_id.is_some())]).collect();
                (&[("/file_id", self.file_id.is_some())][..], others)
            }
        };
        for (pointer, _) in needed.iter().filter(|(_, given)| !given) {
            faults.push(*pointer, "required", "This method takes this field.");
        }
        for (pointer, _) in others.iter().filter(|(_, given)| *given) {
            faults.push(*pointer, "unknown_field", "This field goes with the other method.");
        }
        if self.size == Some(0) {
            faults.push("/size", "empty", "A file has at least one byte.");
        }
    }
}

/// What was agreed on for an upload.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub id: Id,
    pub name: String,
    pub content_type: String,
    pub size: u64,
    pub entity_id: Option<Id>,
    pub expires_at: Time,
}
