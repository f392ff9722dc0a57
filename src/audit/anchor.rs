//! The head of the chain, told to the log and to whoever keeps it outside: a chain that was cut or put back to an
//! older state does not fit what was told before.

use super::{Ledger, head};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
    jobs::Engine,
    outbound::{Outbound, Target},
};
use bytes::Bytes;
use serde::Serialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

const KIND: &str = "audit.anchor";
const EVERY: Duration = Duration::from_secs(600);
/// Over well before the job's time is.
const LONGEST_CALL: Duration = Duration::from_secs(25);

/// Tells the head every ten minutes, when it is another.
pub struct Anchor {
    ledger: Ledger,
    outbound: Outbound,
    target: Option<Target>,
    logged: AtomicI64,
    posted: Posted,
}

/// What was told last to whoever keeps it outside, and was taken. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Posted(Arc<(AtomicI64, AtomicI64)>);

impl Posted {
    /// The number of the event and when; none since this process started.
    pub fn last(&self) -> Option<(i64, Time)> {
        let seq = self.0.0.load(SeqCst);
        (seq > 0).then(|| (seq, Time(self.0.1.load(SeqCst))))
    }

    fn note(&self, seq: i64, at: Time) {
        self.0.1.store(at.millis(), SeqCst);
        self.0.0.store(seq, SeqCst);
    }
}

#[derive(Serialize)]
struct Head<'a> {
    seq: i64,
    hash: &'a str,
    at: Time,
}

impl Anchor {
    /// Without a URL the head goes to the log alone.
    pub fn new(ledger: Ledger, outbound: &Outbound, url: Option<&str>) -> Result<Self> {
        let target = url.map(Target::parse).transpose();
        let target = target.map_err(|refused| Error::new(Code::Unavailable, format!("audit.anchor_url: {refused}")))?;
        let outbound = outbound.within(LONGEST_CALL);
        Ok(Self { ledger, outbound, target, logged: AtomicI64::new(0), posted: Posted::default() })
    }

    /// What becomes of the heads.
    pub fn posted(&self) -> Posted {
        self.posted.clone()
    }

    /// Registers the job with `engine`.
    pub fn keep(self, engine: &mut Engine) {
        let anchor = Arc::new(self);
        engine.register(KIND, move |(), _| {
            let anchor = anchor.clone();
            async move { anchor.tell().await }
        });
        engine.schedule(KIND, EVERY);
    }

    async fn tell(&self) -> Result<()> {
        let (seq, hash) = head(self.ledger.db())?;
        if seq > 0 && self.logged.swap(seq, SeqCst) != seq {
            tracing::info!(seq, hash, "head of the audit log");
        }
        let Some(target) =
            self.target.as_ref().filter(|_| seq > 0 && self.posted.last().is_none_or(|(last, _)| last != seq))
        else {
            return Ok(());
        };
        let head = Head { seq, hash: &hash, at: self.ledger.clock().now() };
        let body = serde_json::to_vec(&head).map_err(Error::internal)?;
        let headers = [("content-type", "application/json".to_owned())];
        let answer = self.outbound.post(target, &headers, Bytes::from(body)).await?;
        if !(200..300).contains(&answer.status) {
            return Err(Error::unavailable(format!("The anchor of the audit log answered {}.", answer.status)));
        }
        self.posted.note(seq, self.ledger.clock().now());
        Ok(())
    }
}
