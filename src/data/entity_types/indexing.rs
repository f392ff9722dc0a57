//! The indexes that types declare, and their search: made with the change where there is little to take in, else by a
//! job that says how far it is. Until one is whole, whoever asks is answered without it.

use super::{model::Definition, registry::EntityTypes, store};
use crate::{
    audit::Ledger,
    data::pointer,
    error::Result,
    jobs::{self, Context, Engine},
    params,
    storage::{Reader, Tx, indexes, search},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const KIND: &str = "entity_types.index";
/// Looks for what is missing, such as after an upgrade that indexes in another way.
const EVERY: Duration = Duration::from_secs(3600);
/// Entities that are taken in with the change that asks for it.
const AT_ONCE: i64 = 1000;
/// Entities that are taken in by one change of the job: what others wait for, at most.
const CHUNK: usize = 500;
/// The job makes way for others after this long, and is taken up again.
const TURN: Duration = Duration::from_secs(20);
const REASON: &str = "indexes hold what entities hold already";

fn prefix(entity_type: &str) -> String {
    format!("entities_{entity_type}_")
}

/// Those of the type, and not of one whose name goes on.
fn present(reader: &Reader<'_>, entity_type: &str) -> Result<BTreeSet<String>> {
    let prefix = prefix(entity_type);
    let digest = |name: &String| name[prefix.len()..].len() == 12 && !name[prefix.len()..].contains('_');
    Ok(indexes::named(reader, &prefix)?.into_iter().filter(digest).collect())
}

fn make(tx: &Tx<'_>, entity_type: &str, name: &str, sql: &str) -> Result<()> {
    let of_type = format!("type = '{entity_type}' AND deleted_at IS NULL");
    indexes::make(tx, name, &format!("entities (type, {sql}, created_at, id)"), &of_type)
}

fn paths(definition: &Definition) -> Option<Vec<Vec<String>>> {
    let pointers = definition.search.as_ref()?;
    Some(pointers.iter().filter_map(|pointer| pointer::segments(pointer)).collect())
}

/// Drops what the type does not ask for any more, and sees to what it asks for anew.
pub(super) fn follow(tx: &Tx<'_>, definition: &Definition) -> Result<()> {
    let name = &*definition.name;
    let (wanted, present) = (definition.index_expressions(), present(tx, name)?);
    for index in present.iter().filter(|index| !wanted.contains_key(*index)) {
        indexes::remove(tx, index)?;
    }
    match paths(definition) {
        Some(paths) => search::make_index(tx, name, &paths)?,
        None if search::SearchIndex::of(tx, name)?.is_some() => search::drop_index(tx, name)?,
        None => {}
    }
    if Missing::of(tx, definition)?.is_empty() {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM (SELECT 1 FROM entities WHERE type = ?1 LIMIT ?2)";
    let some: i64 = tx.query_one(sql, params![name, AT_ONCE + 1], |row| row.get(0))?.unwrap_or(0);
    if some > AT_ONCE {
        return jobs::enqueue(tx, KIND, &(), definition.updated_at).map(drop);
    }
    for (index, sql) in wanted.iter().filter(|(index, _)| !present.contains(*index)) {
        make(tx, name, index, sql)?;
    }
    while definition.search.is_some() && !search::finish(tx, name, CHUNK)? {}
    Ok(())
}

/// Drops everything that belongs to a type that goes.
pub(super) fn forget(tx: &Tx<'_>, definition: &Definition) -> Result<()> {
    for index in present(tx, &definition.name)? {
        indexes::remove(tx, &index)?;
    }
    search::drop_index(tx, &definition.name)
}

/// What a type asks for and does not have yet.
struct Missing {
    indexes: BTreeMap<String, String>,
    search: Option<search::SearchIndex>,
    /// How much there is in all, in hundredths of what is asked for.
    percent: u8,
}

impl Missing {
    fn of(reader: &Reader<'_>, definition: &Definition) -> Result<Self> {
        let (mut indexes, mut parts, mut done) = (definition.index_expressions(), 0, 0.0);
        if !indexes.is_empty() {
            parts += indexes.len();
            let present = present(reader, &definition.name)?;
            indexes.retain(|name, _| !present.contains(name));
            done += (parts - indexes.len()) as f64;
        }
        let mut search = None;
        if definition.search.is_some() {
            parts += 1;
            search = search::SearchIndex::of(reader, &definition.name)?.filter(|index| !index.ready);
            let share = |index: &search::SearchIndex| index.done as f64 / index.total.max(1) as f64;
            done += search.as_ref().map_or(1.0, share).min(1.0);
        }
        Ok(Self { indexes, search, percent: (done * 100.0 / parts.max(1) as f64) as u8 })
    }

    fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.search.is_none()
    }
}

/// How far the type's indexes are, in percent; `None` when they are whole.
pub(super) fn progress(reader: &Reader<'_>, definition: &Definition) -> Result<Option<u8>> {
    if definition.search.is_none() && definition.indexed().next().is_none() {
        return Ok(None);
    }
    let missing = Missing::of(reader, definition)?;
    Ok((!missing.is_empty()).then_some(missing.percent.min(99)))
}

/// Registers the job that makes indexes with `engine`.
pub fn keep_indexed(ledger: &Ledger, types: &EntityTypes, engine: &mut Engine) {
    let (of_job, of_job_types) = (ledger.clone(), types.clone());
    engine.register_blocking(KIND, move |_: serde_json::Value, context| build(&of_job, &of_job_types, &context));
    engine.schedule(KIND, EVERY);
    // A job that crashes met too often is given up; what it left goes on with the next start all the same.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let (ledger, types) = (ledger.clone(), types.clone());
    runtime.spawn(async move {
        let now = ledger.clock().now();
        let take_up = move |tx: &Tx<'_>| {
            for entity_type in types.all() {
                if !Missing::of(tx, &entity_type)?.is_empty() {
                    return jobs::enqueue(tx, KIND, &(), now).map(drop);
                }
            }
            Ok(())
        };
        if let Err(error) = ledger.unrecorded("indexes that are not whole", take_up).await {
            tracing::warn!(?error, "indexes that are not whole could not be taken up");
        }
    });
}

