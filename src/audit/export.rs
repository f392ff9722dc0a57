//! Events taken out: as JSON Lines with the very bytes that were hashed, so that anyone can verify them,
//! or as CSV for people. Written in portions, so that neither a large log nor a slow reader holds memory.

use super::{
    masking::SeenBy,
    store::{self, Filter, Stored},
    verify::head,
};
use crate::{
    error::{Error, Result},
    storage::Db,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::str::FromStr;

/// Events read at a time.
const PORTION: u32 = 200;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Jsonl,
    Csv,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            _ => Err(format!("`{text}` is neither jsonl nor csv")),
        }
    }
}

/// An export under way: the events there are when it begins, oldest first.
pub struct Export {
    db: Db,
    filter: Filter,
    format: Format,
    after: i64,
    last: i64,
    begun: bool,
    seen_by: Option<SeenBy>,
}

impl Export {
    pub fn begin(db: &Db, filter: Filter, format: Format) -> Result<Self> {
        let (last, _) = head(db)?;
        Ok(Self { db: db.clone(), filter, format, after: i64::MIN, last, begun: false, seen_by: None })
    }

    /// Leaves out what somebody may not see; such events no longer fit their hashes.
    pub fn seen_by(mut self, who: SeenBy) -> Self {
        self.seen_by = Some(who);
        self
    }

    /// The next portion; nothing at the end. It reads from disk, so not on an event loop.
    pub fn portion(&mut self) -> Result<Option<Vec<u8>>> {
        let events = store::portion(&self.db, &self.filter, self.after, self.last, PORTION, self.seen_by.as_ref())?;
        let mut bytes = Vec::with_capacity(events.len() * 512);
        if !self.begun && self.format == Format::Csv {
            bytes.extend_from_slice(HEADING.join(",").as_bytes());
            bytes.push(b'\n');
        }
        self.begun = true;
        let Some(last) = events.last() else { return Ok(Some(bytes).filter(|bytes| !bytes.is_empty())) };
        self.after = last.seq;
        match self.format {
            Format::Jsonl => events.iter().try_for_each(|event| write_line(event, &mut bytes))?,
            Format::Csv => {
                let mut rows = csv::Writer::from_writer(&mut bytes);
                events.iter().try_for_each(|event| rows.write_record(cells(event))).map_err(Error::internal)?;
                rows.flush().map_err(Error::internal)?;
            }
        }
        Ok(Some(bytes))
    }
}

fn write_line(event: &Stored, bytes: &mut Vec<u8>) -> Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        seq: i64,
        prev_hash: &'a str,
        hash: &'a str,
        event: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        changes: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        changes_salt: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label_salt: Option<&'a str>,
    }
    let Stored { seq, event, prev_hash, hash, beside } = event;
    let text = |kept: Option<&'_ (String, String)>| kept.map(|(text, salt)| (text.clone(), salt.clone())).unzip();
    let (changes, changes_salt) = text(beside.as_ref().and_then(|beside| beside.changes.as_ref()));
    let (label, label_salt) = text(beside.as_ref().and_then(|beside| beside.label.as_ref()));
    let line = Line {
        seq: *seq,
        prev_hash,
        hash,
        event,
        changes: changes.as_deref(),
        changes_salt: changes_salt.as_deref(),
        label: label.as_deref(),
        label_salt: label_salt.as_deref(),
    };
    serde_json::to_writer(&mut *bytes, &line).map_err(Error::internal)?;
    bytes.push(b'\n');
    Ok(())
}

const HEADING: [&str; 16] = [
    "seq",
    "at",
    "actor_type",
    "actor_id",
    "actor_label",
    "action",
    "target_type",
    "target_id",
    "outcome",
    "ip",
    "request_id",
    "elevation_id",
    "before",
    "after",
    "prev_hash",
    "hash",
];

fn cells(event: &Stored) -> Vec<String> {
    #[derive(Deserialize)]
    struct Changes<'a> {
        #[serde(borrow)]
        changes: Sides<'a>,
    }
    #[derive(Deserialize)]
    struct Sides<'a> {
        #[serde(borrow)]
        before: Option<&'a RawValue>,
        #[serde(borrow)]
        after: Option<&'a RawValue>,
    }
    let whole = event.whole();
    let said: Value = serde_json::from_str(&whole).unwrap_or_default();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).map(harmless).unwrap_or_default();
    let changes = serde_json::from_str::<Changes<'_>>(&whole).ok();
    let side =
        |side: fn(&Sides<'_>) -> Option<String>| changes.as_ref().and_then(|c| side(&c.changes)).unwrap_or_default();
    let mut cells = vec![event.seq.to_string()];
    cells.extend(
        [
            "/at",
            "/actor/type",
            "/actor/id",
            "/actor/label",
            "/action",
            "/target/type",
            "/target/id",
            "/outcome",
            "/ip",
            "/request_id",
            "/elevation_id",
        ]
        .map(text),
    );
    cells.push(side(|sides| sides.before.map(|json| harmless(json.get()))));
    cells.push(side(|sides| sides.after.map(|json| harmless(json.get()))));
    cells.extend([event.prev_hash.clone(), event.hash.clone()]);
    cells
}

/// A spreadsheet would run a cell that starts like a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::{Actor, ActorKind},
        audit::{Event, GENESIS, Ledger, link},
        clock::Clock,
        storage::{Options, open},
    };

    fn exported(format: Format) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        let ledger = Ledger::new(db.clone(), writer, Clock::system());
        let actor = Actor::new(ActorKind::User, None, "=cmd|'/c calc'!A1");
        for number in 0..450 {
            let event = Event::new("thing.made", "thing", number).after(&serde_json::json!({"text": "a,\"b\"\nc"}));
            ledger.change_blocking(&actor, move |_| Ok(((), event.clone()))).unwrap();
        }
        let mut export = Export::begin(&db, Filter::default(), format).unwrap();
        let mut all = Vec::new();
        while let Some(bytes) = export.portion().unwrap() {
            all.extend(bytes);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn anyone_can_verify_exported_lines() {
        let mut prev = GENESIS.to_owned();
        let mut seq = 0;
        for line in exported(Format::Jsonl).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            seq += 1;
            assert_eq!((&line["seq"], &line["prev_hash"]), (&Value::from(seq), &Value::from(prev.clone())));
            prev = link(&prev, line["event"].as_str().unwrap());
            assert_eq!(line["hash"], prev);
        }
        assert_eq!(seq, 450);
    }

    #[test]
    fn csv_has_a_row_for_each_event_and_no_formulas() {
        let text = exported(Format::Csv);
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(rows.headers().unwrap(), &csv::StringRecord::from(HEADING.to_vec()));
        let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 450);
        assert_eq!((&rows[7][0], &rows[7][4], &rows[7][13]), ("8", "'=cmd|'/c calc'!A1", r#"{"text":"a,\"b\"\nc"}"#));
    }
}
