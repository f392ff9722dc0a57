//! Groups and their measures: `group_by=data.city,month(created_at)` and `measures=count,sum(data.amount)`.

use super::{Field, Fields, Kind, Path, SyntaxError, lexer::Token, parser::Parser, sql};
use crate::{
    clock::Time,
    error::{Error, Result},
    storage::{self, Column, Row},
};
use serde_json::{Map, Number, Value};
use std::fmt;

const LENGTH: usize = 1024;
const GROUPS: usize = 3;
const MEASURES: usize = 10;
/// From here on a double does not tell one whole number from the next.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `count`, `sum(data.amount)`, `month(created_at)` or a plain name, as it was asked for.
#[derive(Clone, Debug)]
struct Item {
    function: Option<String>,
    path: Option<Path>,
    position: usize,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.path) {
            (Some(function), Some(path)) => write!(f, "{function}({path})"),
            (Some(function), None) => f.write_str(function),
            (None, Some(path)) => path.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

/// A column of the answer: its name there, how it is computed, what it holds.
struct Output {
    name: String,
    sql: String,
    kind: Kind,
}

/// What to group by, what to measure, and the order of the answer.
pub struct Aggregate {
    groups: Vec<Output>,
    measures: Vec<Output>,
    order: String,
}

/// Where in a query something is wrong, and what.
type Refusal = (&'static str, SyntaxError);

impl Aggregate {
    pub fn parse(
        group_by: Option<&str>,
        measures: Option<&str>,
        sort: Option<&str>,
        fields: &impl Fields,
    ) -> Result<Self, Refusal> {
        let at = |pointer| move |error| (pointer, error);
        let groups = match group_by {
            Some(text) => each(text, GROUPS, |item| group(item, fields)).map_err(at("/group_by"))?,
            None => Vec::new(),
        };
        let measures = each(measures.unwrap_or("count"), MEASURES, |item| measure(item, fields));
        let mut aggregate = Self { groups, measures: measures.map_err(at("/measures"))?, order: String::new() };
        aggregate.order = aggregate.order(sort).map_err(at("/sort"))?;
        Ok(aggregate)
    }

    fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.groups.iter().chain(&self.measures)
    }

    /// The largest groups first, or as asked; then by what they are grouped by, so that the order is always the same.
    fn order(&self, sort: Option<&str>) -> Result<String, SyntaxError> {
        let mut keys = Vec::new();
        if let Some(text) = sort {
            for (item, descending) in items(text, GROUPS + MEASURES, true)? {
                let name = item.to_string();
                let place = self.outputs().position(|output| output.name == name).ok_or_else(|| {
                    SyntaxError::new(item.position, format!("`{name}` is neither a group nor a measure of this answer"))
                })?;
                keys.push((place, descending));
            }
        } else {
            keys.push((self.groups.len(), true));
        }
        keys.extend(
            (0..self.groups.len())
                .filter(|place| keys.iter().all(|(key, _)| key != place))
                .map(|place| (place, false))
                .collect::<Vec<_>>(),
        );
        let keys = keys.into_iter().map(|(place, descending)| {
            // By its place, since an expression would be computed once more.
            format!("{}{} NULLS LAST", place + 1, if descending { " DESC" } else { "" })
        });
        Ok(keys.collect::<Vec<_>>().join(", "))
    }

    /// The query; `limit` is a parameter's place, `?3`.
    pub fn sql(&self, table: &str, condition: &str, limit: &str) -> String {
        let columns: Vec<_> = self.outputs().map(|output| output.sql.as_str()).collect();
        let places: Vec<_> = (1..=self.groups.len()).map(|place| place.to_string()).collect();
        let group_by = if places.is_empty() { String::new() } else { format!("GROUP BY {}", places.join(", ")) };
        let (columns, order) = (columns.join(", "), &self.order);
        format!("SELECT {columns} FROM {table} WHERE {condition} {group_by} ORDER BY {order} LIMIT {limit}")
    }

    /// One group as it is answered: each value under the name it was asked for by.
    pub fn read(&self, row: &Row<'_>) -> Result<Map<String, Value>> {
        let outputs = self.outputs().enumerate();
        outputs.map(|(index, output)| Ok((output.name.clone(), output.read(row.column(index)?)?))).collect()
    }
}

impl Output {
    fn read(&self, column: Column<'_>) -> Result<Value> {
        Ok(match (self.kind, column) {
            (_, Column::Null | Column::Blob(_)) => Value::Null,
            (Kind::Boolean, Column::Int(truth)) => Value::Bool(truth != 0),
            (Kind::Time, Column::Int(millis)) => Value::String(Time(millis).to_string()),
            (Kind::Any, Column::Text(json)) => serde_json::from_str(json).map_err(Error::internal)?,
            (_, Column::Text(text)) => Value::String(text.to_owned()),
            (_, Column::Int(number)) => Value::Number(number.into()),
            (_, Column::Real(number)) if number.fract() == 0.0 && number.abs() < EXACT => (number as i64).into(),
            (_, Column::Real(number)) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        })
    }
}

fn group(item: &Item, fields: &impl Fields) -> Result<Output, SyntaxError> {
    let Some(path) = &item.path else { return Err(unknown(item, "the name of a field")) };
    let field = sql::resolve(fields, path)?;
    let name = item.to_string();
    let Some(function) = &item.function else {
        return Ok(Output { name, sql: field.group(), kind: field.kind });
    };
    let letters = match function.as_str() {
        "day" => 10,
        "month" => 7,
        "year" => 4,
        _ => return Err(unknown(item, "day, month or year, or no function")),
    };
    if field.kind != Kind::Time {
        return Err(SyntaxError::new(item.position, format!("{function} takes a date or time, and `{path}` is none")));
    }
    let sql = format!("substr({}, 1, {letters})", storage::day(&field.sql()));
    Ok(Output { name, sql, kind: Kind::Text })
}

fn measure(item: &Item, fields: &impl Fields) -> Result<Output, SyntaxError> {
    let wanted = "count, or count, sum, min, max or avg of a field, such as sum(data.amount)";
    let Some(function) = &item.function else { return Err(unknown(item, wanted)) };
    let output = |sql, kind| Ok(Output { name: item.to_string(), sql, kind });
    let Some(path) = &item.path else {
        return if function == "count" { output("count(*)".into(), Kind::Number) } else { Err(unknown(item, wanted)) };
    };
    let field = sql::resolve(fields, path)?;
    let number = || numeric(&field, item, path);
    match function.as_str() {
        "count" => output(format!("count({})", field.group()), Kind::Number),
        // As doubles: a sum of whole numbers that outgrows 64 bits would be an error.
        "sum" => output(format!("sum({} * 1.0)", number()?), Kind::Number),
        "avg" => output(format!("avg({})", number()?), Kind::Number),
        "min" | "max" => match field.kind {
            Kind::Text | Kind::Time => output(format!("{function}({})", field.sql()), field.kind),
            _ => output(format!("{function}({})", number()?), Kind::Number),
        },
        _ => Err(unknown(item, wanted)),
    }
}

fn numeric(field: &Field, item: &Item, path: &Path) -> Result<String, SyntaxError> {
    match field.kind {
        Kind::Number | Kind::Any => Ok(field.sql_as(Kind::Number)),
        _ => Err(SyntaxError::new(item.position, format!("`{path}` holds no numbers to measure"))),
    }
}

fn unknown(item: &Item, wanted: &str) -> SyntaxError {
    SyntaxError::new(item.position, format!("`{item}` is not known here; use {wanted}"))
}

fn each(
    text: &str,
    most: usize,
    output: impl Fn(&Item) -> Result<Output, SyntaxError>,
) -> Result<Vec<Output>, SyntaxError> {
    let mut outputs: Vec<Output> = Vec::new();
    for (item, _) in items(text, most, false)? {
        let next = output(&item)?;
        if outputs.iter().any(|other| other.name == next.name) {
            return Err(SyntaxError::new(item.position, format!("`{item}` is named twice")));
        }
        outputs.push(next);
    }
    Ok(outputs)
}

/// The items between commas, each with whether a minus stands before it.
fn items(text: &str, most: usize, signs: bool) -> Result<Vec<(Item, bool)>, SyntaxError> {
    if text.len() > LENGTH {
        return Err(SyntaxError::new(LENGTH + 1, format!("this has at most {LENGTH} bytes")));
    }
    let mut parser = Parser::new(text)?;
    let mut items = Vec::new();
    loop {
        let descending = signs && parser.token == Token::Minus;
        if descending {
            parser.advance()?;
        }
        let position = parser.position;
        if items.len() == most {
            return Err(SyntaxError::new(position, format!("at most {most} of these can be asked for at once")));
        }
        let mut item = Item { function: None, path: Some(parser.path()?), position };
        if parser.token == Token::Open {
            parser.advance()?;
            item.function = item.path.take().map(|path| path.to_string());
            item.path = Some(parser.path()?);
            if parser.token != Token::Close {
                return Err(parser.unexpected("`)`"));
            }
            parser.advance()?;
        } else if item.path.as_ref().is_some_and(|path| path.segments == ["count"]) {
            (item.function, item.path) = (Some("count".to_owned()), None);
        }
        items.push((item, descending));
        match parser.token {
            Token::End => return Ok(items),
            Token::Comma => parser.advance()?,
            _ => return Err(parser.unexpected("`,` or the end")),
        };
    }
}
