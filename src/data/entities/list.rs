//! Lists of entities: filter, sort, pages, counts.

use super::{
    model::{Shown, WIDTH, columns},
    pick::Picks,
    relationships::Expansion,
    scope::Scope,
    search::Question,
    show::write_shown,
    write::Entities,
};
use crate::{
    error::{Error, Result},
    filter::{Field, Kind, Order, Path, Position, SortKey, parse_sort},
    permit::Action,
    storage::{Param, Reader},
    web::{Deleted, ListQuery},
};
use serde::Deserialize;
use serde_json::Value;

/// What the list of a type can be asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(super) struct EntityQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    filter: Option<String>,
    fields: Option<String>,
    q: Option<String>,
    deleted: Option<String>,
    count: Option<bool>,
    expand: Option<String>,
    depth: Option<u8>,
}

impl EntityQuery {
    fn list(self) -> ListQuery {
        let Self { limit, cursor, sort, filter, fields, q, deleted, count, .. } = self;
        ListQuery { limit, cursor, sort, filter, fields, q, deleted, count }
    }
}

const DEFAULT_SORT: &str = "-created_at";

/// Entities that share a value of their data come in the order of creation, as an index on that value has them.
fn as_indexed(mut keys: Vec<SortKey>) -> Vec<SortKey> {
    if let [SortKey { path, descending }] = &*keys
        && path.segments.len() > 1
    {
        let path = Path { segments: vec!["created_at".to_owned()], position: path.position };
        keys.push(SortKey { path, descending: *descending });
    }
    keys
}

/// A list that was understood, ready to run on any thread.
pub(super) struct Listing {
    entities: Entities,
    scope: Scope,
    limit: usize,
    picks: Option<Picks>,
    order: Order,
    question: [String; 4],
    tables: String,
    /// What every row fulfils, with its values.
    condition: String,
    params: Vec<Param<'static>>,
    after: Option<Position>,
    count: bool,
    quick: bool,
    expansion: Option<Expansion>,
}

impl Listing {
    pub fn new(entities: &Entities, scope: Scope, query: EntityQuery) -> Result<Self> {
        let expansion = Expansion::new(entities, &scope.permit, query.expand.as_deref(), query.depth)?;
        let query = query.list();
        let (limit, deleted) = (query.limit()? as usize, query.deleted()?);
        let picks = query.fields.as_deref().map(|text| Picks::parse(text, scope.mask())).transpose()?;
        let sort = query.sort.unwrap_or_else(|| DEFAULT_SORT.to_owned());
        let id = Field::column("id", Kind::Text);
        let order = parse_sort(&sort).and_then(|keys| Order::new(&as_indexed(keys), &scope.fields(), id));
        let mut order = order.map_err(|error| Error::invalid_at("/sort", "invalid_sort", error.to_string()))?;
        let (filter, q) = (query.filter.as_deref(), query.q.as_deref());
        let by_creation = matches!(sort.as_str(), "created_at" | DEFAULT_SORT);
        let asked = Question::new(entities, &scope, deleted, filter, q, by_creation)?;
        let Question { tables, condition, params, number } = asked;
        let by_number = number.is_some();
        if let Some(number) = number {
            order = Order::by(number, sort.starts_with('-'));
        }
        let indexed = matches!(sort.trim_start_matches('-'), "created_at" | "updated_at" | "name");
        let count = query.count.unwrap_or(false);
        let plain = query.filter.is_none() && query.q.is_none() && deleted == Deleted::Without;
        let quick = scope.reaches_all(Action::Read) && indexed && !count && plain;
        let words = format!("{deleted:?} {by_number} {}", query.q.unwrap_or_default());
        let question = [scope.entity_type.name.to_string(), sort, query.filter.unwrap_or_default(), words];
        let after = query.cursor.map(|cursor| entities.cursors.open(&question.each_ref().map(String::as_str), &cursor));
        let after = after.transpose()?;
        scope.saw_named()?;
        let entities = entities.clone();
        Ok(Self {
            entities,
            scope,
            limit,
            picks,
            order,
            question,
            tables,
            condition,
            params,
            after,
            count,
            quick,
            expansion,
        })
    }

    /// The page as JSON. Where an index gives it at once it is read here, else on a thread for long reads.
    pub async fn run(self) -> Result<Vec<u8>> {
        let db = self.entities.ledger.db().clone();
        if self.expansion.is_some() {
            return db.read_off(move |reader| self.expanded(reader)).await;
        }
        if self.quick {
            db.read(|reader| self.page(reader))
        } else {
            db.read_off(move |reader| self.page(reader)).await
        }
    }

    fn expanded(&self, reader: &Reader<'_>) -> Result<Vec<u8>> {
        let page = self.page(reader)?;
        let Some(expansion) = &self.expansion else { return Ok(page) };
        let mut page: Value = serde_json::from_slice(&page).map_err(Error::internal)?;
        if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
            expansion.fill(reader, items)?;
        }
        serde_json::to_vec(&page).map_err(Error::internal)
    }

    fn page(&self, reader: &Reader<'_>) -> Result<Vec<u8>> {
        let other = || Error::invalid_at("/cursor", "invalid_cursor", "This cursor is of another sort.");
        let parts = match &self.after {
            Some(position) => self.order.parts_after(position, &self.params).ok_or_else(other)?,
            None => vec![("1 = 1".to_owned(), self.params.clone())],
        };
        let mut out = Vec::with_capacity(16 * 1024);
        out.extend_from_slice(b"{\"items\":[");
        let columns = columns(Some(&self.scope.entity_type));
        let (mut rows, mut last, mut more) = (0, None, false);
        for (after, mut params) in parts {
            params.push((self.limit + 1 - rows).into());
            let sql = format!(
                "SELECT {columns}, {} FROM {} WHERE {} AND {after} ORDER BY {} LIMIT ?{}",
                self.order.columns(),
                self.tables,
                self.condition,
                self.order.sql(),
                params.len()
            );
            reader.query_each(&sql, &params, |row| {
                if rows == self.limit {
                    more = true;
                    return Ok(());
                }
                if rows > 0 {
                    out.push(b',');
                }
                write_shown(&self.scope, self.picks.as_ref(), Shown::read(row)?, &mut out)?;
                rows += 1;
                if rows == self.limit {
                    last = Some(self.order.position(row, WIDTH)?);
                }
                Ok(())
            })?;
            if more {
                break;
            }
        }
        let question = self.question.each_ref().map(String::as_str);
        let next = last.filter(|_| more).map(|position| self.entities.cursors.seal(&question, &position));
        out.extend_from_slice(b"],\"next_cursor\":");
        serde_json::to_writer(&mut out, &next).map_err(Error::internal)?;
        if self.count {
            let sql = format!("SELECT count(*) FROM {} WHERE {}", self.tables, self.condition);
            let total: i64 = reader.query_one(&sql, &self.params, |row| row.get(0))?.unwrap_or(0);
            out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        out.push(b'}');
        Ok(out)
    }
}
