//! One page of the rows that fulfil a condition, and the cursor that leads to the next.

use super::{CursorKey, Order};
use crate::{
    error::{Error, Result},
    storage::{Param, Reader, Row},
};

/// What to list. The order's own columns are read behind the `width` columns that `read` knows.
pub struct Listing<'a> {
    pub tables: &'a str,
    pub columns: &'a str,
    pub width: usize,
    pub condition: String,
    pub params: Vec<Param<'static>>,
    pub order: &'a Order,
    pub limit: u32,
    pub count: bool,
    pub cursor: Option<&'a str>,
    /// What a cursor is bound to: filter, sort and whatever else makes it another list.
    pub question: &'a [&'a str],
}

/// The rows of a page, the way to the next, and how many there are in all where that was asked for.
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
    pub total: Option<i64>,
}

impl Listing<'_> {
    pub fn run<T>(
        mut self,
        reader: &Reader<'_>,
        key: &CursorKey,
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Listed<T>> {
        let total = self.count.then(|| self.total(reader)).transpose()?;
        if let Some(cursor) = self.cursor {
            let position = key.open(self.question, cursor)?;
            let behind = self.order.after(&position, &mut self.params).ok_or_else(|| {
                Error::invalid_at("/cursor", "invalid_cursor", "This cursor belongs to another sort.")
            })?;
            self.condition = format!("{} AND ({behind})", self.condition);
        }
        // One more than asked for tells whether there is a next page.
        self.params.push((self.limit + 1).into());
        let Self { tables, columns, width, condition, order, .. } = &self;
        let (sorted_by, by) = (order.columns(), order.sql());
        let last = self.params.len();
        let sql = format!("SELECT {columns}, {sorted_by} FROM {tables} WHERE {condition} ORDER BY {by} LIMIT ?{last}");
        let mut rows = reader.query_all(&sql, &self.params, |row| Ok((read(row)?, order.position(row, *width)?)))?;
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|(_, position)| key.seal(self.question, position));
        Ok(Listed { items: rows.into_iter().map(|(item, _)| item).collect(), next_cursor, total })
    }

    fn total(&self, reader: &Reader<'_>) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {} WHERE {}", self.tables, self.condition);
        Ok(reader.query_one(&sql, &self.params, |row| row.get(0))?.unwrap_or(0))
    }
}
