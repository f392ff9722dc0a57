//! Full-text search: words of entities' names and data, found by an index where a type has one, else by looking.
//! Both take a text apart in the same way, so they find the same.

use super::{Param, Reader, Tx};
use crate::{
    error::{Error, Result},
    params,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A search text in bytes, and its words, at most.
const LENGTH: usize = 1000;
const WORDS: usize = 16;
/// Letters of a word that count.
const LETTERS: usize = 64;
/// Words with the same beginning that are asked for one by one; where there are more, the engine gathers them all.
const BEGINNINGS: usize = 32;
/// Entities of one millisecond that have numbers of their own.
const PER_MILLISECOND: i64 = 1 << 20;

type Paths = Vec<Vec<String>>;

/// The words of a text, in small letters and without accents.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut letters = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    std::iter::from_fn(move || {
        let mut word = String::new();
        let mut length = 0;
        for c in letters.by_ref() {
            if !c.is_alphanumeric() {
                if length > 0 {
                    break;
                }
                continue;
            }
            length += 1;
            if length <= LETTERS {
                word.push(c);
            }
        }
        (length > 0).then_some(word)
    })
}

/// What to search for: every word, the last one also as the beginning of a longer one. Nothing in it is an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Words(Vec<String>);

impl Words {
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |message: String| Err(Error::invalid_at("/q", "too_long", message));
        if text.len() > LENGTH {
            return refused(format!("A search has at most {LENGTH} bytes."));
        }
        let words: Vec<String> = words(text).collect();
        if words.len() > WORDS {
            return refused(format!("A search has at most {WORDS} words."));
        }
        Ok(Self(words))
    }

    /// Whether a word of a text is one of these, and which.
    fn find(&self, word: &str, found: &mut [bool]) {
        for (index, wanted) in self.0.iter().enumerate() {
            let beginning = index + 1 == self.0.len();
            found[index] |= word == wanted || (beginning && word.starts_with(wanted.as_str()));
        }
    }

    /// As a value for [`looks_like`].
    pub fn param(&self) -> Param<'static> {
        Param::Owned(serde_json::to_string(self).unwrap_or_default())
    }
}

/// The part of `data` that may be looked into.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sight {
    /// None: everything.
    pub only: Option<Paths>,
    pub hidden: Paths,
}

impl Sight {
    pub fn param(&self) -> Param<'static> {
        Param::Owned(serde_json::to_string(self).unwrap_or_default())
    }
}

/// The condition that an entity's name and data hold the words: `sight` and `words` are the places of their values.
pub fn looks_like(name: &str, data: &str, sight: &str, words: &str) -> String {
    format!("(holds_words({name}, {data}, {sight}, {words}) = 1)")
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A value of [`looks_like`] as it was given.
pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Cause> {
    serde_json::from_str(text).map_err(Into::into)
}

/// What stands behind [`looks_like`].
pub(super) fn holds_words(name: Option<&str>, data: &str, sight: &Sight, words: &Words) -> bool {
    let mut found = vec![false; words.0.len()];
    let mut look = |text: &str| self::words(text).for_each(|word| words.find(&word, &mut found));
    if let Some(name) = name {
        look(name);
    }
    if let Ok(data) = serde_json::from_str::<Value>(data) {
        let roots = sight.only.clone().unwrap_or_else(|| vec![Vec::new()]);
        for mut path in roots {
            if let Some(value) = at(&data, &path) {
                texts(value, &mut path, &sight.hidden, &mut look);
            }
        }
    }
    !found.is_empty() && found.into_iter().all(|found| found)
}

fn at<'v>(data: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(data, |value, key| value.get(key))
}

/// The texts and numbers under a value, without what is hidden. What is hidden in an array hides its items.
fn texts(value: &Value, path: &mut Vec<String>, hidden: &[Vec<String>], look: &mut impl FnMut(&str)) {
    if hidden.contains(path) {
        return;
    }
    match value {
        Value::String(text) => look(text),
        Value::Number(number) => look(&number.to_string()),
        Value::Array(items) if hidden.iter().all(|hidden| !hidden.starts_with(path)) => {
            for item in items {
                texts(item, path, hidden, look);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                texts(member, path, hidden, look);
                path.pop();
            }
        }
        _ => {}
    }
}

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
        "UPDATE search_indexes SET through = ?2, done = done + ?3, ready = ?4 WHERE type = ?1",
        params![entity_type, ids.last().unwrap_or(&through), ids.len(), last],
    )?;
    Ok(last)
}

/// Pages that are put together at a time.
const MERGED: i64 = 200;

/// Puts the parts of a type's index together, some pages at a time: every part has to be looked into by every search.
/// `whole` begins to make one of all of them, else as many stay as suits what comes in. Whether nothing is left to do.
/// See "The 'merge' Command" of SQLite's FTS5.
pub fn merge(tx: &Tx<'_>, entity_type: &str, whole: bool) -> Result<bool> {
    if SearchIndex::of(tx, entity_type)?.is_none() {
        return Ok(true);
    }
    let table = table(entity_type)?;
    let changes =
        || tx.query_one("SELECT total_changes()", &[], |row| row.get::<i64>(0)).map(Option::unwrap_or_default);
    let before = changes()?;
    let pages = if whole { -MERGED } else { MERGED };
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
pub(super) fn settle(tx: &Tx<'_>) -> Result<()> {
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
            let read = |row: &super::Row<'_>| {
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
