//! The index of a type's search, and how it follows what changes.

use super::{Paths, Words, at, texts, words};
use crate::{
    error::{Error, Result},
    params,
    storage::{Param, Reader, Row, Tx},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Words with the same beginning that are asked for one by one; where there are more, the engine gathers them all.
const BEGINNINGS: usize = 32;
/// Parts of an index that a search looks into without suffering.
const PARTS: usize = 3;
/// Pages of an index that are put together by one change.
const MERGED: i64 = 200;
/// Entities of one millisecond that have numbers of their own.
const PER_MILLISECOND: i64 = 1 << 20;

/// How far a type's index is.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchIndex {
    table: String,
    pub paths: Paths,
    pub done: i64,
    pub total: i64,
    pub ready: bool,
}

/// Type names are words in small letters: they stand in the names of tables.
fn table(entity_type: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if entity_type.is_empty() || !entity_type.chars().all(plain) {
        return Err(Error::internal("a type name that no table can have"));
    }
    Ok(format!("search_of_{entity_type}"))
}

fn columns(count: usize) -> String {
    (0..=count).map(|column| format!("c{column}")).collect::<Vec<_>>().join(", ")
}

impl SearchIndex {
    pub fn of(reader: &Reader<'_>, entity_type: &str) -> Result<Option<Self>> {
        let table = table(entity_type)?;
        let sql = "SELECT paths, done, total, ready FROM search_indexes WHERE type = ?1";
        reader.query_one(sql, params![entity_type], |row| {
            let paths = serde_json::from_str(row.text(0)?).map_err(Error::internal)?;
            Ok(Self { table, paths, done: row.get(1)?, total: row.get(2)?, ready: row.get(3)? })
        })
    }

    /// The tables to select from instead of `entities`, in the order of [`SearchIndex::NUMBER`]; `place` is where the
    /// value of [`SearchIndex::asked`] stands.
    pub fn tables(&self, place: &str) -> (String, String) {
        let table = &self.table;
        let tables = format!(
            "{table} CROSS JOIN search_entries ON search_entries.number = {table}.rowid
             CROSS JOIN entities ON entities.id = search_entries.entity_id"
        );
        (tables, format!("{table} MATCH {place}"))
    }

    /// A condition on the id of entities, for lists in another order.
    pub fn among(&self, place: &str) -> String {
        let (table, from) = (&self.table, "search_entries");
        format!(
            "id IN (SELECT entity_id FROM {table} CROSS JOIN {from} ON number = {table}.rowid WHERE {table} MATCH {place})"
        )
    }

    /// The number in the order of creation, where [`SearchIndex::tables`] are selected from.
    pub fn number(&self) -> String {
        format!("{}.rowid", self.table)
    }

    /// The words in the language of the index: in the name and in those paths that `seen` lets through.
    pub fn asked(
        &self,
        reader: &Reader<'_>,
        words: &Words,
        seen: impl Fn(&[String]) -> bool,
    ) -> Result<Option<Param<'static>>> {
        let Some((last, whole)) = words.0.split_last() else { return Ok(None) };
        let columns =
            self.paths.iter().enumerate().filter(|(_, path)| seen(path)).map(|(at, _)| format!(" c{}", at + 1));
        let mut parts: Vec<_> = whole.iter().map(|word| format!("\"{word}\"")).collect();
        parts.push(self.beginning(reader, last)?);
        Ok(Some(Param::Owned(format!("{{c0{}}} : ({})", columns.collect::<String>(), parts.join(" AND ")))))
    }

    /// The last word or what begins with it. Few words are asked for one by one: those the engine reads only as far
    /// as a page needs, where it would gather every entity that has a word beginning so.
    fn beginning(&self, reader: &Reader<'_>, last: &str) -> Result<String> {
        let sql = format!("SELECT term FROM {}_words WHERE term >= ?1 LIMIT 1", self.table);
        let (mut found, mut from) = (Vec::new(), last.to_owned());
        while found.len() <= BEGINNINGS {
            let next = reader.query_one(&sql, params![&from], |row| row.get::<String>(0))?;
            let Some(word) = next.filter(|word| word.starts_with(last)) else {
                found.push(last.to_owned());
                let any: Vec<_> = found.iter().map(|word| format!("\"{word}\"")).collect();
                return Ok(format!("({})", any.join(" OR ")));
            };
            from = format!("{word}\u{1}");
            found.push(word);
        }
        Ok(format!("\"{last}\" *"))
    }
}

