//! The list of keys: filtered, sorted, in pages.

use super::{keeper::Keeper, model::ApiKey, store};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Order},
    storage::{Param, Reader},
    web::{ListQuery, Page},
};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
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
    let total = query.count.unwrap_or(false).then(|| count(reader, &condition, &params)).transpose()?;
    let question = ["api_keys", query.filter.as_deref().unwrap_or_default(), sort];
    if let Some(cursor) = &query.cursor {
        let position = key.open(&question, cursor)?;
        let behind = order
            .after(&position, &mut params)
            .ok_or_else(|| Error::invalid_at("/cursor", "invalid_cursor", "This cursor belongs to another sort."))?;
        condition = format!("{condition} AND ({behind})");
    }
    params.push((limit + 1).into());
    let sql = format!(
        "SELECT {}, {} FROM {} WHERE {condition} ORDER BY {} LIMIT ?{}",
        store::COLUMNS,
        order.columns(),
        store::TABLES,
        order.sql(),
        params.len()
    );
    let mut rows =
        reader.query_all(&sql, &params, |row| Ok((store::read(row)?, order.position(row, store::COLUMN_COUNT)?)))?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|(_, position)| key.seal(&question, position));
    Ok(Page { items: rows.into_iter().map(|(key, _)| key).collect(), next_cursor, total })
}

fn count(reader: &Reader<'_>, condition: &str, params: &[Param<'_>]) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM {} WHERE {condition}", store::TABLES);
    Ok(reader.query_one(&sql, params, |row| row.get(0))?.unwrap_or(0))
}
