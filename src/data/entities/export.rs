//! Export: all entities of a type that the caller may take out, as CSV or JSON Lines, written as they are read.
//! Cells hold what is stored, unchanged, also where a spreadsheet would take it for a formula.

use super::{
    import::{Format, cell_text},
    model::MEMBERS,
    scope::Scope,
    show::Stored,
    store,
    write::Entities,
};
use crate::{
    audit::Event,
    data::entity_types::EntityType,
    error::{Code, Error, Result},
    permit::{Action, Allowed, Permit, Route, rights::ExportEntity},
    personal::SubjectKey,
    storage::{LongRead, Param, Reader, Row},
    validate::FileName,
    web::{At, Deleted, Params},
};
use actix_web::{HttpResponse, http::header, web::Data};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use tokio::sync::mpsc;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/entities/{type}/export", "Export entities as CSV or JSON Lines", export).streams()]
}

/// What to export.
#[derive(Clone, Debug)]
pub struct Export {
    pub format: Format,
    pub filter: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct ExportQuery {
    format: Option<String>,
    filter: Option<String>,
}

/// The members of a row besides `data`: those that an import takes again.
const FIELDS: [&str; 4] = ["id", "name", "confidence", "owner_id"];
/// Columns that are looked for in data beyond the schema, at most.
const COLUMNS: usize = 1000;
const CHUNK: usize = 64 * 1024;

async fn export(
    permit: Allowed<ExportEntity>,
    entity_type: At<String>,
    query: Params<ExportQuery>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (format, media, ending) = match query.0.format.as_deref() {
        None | Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "csv"),
        Some("jsonl") => (Format::JsonLines, "application/x-ndjson", "jsonl"),
        Some(_) => return Err(Error::invalid_at("/format", "invalid", "`format` is `csv` or `jsonl`.")),
    };
    let name = entity_type.0;
    let plan = entities.plan(&permit, &name, &Export { format, filter: query.0.filter })?;
    let event = Event::new("entities.exported", "entity_type", &name).after(&json!({"format": ending}));
    entities.ledger.change(&permit.actor(), move |_| Ok(((), event.clone()))).await?;
    let (sender, chunks) = mpsc::channel::<Result<Bytes, io::Error>>(4);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, buffer: Vec::with_capacity(CHUNK) };
        let outcome = plan.write(&mut out).and_then(|()| out.flush().map_err(Error::internal));
        if let Err(error) = outcome {
            tracing::warn!(?error, "an export ended early");
            let _ = out.sender.blocking_send(Err(io::Error::other("ended early")));
        }
    });
    // A type may be named as a device of Windows is.
    let named = |name: String| format!("{name}.{ending}").parse::<FileName>();
    let file = named(name.clone()).or_else(|_| named(format!("entities_{name}"))).map_err(Error::internal)?;
    let body = stream::unfold(chunks, |mut chunks| async { chunks.recv().await.map(|chunk| (chunk, chunks)) });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media))
        .insert_header((header::CONTENT_DISPOSITION, file.disposition()))
        .body(actix_web::body::BodyStream::new(body)))
}

/// Sends what is written in chunks, waiting for the reader.
struct Chunks {
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
    buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(full.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// An export that was understood.
struct Plan {
    source: LongRead,
    scope: Scope,
    format: Format,
    condition: String,
    params: Vec<Param<'static>>,
}

impl Entities {
    /// Writes an export to `out`. For threads where blocking is fine.
    pub fn export(&self, permit: &Permit, entity_type: &str, export: &Export, out: &mut dyn Write) -> Result<()> {
        self.plan(permit, entity_type, export)?.write(out)
    }

    fn plan(&self, permit: &Permit, entity_type: &str, export: &Export) -> Result<Plan> {
        let scope = self.scope(permit, entity_type)?;
        let mut params = Vec::new();
        let mut condition = store::of_type(&scope.entity_type.name, Deleted::Without);
        for action in [Action::Read, Action::Export] {
            condition = format!("{condition} AND {}", scope.condition(action, &mut params));
        }
        if let Some(text) = &export.filter {
            condition = format!("{condition} AND {}", scope.filter(text, &mut params)?);
            scope.saw_named()?;
        }
        Ok(Plan { source: self.ledger.db().long()?, scope, format: export.format, condition, params })
    }
}

fn gone(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::RequestTimeout, "Whoever takes the export went away.").caused_by(cause)
}

impl Plan {
    fn write(&self, out: &mut dyn Write) -> Result<()> {
        self.source.run(|reader| match self.format {
            Format::Csv => self.csv(reader, out),
            Format::JsonLines => self.json_lines(reader, out),
        })
    }