/// Makes the index of a type, empty; [`take_in`] fills it with what is there. One with the same paths stays as it is.
pub fn make_index(tx: &Tx<'_>, entity_type: &str, paths: &[Vec<String>]) -> Result<()> {
    if SearchIndex::of(tx, entity_type)?.is_some_and(|index| index.paths == paths) {
        return Ok(());
    }
    drop_index(tx, entity_type)?;
    let (table, columns) = (table(entity_type)?, columns(paths.len()));
    // Texts come in as words already: everything but what parts them belongs to a word.
    tx.execute(
        &format!(
            "CREATE VIRTUAL TABLE {table} USING fts5({columns}, content='', contentless_delete=1, tokenize='ascii')"
        ),
        &[],
    )?;
    tx.execute(&format!("CREATE VIRTUAL TABLE {table}_words USING fts5vocab({table}, instance)"), &[])?;
    // In two parts, each of which an index counts.
    let sql = "SELECT (SELECT count(*) FROM entities WHERE type = ?1 AND deleted_at IS NULL)
                    + (SELECT count(*) FROM entities WHERE type = ?1 AND deleted_at IS NOT NULL)";
    let total: i64 = tx.query_one(sql, params![entity_type], |row| row.get(0))?.unwrap_or(0);
    let text = serde_json::to_string(paths).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO search_indexes (type, paths, through, done, total, ready) VALUES (?1, ?2, '', 0, ?3, ?4)",
        params![entity_type, text, total, total == 0],
    )?;
    Ok(())
}

pub fn drop_index(tx: &Tx<'_>, entity_type: &str) -> Result<()> {
    let table = table(entity_type)?;
    tx.execute("DELETE FROM search_indexes WHERE type = ?1", params![entity_type])?;
    tx.execute(&format!("DROP TABLE IF EXISTS {table}_words"), &[])?;
    tx.execute(&format!("DROP TABLE IF EXISTS {table}"), &[])?;
    Ok(())
}

/// Takes the next `limit` entities that were there before into their type's index; whether that was the last of them.
/// It is asked from [`finish`] on.
pub fn take_in(tx: &Tx<'_>, entity_type: &str, limit: usize) -> Result<bool> {
    let sql = "SELECT through FROM search_indexes WHERE type = ?1 AND ready = 0";
    let Some(through) = tx.query_one(sql, params![entity_type], |row| row.get::<String>(0))? else { return Ok(true) };
    let sql = "SELECT id FROM entities WHERE type = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let ids = tx.query_all(sql, params![entity_type, &through, limit], |row| row.get::<String>(0))?;
    for id in &ids {
        let sql = "INSERT INTO search_pending (entity_id, type) VALUES (?1, ?2) ON CONFLICT (entity_id) DO NOTHING";
        tx.execute(sql, params![id, entity_type])?;
    }
    let last = ids.len() < limit;
    tx.execute(
        "UPDATE search_indexes SET through = ?2, done = done + ?3 WHERE type = ?1",
        params![entity_type, ids.last().unwrap_or(&through), ids.len()],
    )?;
    Ok(last)
}

/// Has the index asked from now on, where nothing is left for [`take_in`]; whether that is so. It may have been made
/// anew since the last that was taken in.
pub fn finish(tx: &Tx<'_>, entity_type: &str, limit: usize) -> Result<bool> {
    let whole = take_in(tx, entity_type, limit)?;
    if whole {
        tx.execute("UPDATE search_indexes SET ready = 1 WHERE type = ?1", params![entity_type])?;
    }
    Ok(whole)
}

/// Whether an index has so many parts that searches suffer, each of which looks into all of them, and what is beside
/// its largest part is worth the work of putting them together.
pub fn is_scattered(reader: &Reader<'_>, entity_type: &str) -> Result<bool> {
    if SearchIndex::of(reader, entity_type)?.is_none() {
        return Ok(false);
    }
    let sql = format!("SELECT count(*) FROM {}_idx GROUP BY segid", table(entity_type)?);
    let pages = reader.query_all(&sql, &[], |row| row.get::<i64>(0))?;
    let (all, largest) = (pages.iter().sum::<i64>(), pages.iter().max().copied().unwrap_or(0));
    Ok(pages.len() > PARTS && (all - largest) * 10 >= largest)
}

