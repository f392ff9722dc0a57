//! Lists: what their callers may ask for, and the page they get.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

pub const DEFAULT_LIMIT: u32 = 30;
pub const MAX_LIMIT: u32 = 200;

/// The query parameters that every list knows.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct ListQuery {
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub sort: Option<String>,
    pub filter: Option<String>,
    pub fields: Option<String>,
    pub q: Option<String>,
    pub deleted: Option<String>,
    pub count: Option<bool>,
}

/// Whether deleted ones are in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    Without,
    Include,
    Only,
}

impl ListQuery {
    /// 1 to 200, 30 unless said; never silently clamped.
    pub fn limit(&self) -> Result<u32> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
            Some(limit) => {
                let message = format!("The limit is 1 to {MAX_LIMIT}, not {limit}.");
                Err(Error::invalid_at("/limit", "out_of_range", message))
            }
        }
    }

    pub fn deleted(&self) -> Result<Deleted> {
        match self.deleted.as_deref() {
            None => Ok(Deleted::Without),
            Some("include") => Ok(Deleted::Include),
            Some("only") => Ok(Deleted::Only),
            Some(_) => Err(Error::invalid_at("/deleted", "invalid", "`deleted` is `include` or `only`.")),
        }
    }
}

/// A page of a list; `next_cursor` leads to the next, null on the last.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}
