//! What is done to jobs by hand: tried again, or called off.

use super::{
    Background, list,
    model::{self, Job, JobDetails, State},
    words,
};
use crate::{
    actor::Actor,
    audit::Event,
    error::{Error, Result},
    filter::CursorKey,
    ids::Id,
    jobs, params,
    storage::Tx,
    web::Page,
};

impl Background {
    pub fn list(&self, query: &list::Query, key: &CursorKey) -> Result<Page<Job>> {
        self.ledger.db().read(|reader| list::jobs(reader, query, key))
    }

    pub(super) async fn list_off(&self, query: list::Query, key: CursorKey) -> Result<Page<Job>> {
        self.ledger.db().read_off(move |reader| list::jobs(reader, &query, &key)).await
    }

    pub fn details(&self, id: Id) -> Result<JobDetails> {
        self.ledger.db().read(|reader| model::details(reader, id))?.ok_or_else(Error::not_found)
    }

    /// Makes one that was given up or called off wait again, with all its attempts, and one that waits run now.
    pub async fn retry(&self, actor: &Actor, id: Id) -> Result<Job> {
        let clock = self.ledger.clock().clone();
        self.ledger
            .change(actor, move |tx| {
                let (before, now) = (existing(tx, id)?, clock.now());
                check_retry(tx, &before)?;
                tx.execute(
                    "UPDATE jobs SET earlier = CASE state WHEN 'waiting' THEN earlier ELSE attempts END, state = 'waiting',
                     due_at = ?1, finished_at = NULL, cancelling = 0, progress_done = NULL, progress_total = NULL,
                     progress_note = NULL, updated_at = ?1 WHERE id = ?2",
                    params![now, id],
                )?;
                tx.after_commit(jobs::wake);
                let after = existing(tx, id)?;
                let event = Event::new("job.retried", "job", id).before(&before.audited()).after(&after.audited());
                Ok((after, event))
            })
            .await
    }

    /// Calls off one that waits, and ends the running attempt of one that runs.
    pub async fn cancel(&self, actor: &Actor, id: Id) -> Result<Job> {
        let clock = self.ledger.clock().clone();
        self.ledger
            .change(actor, move |tx| {
                let (before, now) = (existing(tx, id)?, clock.now());
                let sql = match before.state {
                    State::Waiting if before.recurring => {
                        return Err(Error::conflict(
                            "This comes by itself, so it cannot be called off before it runs. It can be cancelled while it runs.",
                        ));
                    }
                    State::Waiting => {
                        "UPDATE jobs SET state = 'cancelled', finished_at = ?1, updated_at = ?1 WHERE id = ?2"
                    }
                    State::Running => "UPDATE jobs SET cancelling = 1, updated_at = ?1 WHERE id = ?2",
                    State::Done | State::Failed | State::Cancelled => return Err(over(&before)),
                };
                tx.execute(sql, params![now, id])?;
                tx.after_commit(jobs::interrupt);
                let after = existing(tx, id)?;
                let event = Event::new("job.cancelled", "job", id).before(&before.audited()).after(&after.audited());
                Ok((after, event))
            })
            .await
    }
}

fn existing(tx: &Tx<'_>, id: Id) -> Result<Job> {
    model::find(tx, id)?.ok_or_else(Error::not_found)
}

fn over(job: &Job) -> Error {
    let how = match job.state {
        State::Failed => "given up",
        State::Cancelled => "cancelled",
        _ => "done",
    };
    Error::conflict(format!("This job is over: it was {how}."))
}

fn check_retry(tx: &Tx<'_>, job: &Job) -> Result<()> {
    match job.state {
        State::Waiting => return Ok(()),
        State::Running => return Err(Error::conflict("This job runs now. Wait for its end, or cancel it first.")),
        State::Done => return Err(over(job)),
        State::Failed | State::Cancelled => {}
    }
    if let Some(instead) = words::retried_elsewhere(&job.kind) {
        return Err(Error::conflict(instead));
    }
    let another = "SELECT 1 FROM jobs AS other, jobs AS this WHERE this.id = ?1 AND other.id <> this.id
         AND other.state IN ('waiting', 'running', 'done') AND (other.unique_key = this.unique_key
         OR (this.recurring = 1 AND other.kind = this.kind AND other.state <> 'done'))";
    match tx.query_one(another, params![job.id], |_| Ok(()))? {
        Some(()) => Err(Error::conflict("There is another job for the same already. Run that one instead.")),
        None => Ok(()),
    }
}
