//! The list of jobs: filtered, sorted, in pages.

use super::model::{self, Job, State};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Listed, Listing, Order},
    storage::{Param, Reader},
    web::{ListQuery, Page},
};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct Query {
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub sort: Option<String>,
    pub filter: Option<String>,
    pub count: Option<bool>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this kind, such as `mail.send`.
    pub kind: Option<String>,
}

struct JobFields;

impl Fields for JobFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(name.clone(), kind);
        match name.as_str() {
            "id" | "kind" | "state" => Some(column(Kind::Text).never_null()),
            "about" | "error" => Some(column(Kind::Text)),
            "attempts" => Some(column(Kind::Number).never_null()),
            "due_at" | "created_at" | "updated_at" => Some(column(Kind::Time).never_null()),
            "finished_at" => Some(column(Kind::Time)),
            _ => None,
        }
    }
}

pub(super) fn jobs(reader: &Reader<'_>, query: &Query, key: &CursorKey) -> Result<Page<Job>> {
    let limit = ListQuery { limit: query.limit, ..ListQuery::default() }.limit()?;
    let sort = query.sort.as_deref().unwrap_or("-updated_at");
    let at_sort = |error: filter::SyntaxError| Error::invalid(vec![error.at("/sort")]);
    let keys = filter::parse_sort(sort).map_err(at_sort)?;
    let order = Order::new(&keys, &JobFields, Field::column("id", Kind::Text)).map_err(at_sort)?;
    let mut params: Vec<Param<'static>> = Vec::new();
    let mut condition = "1 = 1".to_owned();
    let (state, kind) = (query.state.map(State::as_str), query.kind.as_deref());
    for (column, wanted) in [("state", state), ("kind", kind)] {
        if let Some(wanted) = wanted {
            params.push(Param::Owned(wanted.to_owned()));
            condition = format!("{condition} AND {column} = ?{}", params.len());
        }
    }
    if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        let expression = filter::parse(text)?;
        condition = format!("{condition} AND {}", expression.to_sql(&JobFields, &mut params)?);
    }
    let filter = query.filter.as_deref().unwrap_or_default();
    let question = ["jobs", state.unwrap_or_default(), kind.unwrap_or_default(), filter, sort];
    let listing = Listing {
        tables: "jobs",
        columns: model::COLUMNS,
        width: model::COLUMN_COUNT,
        condition,
        params,
        order: &order,
        limit,
        count: query.count.unwrap_or(false),
        cursor: query.cursor.as_deref(),
        question: &question,
    };
    let Listed { items, next_cursor, total } = listing.run(reader, key, model::read)?;
    Ok(Page { items, next_cursor, total })
}
