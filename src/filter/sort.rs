//! The order of a list, `?sort=-created_at,name,data.city`, and pages of it that start behind a row
//! instead of at a number, so that they stay right while rows come and go.

use super::{
    Field, Fields, Path, SyntaxError,
    cursor::{Position, Value},
    lexer::Token,
    parser::Parser,
    sql,
};
use crate::{
    error::Result,
    storage::{Param, Row},
};
use std::fmt::Write;

const LENGTH: usize = 1024;
const KEYS: usize = 4;

#[derive(Clone, Debug)]
pub struct SortKey {
    pub path: Path,
    pub descending: bool,
}

/// Reads `-created_at,name`: a minus stands for descending.
pub fn parse_sort(text: &str) -> Result<Vec<SortKey>, SyntaxError> {
    if text.len() > LENGTH {
        return Err(SyntaxError::new(LENGTH + 1, format!("a sort has at most {LENGTH} bytes")));
    }
    let mut parser = Parser::new(text)?;
    let mut keys: Vec<SortKey> = Vec::new();
    loop {
        let descending = parser.token == Token::Minus;
        if descending {
            parser.advance()?;
        }
        let path = parser.path()?;
        if keys.iter().any(|key| key.path.segments == path.segments) {
            return Err(SyntaxError::new(path.position, format!("`{path}` is named twice")));
        }
        if keys.len() == KEYS {
            return Err(SyntaxError::new(path.position, format!("a sort has at most {KEYS} names")));
        }
        keys.push(SortKey { path, descending });
        match parser.token {
            Token::End => return Ok(keys),
            Token::Comma => parser.advance()?,
            _ => return Err(parser.unexpected("`,` or the end")),
        };
    }
}

/// An order that no two rows share: the keys, then the id. Missing values come last in both directions.
pub struct Order {
    keys: Vec<(Field, bool)>,
}

impl Order {
    /// `id` is the field that tells rows with equal keys apart.
    pub fn new(keys: &[SortKey], fields: &impl Fields, id: Field) -> Result<Self, SyntaxError> {
        let mut resolved = Vec::with_capacity(keys.len() + 1);
        for key in keys {
            resolved.push((sql::resolve(fields, &key.path)?, key.descending));
        }
        let last = resolved.last().is_some_and(|(_, descending)| *descending);
        if keys.last().is_none_or(|key| key.path.segments != ["id"]) {
            resolved.push((id.never_null(), last));
        }
        Ok(Self { keys: resolved })
    }

    /// By one field that no two rows share.
    pub fn by(field: Field, descending: bool) -> Self {
        Self { keys: vec![(field.never_null(), descending)] }
    }

    /// What follows `ORDER BY`.
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        for (index, (field, descending)) in self.keys.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let nulls = if field.nullable { " NULLS LAST" } else { "" };
            let _ = write!(sql, "{comma}{}{}{nulls}", field.sql(), if *descending { " DESC" } else { "" });
        }
        sql
    }

    /// The sort values to select beside each row, so that [`Order::position`] can read them.
    pub fn columns(&self) -> String {
        self.keys.iter().map(|(field, _)| field.sql()).collect::<Vec<_>>().join(", ")
    }

    /// Where a row stands, from the columns that begin at `first`.
    pub fn position(&self, row: &Row<'_>, first: usize) -> Result<Position> {
        let values = (first..first + self.keys.len()).map(|index| Ok(Value::from(row.column(index)?)));
        Ok(Position(values.collect::<Result<_>>()?))
    }

    /// The condition for rows behind `position`; `None` when the position is of another order.
    pub fn after(&self, position: &Position, params: &mut Vec<Param<'static>>) -> Option<String> {
        self.behind(position, params, false)
    }

    /// [`Order::after`] in parts to be asked one after the other until a page is full, each of which an index
    /// can start at the right place: where the first key is missing at the end of the order, that is a part.
    pub fn parts_after(
        &self,
        position: &Position,
        params: &[Param<'static>],
    ) -> Option<Vec<(String, Vec<Param<'static>>)>> {
        let (first, _) = self.keys.first()?;
        let split = first.nullable && position.0.first() != Some(&Value::Null);
        let mut own = params.to_vec();
        let condition = self.behind(position, &mut own, split)?;
        let mut parts = vec![(condition, own)];
        if split {
            parts.push((format!("{} IS NULL", first.sql()), params.to_vec()));
        }
        Some(parts)
    }

    /// With `first_there` only rows that have the first key.
    fn behind(&self, position: &Position, params: &mut Vec<Param<'static>>, first_there: bool) -> Option<String> {
        if position.0.len() != self.keys.len() {
            return None;
        }
        let mut sql = String::new();
        let mut open = 0;
        for (index, ((field, descending), value)) in self.keys.iter().zip(&position.0).enumerate() {
            let last = index + 1 == self.keys.len();
            let nullable = field.nullable && !(first_there && index == 0);
            let column = field.sql();
            let sign = if *descending { "<" } else { ">" };
            let Some(param) = value.param() else {
                // Behind a missing value come only further missing ones.
                let _ = write!(sql, "{column} IS NULL{}", if last { " AND 1 = 0" } else { " AND (" });
                open += usize::from(!last);
                continue;
            };
            params.push(param);
            let number = params.len();
            let behind = if nullable {
                format!("({column} {sign} ?{number} OR {column} IS NULL)")
            } else {
                format!("{column} {sign} ?{number}")
            };
            if last {
                sql.push_str(&behind);
            } else {
                // The first comparison is implied by the rest: it lets an index start at the right place.
                if !nullable {
                    let _ = write!(sql, "{column} {sign}= ?{number} AND ");
                }
                let _ = write!(sql, "({behind} OR {column} = ?{number} AND (");
                open += 2;
            }
        }
        sql.push_str(&")".repeat(open));
        Some(sql)
    }
}
