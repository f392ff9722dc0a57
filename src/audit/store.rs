//! Reading events. What is shown comes from the hashed text; the columns beside it only help to find it.

use super::{details, event::Outcome, masking::SeenBy};
use crate::{
    clock::Time,
    error::{Error, Result},
    filter::{CursorKey, Position},
    ids::Id,
    params,
    storage::{Column, Db, Param, Reader, Row},
    web::Page,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt::Write;

/// One event as it is shown: the members of the hashed text, then the two hashes.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Shown(Box<RawValue>);

/// One event as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub seq: i64,
    pub event: String,
    pub prev_hash: String,
    pub hash: String,
    /// What the text holds digests of, until it is put in.
    pub beside: Option<Beside>,
}

/// What is kept beside the text of an event, each with its salt.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub changes: Option<(String, String)>,
    pub label: Option<(String, String)>,
}

const COLUMNS: &str = "seq, event, prev_hash, hash, changes, salt";
/// How many those are.
const WIDTH: usize = 6;

impl Stored {
    fn read(row: &Row<'_>) -> Result<Self> {
        // Whoever tampered may have left anything: an event that is no text must not hide the others.
        let text = |index: usize| match row.column(index) {
            Ok(Column::Text(text)) => text.to_owned(),
            _ => String::new(),
        };
        let changes = Some((text(4), text(5))).filter(|(changes, _)| !changes.is_empty());
        let beside = Some(Beside { changes, label: None });
        Ok(Self { seq: row.get(0)?, event: text(1), prev_hash: text(2), hash: text(3), beside })
    }

    /// Looks up the name of the actor.
    fn named(mut self, reader: &Reader<'_>) -> Result<Self> {
        if let Some(beside) = &mut self.beside {
            beside.label = details::label(reader, &self.event)?;
        }
        Ok(self)
    }

    /// The text with what is kept beside it put in.
    pub fn whole(&self) -> String {
        let Some(beside) = &self.beside else { return self.event.clone() };
        let text = |kept: &Option<(String, String)>| kept.as_ref().map(|(text, _)| text.clone());
        let (changes, label) = (text(&beside.changes), text(&beside.label));
        // Whoever tampered may have left something that is no JSON.
        let changes = changes.filter(|changes| serde_json::from_str::<&RawValue>(changes).is_ok());
        details::whole(&self.event, changes.as_deref(), label.as_deref())
    }

    pub fn shown(&self) -> Result<Shown> {
        /// The text is no event, so somebody changed it; it is shown as it stands.
        #[derive(Serialize)]
        struct Unreadable<'a> {
            seq: i64,
            text: &'a str,
            prev_hash: &'a str,
            hash: &'a str,
        }
        let Self { seq, prev_hash, hash, .. } = self;
        let event = &self.whole();
        let whole = serde_json::from_str::<&RawValue>(event).is_ok() && event.starts_with("{\"");
        let text = match event.strip_suffix('}').filter(|_| whole) {
            Some(open) => {
                let (prev_hash, hash) = (serde_json::to_string(prev_hash), serde_json::to_string(hash));
                let (prev_hash, hash) = (prev_hash.map_err(Error::internal)?, hash.map_err(Error::internal)?);
                format!("{open},\"prev_hash\":{prev_hash},\"hash\":{hash}}}")
            }
            None => serde_json::to_string(&Unreadable { seq: *seq, text: event, prev_hash, hash })
                .map_err(Error::internal)?,
        };
        RawValue::from_string(text).map(Shown).map_err(Error::internal)
    }
}

/// Which events are asked for; `from` and `to` belong to the span.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub actor_id: Option<Id>,
    pub action: Option<String>,
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    pub outcome: Option<Outcome>,
    pub from: Option<Time>,
    pub to: Option<Time>,
    pub request_id: Option<String>,
    pub elevation_id: Option<Id>,
}

