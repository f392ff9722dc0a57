//! The list of elevations: by state, sorted, in pages.

use super::{model::Elevation, store};
use crate::{
    clock::Time,
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Listed, Listing, Order},
    ids::Id,
    storage::{Param, Reader},
    web::{ListQuery, Page},
};
use serde::Deserialize;
use std::fmt::Write as _;

#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Which {
    Active,
    Ended,
    /// Ended, and nobody has looked at it.
    Unreviewed,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(super) struct ElevationQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    state: Option<Which>,
    user_id: Option<Id>,
    count: Option<bool>,
}

/// What a sort may name.
struct ElevationFields;

impl Fields for ElevationFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(format!("elevations.{name}"), kind);
        match name.as_str() {
            "id" => Some(column(Kind::Text).never_null()),
            "created_at" | "expires_at" | "updated_at" => Some(column(Kind::Time).never_null()),
            "ended_at" | "reviewed_at" => Some(column(Kind::Time)),
            "user_email" => Some(Field::column("users.email".to_owned(), Kind::Text).never_null()),
            _ => None,
        }
    }
}

pub(super) fn page(reader: &Reader<'_>, query: &ElevationQuery, now: Time, key: &CursorKey) -> Result<Page<Elevation>> {
    let limit = ListQuery { limit: query.limit, ..ListQuery::default() }.limit()?;
    let sort = query.sort.as_deref().unwrap_or("-created_at");
    let keys = filter::parse_sort(sort).map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let order = Order::new(&keys, &ElevationFields, Field::column("elevations.id", Kind::Text))
        .map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let mut params: Vec<Param<'static>> = Vec::new();
    let mut condition = "1 = 1".to_owned();
    if let Some(state) = query.state {
        params.push(now.into());
        condition.push_str(match state {
            Which::Active => " AND elevations.ended_at IS NULL AND elevations.expires_at > ?1",
            Which::Ended => " AND (elevations.ended_at IS NOT NULL OR elevations.expires_at <= ?1)",
            Which::Unreviewed => {
                " AND (elevations.ended_at IS NOT NULL OR elevations.expires_at <= ?1) AND reviewed_at IS NULL"
            }
        });
    }
    if let Some(user) = query.user_id {
        params.push(user.into());
        let _ = write!(condition, " AND elevations.user_id = ?{}", params.len());
    }
    let asked = format!("{:?} {:?}", query.state, query.user_id);
    let listing = Listing {
        tables: store::TABLES,
        columns: store::COLUMNS,
        width: store::COLUMN_COUNT,
        condition,
        params,
        order: &order,
        limit,
        count: query.count.unwrap_or(false),
        cursor: query.cursor.as_deref(),
        question: &["elevations", &asked, sort],
    };
    let Listed { items, next_cursor, total } = listing.run(reader, key, store::read)?;
    Ok(Page { items: items.into_iter().map(|elevation| elevation.at(now)).collect(), next_cursor, total })
}
