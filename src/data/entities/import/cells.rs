//! From the cells of a table to an entity.

use super::rows::Incoming;
use crate::{
    data::{
        entities::draft::EntityPatch,
        entity_types::{Cell, EntityType},
        pointer,
    },
    error::{Error, Faults, Result},
};
use csv::StringRecord;
use serde_json::{Map, Number, Value};

/// What a column fills.
#[derive(Debug, PartialEq)]
enum Column {
    Id,
    Name,
    Confidence,
    Owner,
    Data(String, Cell),
}

/// The columns of a table, from its first line.
#[derive(Debug)]
pub(super) struct Header(Vec<Column>);

const COLUMNS: usize = 1000;

impl Header {
    pub fn read(names: &StringRecord, entity_type: &EntityType, name_column: Option<&str>) -> Result<Self> {
        let mut faults = Faults::default();
        let mut columns = Vec::with_capacity(names.len());
        let mut wrong = |message: String| faults.push("/header", "invalid_header", message);
        if names.len() > COLUMNS {
            return Err(Error::invalid_at("/header", "too_many", format!("A table has at most {COLUMNS} columns.")));
        }
        let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                wrong(format!("Column {} has no name.", index + 1));
            } else if names[..index].contains(name) {
                wrong(format!("The column `{name}` stands twice."));
            }
            let key = name.strip_prefix("data.").unwrap_or(name);
            columns.push(match *name {
                name if Some(name) == name_column => Column::Name,
                "id" => Column::Id,
                "name" => Column::Name,
                "confidence" => Column::Confidence,
                "owner_id" => Column::Owner,
                _ => Column::Data(key.to_owned(), entity_type.cell(key)),
            });
        }
        if let Some(missing) = name_column.filter(|wanted| !names.contains(wanted)) {
            wrong(format!("There is no column `{missing}` to take the name from."));
        }
        if columns.iter().filter(|column| **column == Column::Name).count() > 1 {
            wrong("Both `name` and the name column would be the name; leave one out.".to_owned());
        }
        faults.into_result().map(|()| Self(columns))
    }

    /// Empty cells are absent.
    pub fn row(&self, row: u64, record: &StringRecord) -> Result<Incoming> {
        let mut faults = Faults::default();
        let (mut id, mut patch, mut data) = (None, EntityPatch::default(), Map::new());
        for (column, cell) in self.0.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
            match column {
                Column::Id => match cell.parse() {
                    Ok(parsed) => id = Some(parsed),
                    Err(_) => faults.push("/id", "invalid", "The id is not a UUID."),
                },
                Column::Name => patch.name = Some(Some(cell.to_owned())),
                Column::Confidence => match cell.trim().parse() {
                    Ok(number) => patch.confidence = Some(Some(number)),
                    Err(_) => faults.push("/confidence", "wrong_type", "The confidence is not a number."),
                },
                Column::Owner => match cell.parse() {
                    Ok(owner) => patch.owner_id = Some(Some(owner)),
                    Err(_) => faults.push("/owner_id", "invalid", "The owner is not a UUID."),
                },
                Column::Data(name, kind) => match value(cell, *kind) {
                    Ok(value) => {
                        data.insert(name.clone(), value);
                    }
                    Err(wanted) => {
                        let at = format!("/data/{}", pointer::escape(name));
                        faults.push(at, "wrong_type", format!("The cell of `{name}` is not {wanted}."));
                    }
                },
            }
        }
        faults.into_result()?;
        patch.data = Some(Some(data));
        Ok(Incoming { row, id, patch })
    }
}

fn value(cell: &str, kind: Cell) -> Result<Value, &'static str> {
    let trimmed = cell.trim();
    match kind {
        Cell::Text => Ok(Value::String(cell.to_owned())),
        Cell::Number => number(trimmed).ok_or("a number"),
        Cell::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("true or false"),
        },
        Cell::Json => crate::web::parse_json(cell.as_bytes()).map_err(|_| "JSON"),
    }
}

/// A whole number that cannot be kept as one is none, rather than another that is near it.
fn number(text: &str) -> Option<Value> {
    let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
    if whole.is_ok() || !text.contains(['.', 'e', 'E']) {
        return whole.ok();
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|_| digits).and_then(Number::from_f64).map(Value::Number)
}

/// The text of a value in a cell; [`value`] reads it back.
pub(in crate::data::entities) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
