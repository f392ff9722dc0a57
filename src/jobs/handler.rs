//! What runs the jobs of one kind.

use super::progress::Progress;
use crate::{
    error::{Error, Result},
    ids::Id,
};
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// What a handler is told about the attempt.
#[derive(Clone, Debug)]
pub struct Context {
    /// The job's, the same in every attempt.
    pub id: Id,
    /// 1 for the first try.
    pub attempt: u32,
    /// No try comes after this one.
    pub is_last: bool,
    pub(super) ended: Arc<AtomicBool>,
    pub(super) progress: Progress,
}

impl Context {
    /// True once the attempt's time is up or the server shuts down; long blocking work ends when it sees this.
    pub fn is_cancelled(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Tells whoever looks how far the attempt is, in whatever unit, and at what: words without personal data.
    pub fn report(&self, done: u64, total: u64, note: &str) {
        self.progress.report(done, total, note);
    }
}

/// Marks the attempt as over when it is dropped, however it ends.
pub(super) struct Attempt(pub Arc<AtomicBool>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

pub(super) type Handler = Arc<dyn Fn(&str, Context) -> BoxFuture<'static, Result<()>> + Send + Sync>;

pub(super) fn asynchronous<P, F, Fut>(handler: F) -> Handler
where
    P: DeserializeOwned,
    F: Fn(P, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |payload, context| match serde_json::from_str(payload) {
        Ok(payload) => Box::pin(handler(payload, context)),
        Err(cause) => Box::pin(std::future::ready(Err(Error::internal(cause)))),
    })
}

pub(super) fn blocking<P, F>(handler: F) -> Handler
where
    P: DeserializeOwned + Send + 'static,
    F: Fn(P, Context) -> Result<()> + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    asynchronous(move |payload, context| {
        let handler = handler.clone();
        async move { tokio::task::spawn_blocking(move || handler(payload, context)).await.map_err(Error::internal)? }
    })
}
