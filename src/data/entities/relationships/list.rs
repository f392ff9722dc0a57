//! The list of relationships: filtered, sorted, in pages.

use super::{
    model::{COLUMNS, Relationship, WIDTH},
    sight::Sight,
    store,
};
use crate::{
    error::{Error, Faults, Result},
    filter::{self, CursorKey, Field, Kind, Listed, Listing, Order},
    ids::Id,
    permit::{Action, is_name},
    storage::{Param, Reader},
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
    deleted: Option<String>,
    count: Option<bool>,
    from_id: Option<String>,
    to_id: Option<String>,
    r#type: Option<String>,
}

impl Query {
    /// What the plain parameters ask for.
    fn conditions(&self, params: &mut Vec<Param<'static>>) -> Result<String> {
        let mut faults = Faults::default();
        let mut sql = String::new();
        for (name, value) in [("from_id", &self.from_id), ("to_id", &self.to_id)] {
            match value.as_deref().map(str::parse::<Id>) {
                Some(Ok(id)) => {
                    params.push(Param::Id(id));
                    let _ = write!(sql, " AND {name} = ?{}", params.len());
                }
                Some(Err(_)) => faults.push(format!("/{name}"), "invalid", "This is not the id of an entity."),
                None => {}
            }
        }
        match &self.r#type {
            Some(name) if !is_name(name) => faults.push("/type", "invalid", "This is not the name of a type."),
            Some(name) => {
                params.push(Param::Owned(name.clone()));
                let _ = write!(sql, " AND type = ?{}", params.len());
            }
            None => {}
        }
        faults.into_result().map(|()| sql)
    }
}

pub(super) fn page(reader: &Reader<'_>, sight: &Sight, query: &Query, key: &CursorKey) -> Result<Page<Relationship>> {
    let list = ListQuery { limit: query.limit, deleted: query.deleted.clone(), ..ListQuery::default() };
    let (limit, which) = (list.limit()?, list.deleted()?);
    let sort = query.sort.as_deref().unwrap_or("-created_at");
    let at_sort = |error: filter::SyntaxError| Error::invalid(vec![error.at("/sort")]);
    let keys = filter::parse_sort(sort).map_err(at_sort)?;
    let order = Order::new(&keys, &sight.fields(), Field::column("id", Kind::Text)).map_err(at_sort)?;
    let mut params = Vec::new();
    let mut condition = format!("{}{}", store::deleted(which), query.conditions(&mut params)?);
    if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        condition = format!("{condition} AND {}", sight.bound(text, false, &mut params)?);
    }
    let (within, ends) = (sight.within(Action::Read, &mut params), sight.ends(&mut params));
    let condition = format!("{condition} AND {within} AND {ends}");
    let asked = format!("{which:?} {:?} {:?} {:?}", query.from_id, query.to_id, query.r#type);
    let question = ["relationships", &asked, query.filter.as_deref().unwrap_or_default(), sort];
    let listing = Listing {
        tables: "relationships",
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
    let clearance = sight.permit.clearance();
    let Listed { items, next_cursor, total } =
        listing.run(reader, key, |row| Relationship::read(row)?.shown(clearance))?;
    Ok(Page { items, next_cursor, total })
}
