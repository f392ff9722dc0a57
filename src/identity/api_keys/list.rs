//! The list of keys: filtered, sorted, in pages.

use super::{keeper::Keeper, model::ApiKey, store};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Listed, Listing, Order},
    storage::{Param, Reader},
    web::{ListQuery, Page},
};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(super) struct KeyQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    filter: Option<String>,
    count: Option<bool>,
}

/// What a filter or sort may name.
struct KeyFields;

impl Fields for KeyFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(format!("api_keys.{name}"), kind);
        match name.as_str() {
            "id" | "name" | "prefix" | "owner_id" => Some(column(Kind::Text).never_null()),
            "created_at" | "updated_at" => Some(column(Kind::Time).never_null()),
            "expires_at" | "last_used_at" => Some(column(Kind::Time)),
            "created_by" => Some(column(Kind::Text)),
            "owner_email" => Some(Field::column("users.email".to_owned(), Kind::Text).never_null()),
            _ => None,
        }
    }
}

pub(super) fn page(reader: &Reader<'_>, keeper: &Keeper, query: &KeyQuery, key: &CursorKey) -> Result<Page<ApiKey>> {
    let limit = ListQuery { limit: query.limit, ..ListQuery::default() }.limit()?;
    let sort = query.sort.as_deref().unwrap_or("-created_at");
    let keys = filter::parse_sort(sort).map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let order = Order::new(&keys, &KeyFields, Field::column("api_keys.id", Kind::Text))
        .map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let mut params: Vec<Param<'static>> = Vec::new();
    let mut condition = "1 = 1".to_owned();
    if let Some(user) = keeper.user_id().filter(|_| !keeper.sees_all()) {
        params.push(user.into());
        "api_keys.owner_id = ?1".clone_into(&mut condition);
    }
    if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        let expression = filter::parse(text)?;
        condition = format!("{condition} AND {}", expression.to_sql(&KeyFields, &mut params)?);
    }
    let question = ["api_keys", query.filter.as_deref().unwrap_or_default(), sort];
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
        question: &question,
    };
    let Listed { items, next_cursor, total } = listing.run(reader, key, store::read)?;
    Ok(Page { items, next_cursor, total })
}
