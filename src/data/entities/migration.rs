//! The job that migrates the entities of a type in chunks: each is a new version of itself, with its event.

use super::{
    model::{Entity, columns},
    store,
    write::Entities,
};
use crate::{
    actor::Actor,
    audit::{Event, Rewritten},
    data::{
        entity_types::{
            EntityType, Marking,
            migration::{self, MIGRATE},
        },
        sealed::{self, Erased, Subject},
    },
    error::{Error, Result},
    jobs::{self, Context, Engine},
    params,
    storage::Tx,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Looks for one that was left behind.
const EVERY: Duration = Duration::from_secs(600);
/// Entities in one transaction: what others wait for, at most.
const CHUNK: usize = 500;
/// The job makes way for others after this long, and is taken up again.
const TURN: Duration = Duration::from_secs(20);

impl Entities {
    /// Registers the job that migrates with `engine`.
    pub fn keep_migrated(&self, engine: &mut Engine) {
        let entities = self.clone();
        engine.register_blocking(MIGRATE, move |_: Value, context| entities.migrate(&context));
        engine.schedule(MIGRATE, EVERY);
        // A job that crashes met too often is given up; what it left goes on with the next start all the same.
        let (Ok(runtime), ledger) = (tokio::runtime::Handle::try_current(), self.ledger.clone()) else { return };
        runtime.spawn(async move {
            let now = ledger.clock().now();
            let take_up = move |tx: &Tx<'_>| {
                if migration::all(tx)?.is_empty() { Ok(()) } else { jobs::enqueue(tx, MIGRATE, &(), now).map(drop) }
            };
            if let Err(error) = ledger.unrecorded("the rest of a migration", take_up).await {
                tracing::warn!(?error, "a migration could not be taken up");
            }
        });
    }

    fn migrate(&self, context: &Context) -> Result<()> {
        let began = Instant::now();
        for migration in self.ledger.db().read(migration::all)? {
            let name = &*migration.entity_type;
            while !self.migrate_chunk(name.to_owned())? {
                if let Some(so_far) = self.ledger.db().read(|reader| migration::progress(reader, name))? {
                    context.report(so_far.done as u64, so_far.total as u64, &format!("Migrating {name}"));
                }
                if context.is_cancelled() || began.elapsed() > TURN {
                    let (now, reason) = (self.ledger.clock().now(), "the rest of a migration");
                    return self
                        .ledger
                        .unrecorded_blocking(reason, move |tx| jobs::enqueue(tx, MIGRATE, &(), now).map(drop));
                }
            }
        }
        Ok(())
    }

    /// Whether all of the type's entities are done now.
    fn migrate_chunk(&self, name: String) -> Result<bool> {
        let entities = self.clone();
        let chunk = move |tx: &Tx<'_>, tell: &dyn Fn(Event) -> Result<()>| {
            let Some(migration) = migration::of(tx, &name)? else { return Ok(true) };
            let columns = columns(None);
            let sql = format!("SELECT {columns} FROM entities WHERE type = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
            let found = tx.query_all(&sql, params![&name, &migration.after_id, CHUNK as i64], Entity::read)?;
            let mut rewritten = Rewritten::new();
            if let Some(meanwhile) = entities.types.get(&name) {
                let will = migration.asked_for(meanwhile.definition(), entities.ledger.clock().now())?;
                for old in &found {
                    entities.migrate_one(tx, (&migration, &will), old, &mut rewritten)?.map_or(Ok(()), tell)?;
                }
            }
            entities.cache.outdate(tx, found.iter().map(|old| old.id).collect());
            if !rewritten.is_empty() {
                tell(Event::new("entity_type.events_sealed", "entity_type", &name).rewriting(rewritten))?;
            }
            let Some(last) = found.last().filter(|_| found.len() == CHUNK) else {
                migration::end(tx, &entities.types, &migration, entities.ledger.clock().now())?.map_or(Ok(()), tell)?;
                return Ok(true);
            };
            migration::advance(tx, &name, last.id, found.len())?;
            Ok(false)
        };
        self.ledger.change_rows_blocking(&Actor::system("migration"), chunk)
    }

    /// Seals what is personal from now on, and does the steps. An entity that cannot be migrated was found so when it
    /// all began and is left as it is.
    fn migrate_one(
        &self,
        tx: &Tx<'_>,
        (migration, will): (&migration::Migration, &EntityType),
        old: &Entity,
        rewritten: &mut Rewritten,
    ) -> Result<Option<Event>> {
        let (keys, was) = (self.types.keys(), migration.was_personal(will));
        let mut old = old.clone();
        if was.len() != will.personal().len() {
            let marking = Marking { keys, entity_type: &will.name, was: &was, will: will.personal() };
            (old.data, old.key) = marking.seal(tx, old.id, &old.data, old.key.clone(), rewritten)?;
        }
        let (id, stored) = (old.id.to_string(), serde_json::from_str::<Value>(&old.data).map_err(Error::internal)?);
        let (subject, mut plain) =
            (Subject { entity_type: &will.name, id: &id, fields: will.personal() }, stored.clone());
        sealed::open(keys, subject, old.key.as_ref(), &mut plain, Erased::Gone, |_| false)?;
        let mut data = plain.clone();
        if migration.steps.apply(&mut data).is_err() || data == plain {
            return Ok(None);
        }
        let before = sealed::Before { stored: &stored, plain: &plain, key: old.key.as_ref() };
        let key = sealed::seal(keys, subject, old.id, &mut data, Some(&before))?;
        let now = self.ledger.clock().now();
        let new = Entity {
            data: data.to_string(),
            key,
            version: old.version + 1,
            updated_at: now,
            updated_by: None,
            ..old.clone()
        };
        store::update(tx, keys, &old, &new, "migrated")?;
        let event = Event::new("entity.migrated", "entity", old.id);
        Ok(Some(event.changed(&old.state(will)?, &new.state(will)?)))
    }
}