fn build(ledger: &Ledger, types: &EntityTypes, context: &Context) -> Result<()> {
    let began = Instant::now();
    for entity_type in types.all() {
        let missing = ledger.db().read(|reader| Missing::of(reader, &entity_type))?;
        for index in missing.indexes.into_keys() {
            let name = entity_type.name.clone();
            ledger.unrecorded_blocking(REASON, move |tx| {
                // As the type asks for it now.
                let expressions = store::find(tx, &name)?.map(|now| now.index_expressions()).unwrap_or_default();
                expressions.get(&index).map_or(Ok(()), |sql| make(tx, &name, &index, sql))
            })?;
        }
        let (name, anew) = (entity_type.name.clone(), missing.search.is_some());
        let mut in_time = true;
        if anew {
            let name = name.clone();
            in_time = repeated(ledger, context, began, move |tx| search::take_in(tx, &name, CHUNK))?;
        }
        if in_time && ledger.db().read(|reader| search::is_scattered(reader, &name))? {
            let (first, others) = (name.clone(), name.clone());
            ledger.unrecorded_blocking(REASON, move |tx| search::merge(tx, &first, true))?;
            in_time = repeated(ledger, context, began, move |tx| search::merge(tx, &others, false))?;
        }
        if in_time && anew {
            in_time = repeated(ledger, context, began, move |tx| search::finish(tx, &name, CHUNK))?;
        }
        if !in_time {
            let now = ledger.clock().now();
            return ledger.unrecorded_blocking(REASON, move |tx| jobs::enqueue(tx, KIND, &(), now).map(drop));
        }
    }
    Ok(())
}

/// One change after the other, so that others get in between, until one says that it was the last; `false` when the
/// job has to make way before.
fn repeated(
    ledger: &Ledger,
    context: &Context,
    began: Instant,
    step: impl Fn(&Tx<'_>) -> Result<bool> + Clone + Send + 'static,
) -> Result<bool> {
    while !context.is_cancelled() && began.elapsed() < TURN {
        if ledger.unrecorded_blocking(REASON, step.clone())? {
            return Ok(true);
        }
    }
    Ok(false)
}
