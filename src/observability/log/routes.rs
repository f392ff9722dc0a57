//! `/logs`: the latest lines, for the console.

use super::tail::{self, Line, Wanted};
use crate::{
    error::{Error, Result},
    permit::{Allowed, Route, rights::ReadOverview},
    web::{ListQuery, Params},
};
use actix_web::web::Json;
use serde::{Deserialize, Serialize};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/logs", "The latest lines of the log", list)]
}

#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Least {
    Error,
    Warn,
    Info,
    Debug,
    #[default]
    Trace,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Query {
    /// The least serious that are wanted.
    level: Option<Least>,
    /// A word that a line holds.
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Lines {
    items: Vec<Line>,
    next_cursor: Option<String>,
}

async fn list(_: Allowed<ReadOverview>, query: Params<Query>) -> Result<Json<Lines>> {
    let Query { level, q, limit, cursor } = query.0;
    let most = ListQuery { limit, ..ListQuery::default() }.limit()?;
    let before = cursor.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| Error::invalid_at("/cursor", "invalid", "This cursor is not one of ours."))?;
    let least = match level.unwrap_or_default() {
        Least::Error => tracing::Level::ERROR,
        Least::Warn => tracing::Level::WARN,
        Least::Info => tracing::Level::INFO,
        Least::Debug => tracing::Level::DEBUG,
        Least::Trace => tracing::Level::TRACE,
    };
    let word = q.as_deref().map(str::trim).filter(|word| !word.is_empty());
    let (items, more) = tail::read(&Wanted { least, word, before, most: most as usize });
    let next_cursor = items.last().filter(|_| more).map(|line| line.id.to_string());
    Ok(Json(Lines { items, next_cursor }))
}
