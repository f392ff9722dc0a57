//! Decisions over HTTP.

use super::{
    access,
    explain::Explained,
    ring::{Decisions, Question},
};
use crate::{
    data::entity_types::EntityTypes,
    error::{Error, Faults, Result},
    ids::Id,
    permit::{Allowed, Route, rights::ReadDecisions},
    refusal::Check,
    web::{At, ListQuery, Page, Params},
};
use actix_web::web::{Data, Json};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/decisions", "The latest refusals", list),
        Route::get("/decisions/{id}", "Why a request was refused", show),
        Route::get("/users/{id}/access", "What a user may see and do, or whether they may do one thing", access::show),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct DecisionQuery {
    request_id: Option<String>,
    code: Option<String>,
    actor: Option<String>,
    rule: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The latest first; the cursor is the last id of the page before.
async fn list(
    _: Allowed<ReadDecisions>,
    query: Params<DecisionQuery>,
    decisions: Data<Decisions>,
    types: Data<EntityTypes>,
) -> Result<Json<Page<Explained>>> {
    let DecisionQuery { request_id, code, actor, rule, limit, cursor } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()? as usize;
    let mut faults = Faults::default();
    let mut id = |name: &str, text: Option<&str>| {
        let id = text.map(str::parse::<Id>)?;
        id.inspect_err(|_| faults.push(format!("/{name}"), "invalid", format!("`{name}` is an id."))).ok()
    };
    let (actor, before) = (id("actor", actor.as_deref()), id("cursor", cursor.as_deref()));
    let known = rule.as_deref().map(Check::named);
    if known == Some(None) {
        let names: Vec<_> = Check::ALL.iter().map(|check| check.as_str()).collect();
        faults.push("/rule", "invalid", format!("`rule` is one of {}.", names.join(", ")));
    }
    faults.into_result()?;
    let question =
        Question { request_id: request_id.as_deref(), code: code.as_deref(), actor, rule: known.flatten(), before };
    let (found, more) = decisions.find(&question, limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
    let items = found.iter().map(|decision| decision.explain(&|name| types.is_owner_only(name))).collect();
    Ok(Json(Page { items, next_cursor, total: None }))
}

async fn show(
    _: Allowed<ReadDecisions>,
    id: At<Id>,
    decisions: Data<Decisions>,
    types: Data<EntityTypes>,
) -> Result<Json<Explained>> {
    let found = decisions.get(id.0).ok_or_else(Error::not_found)?;
    Ok(Json(found.explain(&|name| types.is_owner_only(name))))
}
