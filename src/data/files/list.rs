//! The list of files: filtered, searched by name, sorted, in pages.

use super::{
    model::{COLUMNS, File, WIDTH},
    sight::{FileFields, Sight},
    store,
};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Kind, Listed, Listing, Order},
    ids::Id,
    permit::Action,
    storage::{Param, Reader, contains},
    web::{ListQuery, Page},
};
use serde::Deserialize;
use std::fmt::Write;

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(super) struct Query {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    filter: Option<String>,
    /// A part of the name.
    q: Option<String>,
    deleted: Option<String>,
    count: Option<bool>,
    entity_id: Option<String>,
}

pub(super) fn page(reader: &Reader<'_>, sight: &Sight, query: &Query, key: &CursorKey) -> Result<Page<File>> {
    let list = ListQuery { limit: query.limit, deleted: query.deleted.clone(), ..ListQuery::default() };
    let (limit, which) = (list.limit()?, list.deleted()?);
    let sort = query.sort.as_deref().unwrap_or("-created_at");
    let at_sort = |error: filter::SyntaxError| Error::invalid(vec![error.at("/sort")]);
    let keys = filter::parse_sort(sort).map_err(at_sort)?;
    let order = Order::new(&keys, &FileFields, Field::column("files.id", Kind::Text)).map_err(at_sort)?;
    let mut params = Vec::new();
    let mut condition = store::deleted(which).to_owned();
    if let Some(text) = &query.entity_id {
        let message = "This is not the id of an entity.";
        let id: Id = text.parse().map_err(|_| Error::invalid_at("/entity_id", "invalid", message))?;
        params.push(Param::Id(id));
        let _ = write!(condition, " AND files.entity_id = ?{}", params.len());
    }
    if let Some(word) = query.q.as_deref().filter(|word| !word.is_empty()) {
        params.push(Param::Owned(word.to_lowercase()));
        let _ = write!(condition, " AND {}", contains("files.name", &format!("?{}", params.len())));
    }
    if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        let _ = write!(condition, " AND {}", sight.bound(text, &mut params)?);
    }
    let condition = format!("{condition} AND {}", sight.seen(Action::Read, &mut params));
    let asked = format!("{which:?} {:?} {:?}", query.entity_id, query.q);
    let question = ["files", &asked, query.filter.as_deref().unwrap_or_default(), sort];
    let listing = Listing {
        tables: "files",
        columns: COLUMNS,
        width: WIDTH,
        condition,
        params,
        order: &order,
        limit,
        count: query.count.unwrap_or(false),
        cursor: query.cursor.as_deref(),
        question: &question,
    };
    let Listed { items, next_cursor, total } = listing.run(reader, key, File::read)?;
    Ok(Page { items, next_cursor, total })
}
