//! The job that clears up: deleted files whose time is over, addresses that nobody used, contents that are nobody's.

use super::{Files, store};
use crate::{
    actor::Actor,
    audit::Event,
    clock::Time,
    error::{Code, Result},
    ids::Id,
    jobs::{Context, Engine},
    objects::SHARDS,
};
use std::time::Duration;

const CLEAN_UP: &str = "files.clean_up";
const EVERY: Duration = Duration::from_secs(3600);
/// Files in one transaction, so that others do not wait.
const CHUNK: u32 = 100;
/// A content is swept once it is so old: the row of one that is on its way in comes later.
const ON_ITS_WAY: Duration = Duration::from_secs(24 * 3600);

impl Files {
    /// Registers the jobs with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        self.process_with(engine);
        let files = self.clone();
        engine.register(CLEAN_UP, move |_: serde_json::Value, context| {
            let files = files.clone();
            async move { files.clean_up(context).await }
        });
        engine.set_apart(CLEAN_UP, 1);
        engine.schedule(CLEAN_UP, EVERY);
    }

    async fn clean_up(&self, context: Context) -> Result<()> {
        let now = self.ledger.clock().now();
        let reason = "addresses for uploads that never came are forgotten";
        self.ledger.unrecorded(reason, move |tx| store::forget_uploads(tx, now)).await?;
        for file in self.ledger.db().read(store::stranded)? {
            self.note(&file, Err("The process ended while this was looked into for the last time.".to_owned())).await?;
        }
        self.purge(now).await?;
        self.sweep(now, &context).await
    }

    async fn purge(&self, now: Time) -> Result<()> {
        let days = self.config.load().files.deleted_days;
        let before = now.minus(Duration::from_secs(u64::from(days) * 24 * 3600));
        loop {
            let gone = self
                .ledger
                .change(&Actor::system("retention"), move |tx| {
                    let gone = store::purge(tx, before, CHUNK)?;
                    let event = |id: Id| Event::new("file.purged", "file", id);
                    let events = gone.iter().map(|file| event(file.id)).collect::<Vec<_>>();
                    Ok((gone, events))
                })
                .await?;
            for file in &gone {
                self.objects.remove(&file.content).await?;
            }
            if gone.len() < CHUNK as usize {
                return Ok(());
            }
        }
    }

    /// Removes contents that no file has. Each run looks at part of the store when there is much in it.
    async fn sweep(&self, now: Time, context: &Context) -> Result<()> {
        let mut swept = 0;
        for shard in 0..SHARDS {
            if context.is_cancelled() {
                break;
            }
            let listed = match self.objects.list(shard as u8).await {
                Err(error) if error.code() == Code::Unavailable => {
                    tracing::warn!(?error, "the store of files could not be swept");
                    return Ok(());
                }
                listed => listed?,
            };
            for (name, since) in listed {
                let is_name = name.parse::<Id>().is_ok();
                let old = now.since(since) >= ON_ITS_WAY;
                if is_name && old && !self.ledger.db().read(|reader| store::is_content(reader, &name))? {
                    self.objects.remove(&name).await?;
                    swept += 1;
                }
            }
        }
        if swept > 0 {
            tracing::info!(swept, "contents that belonged to no file were removed");
        }
        Ok(())
    }
}
