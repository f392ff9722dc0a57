//! Deleted entities are removed for good once their type's time is over, with all their versions.

use super::{store, write::Entities};
use crate::{
    actor::Actor,
    audit::Event,
    error::Result,
    jobs::{Context, Engine},
};
use std::time::Duration;

const KIND: &str = "entities.retention";
const EVERY: Duration = Duration::from_secs(24 * 3600);
const DAY: u64 = 24 * 3600;
/// Entities in one transaction, so that others do not wait.
const CHUNK: u32 = 500;

impl Entities {
    /// Registers the daily clean-up with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        let entities = self.clone();
        engine.register_blocking(KIND, move |_: serde_json::Value, _: Context| entities.purge().map(drop));
        engine.schedule(KIND, EVERY);
    }

    /// Removes what was deleted longer ago than its type says; how many that were. For threads where blocking is
    /// fine.
    pub fn purge(&self) -> Result<usize> {
        let mut all = 0;
        for entity_type in self.types.all() {
            let Some(days) = entity_type.retention_days else { continue };
            let before = self.ledger.clock().now().minus(Duration::from_secs(u64::from(days) * DAY));
            loop {
                let (cache, name) = (self.cache.clone(), entity_type.name.clone());
                let actor = Actor::system("retention");
                let purged = self.ledger.change_blocking(&actor, move |tx| {
                    let ids = store::purge(tx, &name, before, CHUNK)?;
                    let events = ids.iter().map(|id| Event::new("entity.purged", "entity", id)).collect::<Vec<_>>();
                    let count = ids.len();
                    cache.outdate(tx, ids);
                    Ok((count, events))
                })?;
                all += purged;
                if purged < CHUNK as usize {
                    break;
                }
            }
        }
        Ok(all)
    }
}
