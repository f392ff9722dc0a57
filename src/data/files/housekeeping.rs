//! The job that clears up: deleted files whose time is over, addresses that nobody used, contents that are nobody's.

use super::{Files, store};
use crate::{actor::Actor, audit::Event, clock::Time, error::Result, ids::Id, jobs::Engine, objects::SHARDS};
use futures_util::future::join_all;
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

const CLEAN_UP: &str = "files.clean_up";
const EVERY: Duration = Duration::from_secs(3600);
/// Files in one transaction, so that others do not wait.
const CHUNK: u32 = 100;
/// A content is swept once it is so old: the row of one that is on its way in comes later.
const ON_ITS_WAY: Duration = Duration::from_secs(24 * 3600);

/// Shards that are listed at the same time.
const TOGETHER: u16 = 16;
/// A run sweeps no longer than this, well within a job's time.
const LONGEST: Duration = Duration::from_secs(15);

impl Files {
    /// Registers the jobs with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        self.process_with(engine);
        self.remove_with(engine);
        let files = self.clone();
        engine.register(CLEAN_UP, move |_: serde_json::Value, _| {
            let files = files.clone();
            async move { files.clean_up().await }
        });
        engine.set_apart(CLEAN_UP, 1);
        engine.schedule(CLEAN_UP, EVERY);
    }

    async fn clean_up(&self) -> Result<()> {
        let now = self.ledger.clock().now();
        let reason = "addresses for uploads that never came are forgotten";
        self.ledger.unrecorded(reason, move |tx| store::forget_uploads(tx, now)).await?;
        for file in self.ledger.db().read(store::stranded)? {
            self.note(&file, Err("The process ended while this was looked into for the last time.".to_owned())).await?;
        }
        self.purge(now).await?;
        self.sweep(now).await
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

    /// Removes contents that no file has. A run takes its time and no more; the next goes on where it ended.
    async fn sweep(&self, now: Time) -> Result<()> {
        let (begun, mut swept) = (Instant::now(), 0);
        for _ in 0..SHARDS / TOGETHER {
            if begun.elapsed() > LONGEST {
                break;
            }
            let first = self.swept.load(Relaxed);
            let shards = (first..first + TOGETHER).map(|shard| self.objects.list((shard % SHARDS) as u8));
            for listed in join_all(shards).await {
                for (name, since) in listed? {
                    let old = now.since(since) >= ON_ITS_WAY && name.parse::<Id>().is_ok();
                    if old && !self.ledger.db().read(|reader| store::is_content(reader, &name))? {
                        self.objects.remove(&name).await?;
                        swept += 1;
                    }
                }
            }
            self.swept.store((first + TOGETHER) % SHARDS, Relaxed);
        }
        if swept > 0 {
            tracing::info!(swept, "contents that belonged to no file were removed");
        }
        Ok(())
    }
}
