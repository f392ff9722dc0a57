//! The job that migrates the entities of a type in chunks: each is a new version of itself, with its event.

use super::{
    model::{Entity, columns},
    store,
    write::Entities,
};
use crate::{
    actor::Actor,
    audit::Event,
    data::entity_types::migration::{self, MIGRATE},
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
            while !self.migrate_chunk(migration.entity_type.to_string())? {
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
            let mut changed = Vec::with_capacity(found.len());
            for old in &found {
                if let Some(event) = entities.migrate_one(tx, &migration, old)? {
                    tell(event)?;
                    changed.push(old.id);
                }
            }
            entities.cache.outdate(tx, changed);
            let Some(last) = found.last().filter(|_| found.len() == CHUNK) else {
                migration::end(tx, &entities.types, &migration, entities.ledger.clock().now())?.map_or(Ok(()), tell)?;
                return Ok(true);
            };
            migration::advance(tx, &name, last.id, found.len())?;
            Ok(false)
        };
        self.ledger.change_rows_blocking(&Actor::system("migration"), chunk)
    }

    /// An entity that cannot be migrated was found so when it all began and is left as it is.
    fn migrate_one(&self, tx: &Tx<'_>, migration: &migration::Migration, old: &Entity) -> Result<Option<Event>> {
        let entity_type = self.types.require(&migration.entity_type)?;
        let mut data: Value = serde_json::from_str(&old.data).map_err(Error::internal)?;
        let was = data.clone();
        if migration.steps.apply(&mut data).is_err() || data == was {
            return Ok(None);
        }
        let now = self.ledger.clock().now();
        let new = Entity {
            data: data.to_string(),
            version: old.version + 1,
            updated_at: now,
            updated_by: None,
            ..old.clone()
        };
        store::update(tx, self.types.keys(), old, &new, "migrated")?;
        let event = Event::new("entity.migrated", "entity", old.id);
        Ok(Some(event.changed(&old.state(&entity_type)?, &new.state(&entity_type)?)))
    }
}
