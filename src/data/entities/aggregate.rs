//! How many entities there are by city, what they come to by month: groups and their measures, of what the caller
//! may read, computed by the database.

use super::{scope::Scope, search::Question, write::Entities};
use crate::{
    error::{Error, Result},
    filter::Aggregate,
    permit::{Allowed, Route, rights::ReadEntity},
    storage::Reader,
    web::{At, ListQuery, Params},
};
use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/entities/{type}/aggregate", "Groups of entities: count, sum, min, max, average", aggregate)]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AggregateQuery {
    group_by: Option<String>,
    measures: Option<String>,
    filter: Option<String>,
    q: Option<String>,
    deleted: Option<String>,
    sort: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Groups {
    items: Vec<Map<String, Value>>,
    /// Whether there are more groups than were asked for.
    more: bool,
}

async fn aggregate(
    permit: Allowed<ReadEntity>,
    entity_type: At<String>,
    query: Params<AggregateQuery>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let scope = entities.scope(&permit, &entity_type.0)?;
    let plan = Plan::new(&entities, &scope, query.0)?;
    let groups = entities.ledger.db().read_off(move |reader| plan.run(reader)).await?;
    Ok(HttpResponse::Ok().json(groups))
}

/// A question that was understood.
struct Plan {
    aggregate: Aggregate,
    question: Question,
    limit: usize,
}

impl Plan {
    fn new(entities: &Entities, scope: &Scope, query: AggregateQuery) -> Result<Self> {
        let list = ListQuery { limit: query.limit, deleted: query.deleted, ..ListQuery::default() };
        let (limit, deleted) = (list.limit()? as usize, list.deleted()?);
        let (group_by, measures, sort) = (query.group_by.as_deref(), query.measures.as_deref(), query.sort.as_deref());
        let aggregate = Aggregate::parse(group_by, measures, sort, &scope.fields())
            .map_err(|(pointer, error)| Error::invalid_at(pointer, "invalid", error.to_string()))?;
        let question = Question::new(entities, scope, deleted, query.filter.as_deref(), query.q.as_deref(), false)?;
        scope.saw_named()?;
        Ok(Self { aggregate, question, limit })
    }

    fn run(self, reader: &Reader<'_>) -> Result<Groups> {
        let Question { tables, condition, mut params, .. } = self.question;
        params.push((self.limit + 1).into());
        let sql = self.aggregate.sql(&tables, &condition, &format!("?{}", params.len()));
        let mut items = reader.query_all(&sql, &params, |row| self.aggregate.read(row))?;
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        Ok(Groups { items, more })
    }
}