impl Filter {
    /// Conditions that all start with `AND`. What is not worth an index is kept from choosing one.
    fn sql(&self, params: &mut Vec<Param<'static>>, by_time: bool) -> String {
        let mut sql = String::new();
        let text = |value: &Option<String>| value.clone().map(Param::Owned);
        let values = [
            ("actor_id", self.actor_id.map(Param::Id)),
            ("action", text(&self.action)),
            ("target_type", text(&self.target_type)),
            ("target_id", text(&self.target_id)),
            ("outcome", self.outcome.map(|outcome| Param::Text(outcome.as_str()))),
            ("request_id", text(&self.request_id)),
            ("elevation_id", self.elevation_id.map(Param::Id)),
        ];
        let pick = [
            ("elevation_id", self.elevation_id.is_some()),
            ("request_id", self.request_id.is_some()),
            ("target_id", self.target_id.is_some()),
        ];
        let pick = pick.iter().find(|(_, asked)| *asked).map(|(column, _)| *column);
        let chooses = |column: &str| !by_time && pick.is_none_or(|pick| pick == column);
        for (column, value) in values.into_iter().filter_map(|(column, value)| Some((column, value?))) {
            params.push(value);
            let column = if chooses(column) { column.to_owned() } else { format!("{column} || ''") };
            let _ = write!(sql, " AND {column} = ?{}", params.len());
        }
        if chooses("outcome") && self.outcome.is_some_and(|outcome| outcome != Outcome::Success) {
            // Said in words that the partial index of the others knows.
            sql.push_str(" AND outcome <> 'success'");
        }
        for (comparison, time) in [("at >=", self.from), ("at <=", self.to)] {
            if let Some(time) = time {
                params.push(time.into());
                let _ = write!(sql, " AND {comparison} ?{}", params.len());
            }
        }
        sql
    }

    /// Whether to look through the span by time instead of picking out single values and sorting them:
    /// when they are many, or there are none.
    fn by_time(&self, reader: &Reader<'_>) -> Result<bool> {
        const FEW: i64 = 10_000;
        if !self.is_span() {
            return Ok(false);
        }
        let mut params = Vec::new();
        let values = Self { from: None, to: None, ..self.clone() }.sql(&mut params, false);
        if values.is_empty() {
            return Ok(true);
        }
        params.push((FEW + 1).into());
        let counted = format!(
            "SELECT count(*) FROM (SELECT 1 FROM audit_events WHERE 1 = 1{values} LIMIT ?{}) AS some",
            params.len()
        );
        Ok(reader.query_one(&counted, &params, |row| row.get::<i64>(0))?.is_some_and(|many| many > FEW))
    }

    /// Events of a span are listed by time, which an index knows, else by number. The two only
    /// differ where the clock was set back.
    fn is_span(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    fn is_empty(&self) -> bool {
        self.sql(&mut Vec::new(), false).is_empty()
    }
}

/// A page of events, newest first.
pub fn page(
    reader: &Reader<'_>,
    filter: &Filter,
    limit: u32,
    cursor: Option<&str>,
    count: bool,
    key: &CursorKey,
    seen_by: Option<&SeenBy>,
) -> Result<Page<Shown>> {
    let question = format!("{filter:?}");
    let question = ["audit", &*question];
    let mut params = Vec::new();
    let matching = filter.sql(&mut params, filter.by_time(reader)?);
    let total = if count { Some(total(reader, filter, &matching, &params)?) } else { None };
    let order = if filter.is_span() { "at DESC, seq DESC" } else { "seq DESC" };
    let mut behind = String::new();
    if let Some(cursor) = cursor {
        let [at, seq] = key.open(&question, cursor)?.as_numbers().unwrap_or_default();
        behind = if filter.is_span() {
            params.push(at.into());
            let at = params.len();
            params.push(seq.into());
            format!(" AND at <= ?{at} AND (at < ?{at} OR seq < ?{})", params.len())
        } else {
            params.push(seq.into());
            format!(" AND seq < ?{}", params.len())
        };
    }
    params.push((limit + 1).into());
    let sql = format!(
        "SELECT {COLUMNS}, at FROM audit_events WHERE 1 = 1{matching}{behind} ORDER BY {order} LIMIT ?{}",
        params.len()
    );
    let mut found = reader.query_all(&sql, &params, |row| Ok((Stored::read(row)?, row.get::<i64>(WIDTH)?)))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|(event, at)| key.seal(&question, &Position::numbers(&[*at, event.seq])));
    let items = found.into_iter().map(|(event, _)| seen(reader, event, seen_by)?.shown()).collect::<Result<_>>()?;
    Ok(Page { items, next_cursor, total })
}