    fn each(
        &self,
        reader: &Reader<'_>,
        mut each: impl FnMut(&Row<'_>, Map<String, Value>) -> Result<()>,
    ) -> Result<()> {
        let key = if self.scope.entity_type.personal().is_empty() { "NULL" } else { SubjectKey::COLUMN };
        let sql = format!(
            "SELECT id, name, confidence, owner_id, data, {key} FROM entities WHERE {} ORDER BY created_at, id",
            self.condition
        );
        reader.query_each(&sql, &self.params, |row| {
            let key = SubjectKey::read(row, 5)?;
            let stored = Stored { id: row.text(0)?, key: key.as_ref(), data: row.text(4)? };
            match stored.data(&self.scope)? {
                Value::Object(data) => each(row, data),
                _ => Err(Error::internal("data is not an object")),
            }
        })
    }

    /// Records the sensitive fields of a row that is about to go out.
    fn saw(&self, row: &Row<'_>) -> Result<()> {
        let id = || row.text(0).ok().and_then(|id| id.parse().ok());
        self.scope.saw(row.text(4)?.as_bytes(), id)
    }

    fn json_lines(&self, reader: &Reader<'_>, out: &mut dyn Write) -> Result<()> {
        self.each(reader, |row, data| {
            self.saw(row)?;
            let line = json!({
                "id": row.text(0)?,
                "name": row.get::<Option<String>>(1)?,
                "confidence": row.get::<Option<f64>>(2)?,
                "owner_id": row.get::<Option<String>>(3)?,
                "data": data,
            });
            serde_json::to_writer(&mut *out, &line).map_err(gone)?;
            out.write_all(b"\n").map_err(gone)
        })
    }

    /// The columns of the schema first, then those that only stand in the data.
    fn columns(&self, reader: &Reader<'_>) -> Result<Vec<String>> {
        let entity_type: &EntityType = &self.scope.entity_type;
        let properties = entity_type.schema.get("properties").and_then(Value::as_object);
        let visible = |name: &&String| !self.scope.mask().hides(std::slice::from_ref(*name));
        let mut columns: Vec<String> = properties.into_iter().flat_map(Map::keys).filter(visible).cloned().collect();
        if entity_type.schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.each(reader, |_, data| {
                for name in data.keys() {
                    if columns.len() < COLUMNS && !columns.contains(name) {
                        columns.push(name.clone());
                    }
                }
                Ok(())
            })?;
        }
        Ok(columns)
    }

    fn csv(&self, reader: &Reader<'_>, out: &mut dyn Write) -> Result<()> {
        let columns = self.columns(reader)?;
        let mut table = csv::Writer::from_writer(out);
        // A member that is called like a field keeps its prefix, so that an import tells them apart.
        let title = |name: &String| {
            if FIELDS.contains(&name.as_str()) || MEMBERS.contains(&name.as_str()) || name.starts_with("data.") {
                format!("data.{name}")
            } else {
                name.clone()
            }
        };
        let titles = columns.iter().map(title);
        table.write_record(FIELDS.iter().map(|&name| name.to_owned()).chain(titles)).map_err(gone)?;
        self.each(reader, |row, data| {
            self.saw(row)?;
            let text = |index| Ok::<_, Error>(row.get::<Option<String>>(index)?.unwrap_or_default());
            let confidence = row.get::<Option<f64>>(2)?.map(|number| number.to_string()).unwrap_or_default();
            let mut cells = vec![text(0)?, text(1)?, confidence, text(3)?];
            cells.extend(columns.iter().map(|name| data.get(name).map(cell_text).unwrap_or_default()));
            table.write_record(&cells).map_err(gone)
        })?;
        table.flush().map_err(gone)
    }
}
