//! Rows as they come in, one at a time, none longer than [`LONGEST`].

use super::{Format, Import, cells::Header};
use crate::{
    data::{
        entities::draft::{self, EntityPatch},
        entity_types::EntityType,
    },
    error::{Code, Error, Faults, Result},
    ids::Id,
    web::parse_json,
};
use csv::StringRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
};

/// Bytes of one row, at most.
const LONGEST: usize = 256 * 1024;
const MEMBERS: [&str; 5] = ["id", "name", "confidence", "owner_id", "data"];

/// One row: an entity to make, or to merge into the one with this id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Incoming {
    pub row: u64,
    pub id: Option<Id>,
    pub patch: EntityPatch,
}

/// Hands over row after row, good or wrong, until `each` fails or the input ends.
pub(super) fn read(
    input: &mut dyn Read,
    import: &Import,
    entity_type: &EntityType,
    mut each: impl FnMut(u64, Result<Incoming>) -> Result<()>,
) -> Result<()> {
    let left = Rc::new(Cell::new(LONGEST));
    let input = Bounded { input, left: left.clone() };
    match import.format {
        Format::Csv => csv(input, &left, import.name_column.as_deref(), entity_type, &mut each),
        Format::JsonLines => json_lines(input, &left, &mut each),
    }
}

/// Ends with an error when one row takes more than [`LONGEST`]; whoever has read a row gives it back its room.
struct Bounded<'a> {
    input: &'a mut dyn Read,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "row too long"));
        }
        let read = self.input.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read));
        Ok(read)
    }
}

fn broken(cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::FileTooLarge {
        let message = format!("A row has at most {LONGEST} bytes. Is a quote left open?");
        return Error::invalid_at("/row", "too_long", message);
    }
    Error::new(Code::MalformedJson, "The input broke off before its end; nothing more was read.").caused_by(cause)
}

type Each<'a> = dyn FnMut(u64, Result<Incoming>) -> Result<()> + 'a;

fn csv(
    input: Bounded<'_>,
    left: &Cell<usize>,
    name_column: Option<&str>,
    entity_type: &EntityType,
    each: &mut Each<'_>,
) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().from_reader(input);
    let names = reader.headers().map_err(|cause| match cause.into_kind() {
        csv::ErrorKind::Io(cause) => broken(cause),
        _ => Error::invalid_at("/header", "invalid_header", "The first line is not UTF-8."),
    })?;
    if names.is_empty() {
        return Err(Error::invalid_at("/header", "invalid_header", "The first line names the columns; there is none."));
    }
    let header = Header::read(&names.clone(), entity_type, name_column)?;
    let (mut record, mut row) = (StringRecord::new(), 0);
    loop {
        left.set(LONGEST);
        row += 1;
        let incoming = match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => header.row(row, &record),
            Err(cause) => match cause.into_kind() {
                csv::ErrorKind::Io(cause) => return Err(broken(cause)),
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    let message = format!("The row has {len} cells, the first line {expected_len}.");
                    Err(Error::invalid_at("", "wrong_length", message))
                }
                _ => Err(Error::invalid_at("", "not_utf8", "The row is not UTF-8.")),
            },
        };
        each(row, incoming)?;
    }
}

fn json_lines(input: Bounded<'_>, left: &Cell<usize>, each: &mut Each<'_>) -> Result<()> {
    let mut reader = BufReader::new(input);
    let (mut line, mut row) = (Vec::new(), 0);
    loop {
        left.set(LONGEST);
        row += 1;
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            each(row, parse_json(text).and_then(|value| incoming(row, value)))?;
        }
    }
}

fn incoming(row: u64, value: Value) -> Result<Incoming> {
    let Value::Object(mut members) = value else {
        return Err(Error::invalid_at("", "wrong_type", "The line is not a JSON object."));
    };
    let mut faults = Faults::default();
    for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let at = format!("/{}", crate::data::pointer::escape(name));
        let known = MEMBERS.join(", ");
        faults.push(at, "unknown_field", format!("There is no field `{name}` here; there are {known}."));
    }
    faults.into_result()?;
    let id = match members.shift_remove("id") {
        None | Some(Value::Null) => None,
        Some(id) => {
            Some(serde_json::from_value(id).map_err(|_| Error::invalid_at("/id", "invalid", "The id is not a UUID."))?)
        }
    };
    let patch: EntityPatch = serde_path_to_error::deserialize(Value::Object(members)).map_err(|cause| {
        let at = format!("/{}", cause.path().to_string().replace('.', "/"));
        Error::invalid_at(at, "wrong_type", format!("{}.", cause.inner()))
    })?;
    Ok(Incoming { row, id, patch })
}

/// What holds for every row before its entity is known.
pub(super) fn check(incoming: &Incoming) -> Result<()> {
    let mut faults = Faults::default();
    let name = incoming.patch.name.as_ref().and_then(|name| name.as_deref());
    draft::check_members(name, incoming.patch.confidence.flatten(), &mut faults);
    faults.into_result()
}
