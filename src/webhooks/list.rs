//! The lists of webhooks and of deliveries: filtered, sorted, in pages.

use super::{
    deliveries,
    model::{Delivery, Webhook},
    store,
};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Listed, Listing, Order},
    ids::Id,
    storage::{Param, Reader, Row},
    web::{ListQuery, Page},
};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(super) struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    filter: Option<String>,
    count: Option<bool>,
}

struct HookFields;

impl Fields for HookFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(name.clone(), kind);
        match name.as_str() {
            "id" | "name" | "url" => Some(column(Kind::Text).never_null()),
            "active" => Some(column(Kind::Boolean).never_null()),
            "pending" | "failures" => Some(column(Kind::Number).never_null()),
            "created_at" | "updated_at" => Some(column(Kind::Time).never_null()),
            "last_delivered_at" | "failing_since" => Some(column(Kind::Time)),
            "created_by" => Some(column(Kind::Text)),
            _ => None,
        }
    }
}

struct DeliveryFields;

impl Fields for DeliveryFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(name.clone(), kind);
        match name.as_str() {
            "id" | "message_id" | "action" | "state" => Some(column(Kind::Text).never_null()),
            "replay_of" => Some(column(Kind::Text)),
            "attempts" => Some(column(Kind::Number).never_null()),
            "status" | "duration_ms" => Some(column(Kind::Number)),
            "created_at" | "updated_at" => Some(column(Kind::Time).never_null()),
            "finished_at" => Some(column(Kind::Time)),
            _ => None,
        }
    }
}

pub(super) fn hooks(reader: &Reader<'_>, query: &Query, key: &CursorKey) -> Result<Page<Webhook>> {
    let what = What { table: "webhooks", columns: store::COLUMNS, width: store::COLUMN_COUNT, fields: &HookFields };
    what.page(reader, query, key, None, store::read)
}

pub(super) fn of_hook(reader: &Reader<'_>, hook: Id, query: &Query, key: &CursorKey) -> Result<Page<Delivery>> {
    if store::find(reader, hook)?.is_none() {
        return Err(Error::not_found());
    }
    let what = What {
        table: "webhook_deliveries",
        columns: deliveries::COLUMNS,
        width: deliveries::COLUMN_COUNT,
        fields: &DeliveryFields,
    };
    what.page(reader, query, key, Some(hook), deliveries::read)
}

struct What<'a, F> {
    table: &'a str,
    columns: &'a str,
    width: usize,
    fields: &'a F,
}

impl<F: Fields> What<'_, F> {
    fn page<T>(
        &self,
        reader: &Reader<'_>,
        query: &Query,
        key: &CursorKey,
        hook: Option<Id>,
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Page<T>> {
        let limit = ListQuery { limit: query.limit, ..ListQuery::default() }.limit()?;
        let sort = query.sort.as_deref().unwrap_or("-created_at");
        let at_sort = |error: filter::SyntaxError| Error::invalid(vec![error.at("/sort")]);
        let keys = filter::parse_sort(sort).map_err(at_sort)?;
        let order = Order::new(&keys, self.fields, Field::column("id", Kind::Text)).map_err(at_sort)?;
        let mut params: Vec<Param<'static>> = hook.map(Param::Id).into_iter().collect();
        let mut condition = if hook.is_some() { "webhook_id = ?1" } else { "1 = 1" }.to_owned();
        if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
            let expression = filter::parse(text)?;
            condition = format!("{condition} AND {}", expression.to_sql(self.fields, &mut params)?);
        }
        let of = hook.map(|id| id.to_string()).unwrap_or_default();
        let question = [self.table, &of, query.filter.as_deref().unwrap_or_default(), sort];
        let listing = Listing {
            tables: self.table,
            columns: self.columns,
            width: self.width,
            condition,
            params,
            order: &order,
            limit,
            count: query.count.unwrap_or(false),
            cursor: query.cursor.as_deref(),
            question: &question,
        };
        let Listed { items, next_cursor, total } = listing.run(reader, key, read)?;
        Ok(Page { items, next_cursor, total })
    }
}
