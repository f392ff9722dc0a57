//! Whether the entities there are still fit a schema that is about to change.

use super::{model::EntityType, personal, steps::Steps};
use crate::{
    clock::Time,
    error::{Error, Fault, Result},
    params,
    personal::{DataKeys, SubjectKey},
    storage::Reader,
};

/// Entities that a refusal names.
const EXAMPLES: usize = 5;

#[derive(Default)]
pub(super) struct Broken {
    count: u64,
    examples: Vec<Fault>,
}

impl Broken {
    /// The refusal, when anything would break.
    pub fn into_result(self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let noun = if self.count == 1 { "entity does" } else { "entities do" };
        let mut faults = vec![Fault {
            pointer: "/schema".to_owned(),
            code: "breaks_entities".into(),
            message: format!("{} {noun} not fit the new schema. Change them first.", self.count),
        }];
        faults.extend(self.examples);
        Err(Error::invalid(faults).with("count", self.count))
    }
}

/// Looks at the entities of the type that were changed since `since`. Deleted ones are looked at when they come back.
pub(super) fn check(
    reader: &Reader<'_>,
    keys: &DataKeys,
    stored_as: &EntityType,
    entity_type: &EntityType,
    steps: Option<&Steps>,
    since: Option<Time>,
) -> Result<Broken> {
    let mut broken = Broken::default();
    let sql = format!(
        "SELECT id, data, {} FROM entities WHERE type = ?1 AND deleted_at IS NULL AND updated_at >= ?2",
        SubjectKey::COLUMN
    );
    reader.query_each(&sql, params![&*entity_type.name, since.map_or(i64::MIN, Time::millis)], |row| {
        let key = SubjectKey::read(row, 2)?;
        let mut data = personal::opened(keys, stored_as, row.text(0)?, key.as_ref(), row.text(1)?)?;
        let outcome = steps.map_or(Ok(()), |steps| steps.apply(&mut data));
        if outcome.is_ok() && entity_type.accepts(&data) {
            return Ok(());
        }
        broken.count += 1;
        if broken.examples.len() < EXAMPLES {
            let message = match outcome {
                Ok(()) => format!("The entity {} does not fit the new schema.", row.text(0)?),
                Err(why) => format!("The entity {} cannot be migrated: {why}.", row.text(0)?),
            };
            broken.examples.push(Fault { pointer: "/schema".to_owned(), code: "broken_entity".into(), message });
        }
        Ok(())
    })?;
    Ok(broken)
}
