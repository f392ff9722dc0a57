//! Import: many rows from CSV or JSON Lines, read as they come, with every mistake named by its row.

mod cells;
mod routes;
mod rows;
mod run;
mod spool;

pub(super) use cells::text as cell_text;
pub use routes::routes;

use crate::error::{Code, Error};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One transaction; nothing changes when a row is wrong.
    #[default]
    AllOrNothing,
    /// Good rows are kept, wrong ones are named.
    SkipErrors,
}

/// What to import and how.
#[derive(Clone, Debug)]
pub struct Import {
    pub format: Format,
    pub mode: Mode,
    /// The CSV column that becomes the name.
    pub name_column: Option<String>,
    /// A unique field: a row without an id is merged into the entity that has the same value.
    pub upsert_on: Option<String>,
}

/// Rows in one transaction, at most.
const ROWS: u64 = 100_000;
/// Mistakes that an answer names.
const NAMED: usize = 100;

/// What became of the rows. `failed` counts all that were wrong, `errors` names the first hundred mistakes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub created: u64,
    pub updated: u64,
    pub failed: u64,
    pub errors: Vec<RowError>,
}

/// A mistake in a row: the first row of data is 1; in JSON Lines the row is the line.
#[derive(Clone, Debug, Serialize)]
pub struct RowError {
    pub row: u64,
    pub pointer: String,
    pub message: String,
}

impl Report {
    fn fail(&mut self, row: u64, error: &Error) {
        self.failed += 1;
        if error.faults().is_empty() {
            self.name(row, String::new(), error.detail().to_owned());
        }
        for fault in error.faults() {
            self.name(row, fault.pointer.clone(), fault.message.clone());
        }
    }

    fn name(&mut self, row: u64, pointer: String, message: String) {
        if self.errors.len() < NAMED {
            self.errors.push(RowError { row, pointer, message });
        }
    }

    /// The refusal of the whole: nothing was changed.
    fn refusal(&self) -> Error {
        let noun = if self.failed == 1 { "row is" } else { "rows are" };
        let detail = format!("{} {noun} wrong; nothing was imported.", self.failed);
        let errors = serde_json::to_value(&self.errors).unwrap_or_default();
        Error::new(Code::ValidationFailed, detail)
            .with("created", 0)
            .with("updated", 0)
            .with("failed", self.failed)
            .with("errors", errors)
    }
}

/// Whether an error is about the row itself, and not about the whole import.
fn is_of_row(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::ValidationFailed
            | Code::InspectionBlocked
            | Code::Conflict
            | Code::NotFound
            | Code::Forbidden
            | Code::MalformedJson
    )
}