/// Puts the parts of a type's index together, some pages at a time: all of them where it is to `begin`, else those that
/// were begun with. Whether nothing is left to do. See "The 'merge' Command" of SQLite's FTS5.
pub fn merge(tx: &Tx<'_>, entity_type: &str, begin: bool) -> Result<bool> {
    if SearchIndex::of(tx, entity_type)?.is_none() {
        return Ok(true);
    }
    let table = table(entity_type)?;
    let changes =
        || tx.query_one("SELECT total_changes()", &[], |row| row.get::<i64>(0)).map(Option::unwrap_or_default);
    let before = changes()?;
    let pages = if begin { -MERGED } else { MERGED };
    tx.execute(&format!("INSERT INTO {table} ({table}, rank) VALUES ('merge', ?1)"), params![pages])?;
    // The command itself counts as one.
    Ok(changes()? - before < 2)
}

struct Pending {
    id: String,
    gone: Option<i64>,
}

/// Brings the indexes up to what the transaction changed. Here, and not with each change, since the engine writes its
/// index out at the end of every savepoint.
pub(in crate::storage) fn settle(tx: &Tx<'_>) -> Result<()> {
    let mut by_type: BTreeMap<String, Vec<Pending>> = BTreeMap::new();
    tx.query_each("SELECT type, entity_id, gone FROM search_pending", &[], |row| {
        by_type.entry(row.get(0)?).or_default().push(Pending { id: row.get(1)?, gone: row.get(2)? });
        Ok(())
    })?;
    if by_type.is_empty() {
        return Ok(());
    }
    for (entity_type, pending) in by_type {
        let Some(index) = SearchIndex::of(tx, &entity_type)? else { continue };
        let places = (1..=index.paths.len() + 2).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let (table, columns) = (&index.table, columns(index.paths.len()));
        let insert = format!("INSERT INTO {table} (rowid, {columns}) VALUES ({places})");
        let remove = format!("DELETE FROM {table} WHERE rowid = ?1");
        for Pending { id, gone } in pending {
            if let Some(number) = gone {
                tx.execute(&remove, params![number])?;
                continue;
            }
            let sql = "SELECT name, data, created_at FROM entities WHERE id = ?1";
            let read = |row: &Row<'_>| {
                let data: Value = serde_json::from_str(row.text(1)?).map_err(Error::internal)?;
                Ok((row.get::<Option<String>>(0)?, data, row.get::<i64>(2)?))
            };
            let Some((name, data, created_at)) = tx.query_one(sql, params![&id], read)? else { continue };
            let (number, known) = number(tx, &id, created_at)?;
            if known {
                tx.execute(&remove, params![number])?;
            }
            let mut row = vec![Param::Int(number), Param::Owned(joined(name.as_deref().unwrap_or_default()))];
            row.extend(index.paths.iter().map(|path| {
                let mut all = String::new();
                let mut look = |text: &str| {
                    all.push_str(&joined(text));
                    all.push(' ');
                };
                if let Some(value) = at(&data, path) {
                    texts(value, &mut path.clone(), &[], &mut look);
                }
                Param::Owned(all)
            }));
            tx.execute(&insert, &row)?;
        }
    }
    tx.execute("DELETE FROM search_pending", &[])?;
    Ok(())
}

fn joined(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// The entity's number, and whether it had one.
fn number(tx: &Tx<'_>, id: &str, created_at: i64) -> Result<(i64, bool)> {
    let (first, end) =
        (created_at.saturating_mul(PER_MILLISECOND), created_at.saturating_add(1).saturating_mul(PER_MILLISECOND));
    let made = tx.query_one(
        "INSERT INTO search_entries (number, entity_id)
         VALUES ((SELECT coalesce(max(number) + 1, ?2) FROM search_entries WHERE number >= ?2 AND number < ?3), ?1)
         ON CONFLICT (entity_id) DO NOTHING RETURNING number",
        params![id, first, end],
        |row| row.get(0),
    )?;
    if let Some(number) = made {
        return Ok((number, false));
    }
    let sql = "SELECT number FROM search_entries WHERE entity_id = ?1";
    let known = tx.query_one(sql, params![id], |row| row.get(0))?;
    Ok((known.ok_or_else(|| Error::internal("an entity without a number"))?, true))
}