fn total(reader: &Reader<'_>, filter: &Filter, matching: &str, params: &[Param<'_>]) -> Result<i64> {
    let counted = if filter.is_empty() {
        // Numbers have no gaps, so the ends tell; counting every event would take long.
        "SELECT coalesce((SELECT seq FROM audit_events ORDER BY seq DESC LIMIT 1), 0)
              - coalesce((SELECT seq - 1 FROM audit_events ORDER BY seq LIMIT 1), 0)"
            .to_owned()
    } else {
        format!("SELECT count(*) FROM audit_events WHERE 1 = 1{matching}")
    };
    Ok(reader.query_one(&counted, params, |row| row.get(0))?.unwrap_or(0))
}

/// Without anybody named, the whole of it.
fn seen(reader: &Reader<'_>, stored: Stored, seen_by: Option<&SeenBy>) -> Result<Stored> {
    let stored = stored.named(reader)?;
    match seen_by {
        Some(who) => who.apply(reader, stored),
        None => Ok(stored),
    }
}

pub fn find(reader: &Reader<'_>, seq: i64, seen_by: &SeenBy) -> Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_events WHERE seq = ?1");
    let found = reader.query_one(&sql, params![seq], Stored::read)?;
    found.map(|stored| seen(reader, stored, Some(seen_by))).transpose()
}

/// Up to `limit` events behind `after`, oldest first: their numbers and texts, without the names of actors.
pub fn since(reader: &Reader<'_>, after: i64, limit: u32) -> Result<Vec<(i64, String)>> {
    let sql = format!("SELECT {COLUMNS} FROM audit_events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    reader.query_all(&sql, params![after, limit], |row| {
        let stored = Stored::read(row)?;
        Ok((stored.seq, stored.whole()))
    })
}

/// Up to `limit` events behind `after` and not beyond `last`, oldest first.
pub fn portion(
    db: &Db,
    filter: &Filter,
    after: i64,
    last: i64,
    limit: u32,
    seen_by: Option<&SeenBy>,
) -> Result<Vec<Stored>> {
    let mut params = Vec::new();
    let matching = filter.sql(&mut params, false);
    params.extend([after.into(), last.into(), limit.into()]);
    let places = params.len();
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_events WHERE 1 = 1{matching} AND seq > ?{} AND seq <= ?{} ORDER BY seq LIMIT ?{}",
        places - 2,
        places - 1,
        places
    );
    db.read(|r| {
        let found = r.query_all(&sql, &params, Stored::read)?;
        found.into_iter().map(|stored| seen(r, stored, seen_by)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::Actor,
        audit::{Event, Ledger},
        clock::Clock,
        storage::{Options, open},
    };

    /// Pages through everything; the numbers in the order in which they came.
    fn walk(ledger: &Ledger, filter: &Filter, limit: u32) -> Vec<i64> {
        let key = CursorKey::new(&[7; 32]);
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = ledger.db().read(|r| page(r, filter, limit, cursor.as_deref(), false, &key, None)).unwrap();
            seen.extend(page.items.iter().map(|event| {
                serde_json::from_str::<serde_json::Value>(event.0.get()).unwrap()["seq"].as_i64().unwrap()
            }));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn a_span_is_paged_whole_whether_its_events_are_few_or_many() {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        let ledger = Ledger::new(db, writer, Clock::movable());
        let many: Vec<_> = (0..10_050).map(|number| Event::new("thing.made", "thing", number)).collect();
        ledger.change_blocking(&Actor::cli(), move |_| Ok(((), many.clone()))).unwrap();
        let middle = ledger.clock().now();
        ledger.clock().advance(1_000);
        let few: Vec<_> = (0..5).map(|number| Event::new("thing.lost", "thing", number)).collect();
        ledger.change_blocking(&Actor::cli(), move |_| Ok(((), few.clone()))).unwrap();
        let filter = |action: &str| Filter { action: Some(action.into()), to: Some(middle), ..Filter::default() };
        assert_eq!(walk(&ledger, &filter("thing.made"), 200), (1..=10_050).rev().collect::<Vec<_>>());
        assert!(walk(&ledger, &filter("thing.lost"), 2).is_empty());
        let later = Filter { from: Some(middle.plus(std::time::Duration::from_millis(1))), ..Filter::default() };
        assert_eq!(walk(&ledger, &later, 2), [10_055, 10_054, 10_053, 10_052, 10_051]);
        let one = Filter { target_type: Some("thing".into()), target_id: Some("3".into()), ..Filter::default() };
        assert_eq!(walk(&ledger, &one, 1), [10_054, 4]);
    }
}
