//! The job that looks into a file once it is kept: whether the store gives back what was sent, and what it holds.

use super::{
    Files,
    kinds::{self, Details, Kind},
    model::{File, State},
    receive::Incoming,
    store,
};
use crate::{
    actor::Actor,
    audit::{Event, Outcome},
    error::{Code, Result},
    ids::Id,
    jobs::{Context, Engine},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

pub(super) const JOB: &str = "files.process";
/// Looked into at the same time, at most, apart from other work.
const AT_ONCE: usize = 2;

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub file_id: Id,
}

impl Files {
    pub(super) fn process_with(&self, engine: &mut Engine) {
        let files = self.clone();
        engine.register(JOB, move |job: Job, context| {
            let files = files.clone();
            async move { files.process(job.file_id, context).await }
        });
        engine.set_apart(JOB, AT_ONCE);
    }

    async fn process(&self, id: Id, context: Context) -> Result<()> {
        let found = self.ledger.db().read(|reader| store::any(reader, id))?;
        // Looked into already, or gone.
        let Some(file) = found.filter(|file| file.state == State::Processing) else { return Ok(()) };
        match self.look_into(&file).await {
            Ok(found) => self.note(&file, found).await,
            Err(error) if error.code() == Code::NotFound => {
                self.note(&file, Err("The content is missing from the store.".to_owned())).await
            }
            Err(error) if context.is_last => {
                self.note(&file, Err("The content could not be looked into.".to_owned())).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn look_into(&self, file: &File) -> Result<Result<Details, String>> {
        let mut pieces = self.objects.read(&file.content, 0..file.size).await?;
        let mut incoming = Incoming::begin(&self.incoming, u64::MAX)?;
        while let Some(piece) = pieces.next().await {
            incoming.push(piece?).await?;
        }
        let received = incoming.finish().await?;
        if received.sha256 != file.sha256 {
            return Ok(Err("The store gives back something else than what was sent.".to_owned()));
        }
        let Some(kind) = Kind::named(&file.content_type) else { return Ok(Ok(Details::default())) };
        Ok(Ok(received.look(move |file| kinds::details(file, kind)).await?))
    }

    pub(super) async fn note(&self, file: &File, found: Result<Details, String>) -> Result<()> {
        let (id, now) = (file.id, self.ledger.clock().now());
        self.ledger
            .change(&Actor::system("file processing"), move |tx| {
                let Some(before) = store::any(tx, id)?.filter(|file| file.state == State::Processing) else {
                    return Ok(((), None));
                };
                let mut after = before.processed(found.clone());
                after.updated_at = now;
                store::update(tx, &after)?;
                let event = Event::new("file.processed", "file", id).changed(&before, &after);
                let failed = after.state == State::Failed;
                Ok(((), Some(if failed { event.outcome(Outcome::Failed) } else { event })))
            })
            .await
    }
}
