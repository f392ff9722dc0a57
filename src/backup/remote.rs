//! Backups in a bucket. One is an object only when its upload is complete, so none is there in part.

use super::{
    envelope::{Head, LONGEST, unwritten},
    place::{Draft, Found},
};
use crate::{
    config::S3,
    error::{Code, Error, Result},
    objects::{Bucket, Pieces},
    outbound::Outbound,
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::runtime::{Builder, Runtime};

/// Clones share the connections, and what was read once.
#[derive(Clone)]
pub(super) struct Remote(Arc<Parts>);

struct Parts {
    bucket: Bucket,
    shown: String,
    driver: Driver,
    /// Heads by name and size: they never change.
    heads: Mutex<HashMap<(String, u64), Head>>,
}

/// Drives the calls of whoever waits for them. Connections belong to it, so nothing else may use them.
struct Driver(Option<Runtime>);

impl Drop for Driver {
    fn drop(&mut self) {
        // The last clone may go on an event loop, where waiting is not allowed.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A backup that is being read.
pub(super) struct Reading {
    remote: Remote,
    pieces: Pieces,
    left: u64,
}

fn told(error: Error) -> Error {
    match error.code() {
        Code::NotFound => Error::not_found(),
        _ => Error::unavailable("The bucket of the backups does not answer as it should. Try again later.")
            .caused_by(error),
    }
}

impl Remote {
    pub fn open(named: (&str, &str), settings: &S3, outbound: &Outbound) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let shown = format!("s3://{}/{}", named.0, named.1);
        let bucket = Bucket::open(named, settings, outbound)?;
        let driver = Driver(Some(runtime));
        Ok(Self(Arc::new(Parts { bucket, shown, driver, heads: Mutex::default() })))
    }

    pub fn shown(&self) -> &str {
        &self.0.shown
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = self.0.driver.0.as_ref().ok_or_else(|| Error::internal("the bucket is closed"))?;
        runtime.block_on(call).map_err(told)
    }

    pub fn list(&self) -> Result<Vec<Found>> {
        let found = self.wait(self.0.bucket.list_in(""))?;
        Ok(found.into_iter().map(|object| Found { name: object.name, size: object.size }).collect())
    }

    pub fn find(&self, name: &str) -> Result<Found> {
        self.list()?.into_iter().find(|found| found.name == name).ok_or_else(Error::not_found)
    }

    pub fn head(&self, found: &Found) -> Result<Head> {
        let key = (found.name.clone(), found.size);
        let heads = || self.0.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads().get(&key) {
            return Ok(head.clone());
        }
        let mut reading = self.read_to(&found.name, found.size.min(LONGEST))?;
        let mut bytes = Vec::new();
        while let Some(piece) = reading.next()? {
            bytes.extend_from_slice(&piece);
        }
        let (head, _) = Head::read(&mut &*bytes)?;
        heads().insert(key, head.clone());
        Ok(head)
    }

    pub fn keep(&self, name: &str, draft: &Draft) -> Result<()> {
        self.wait(self.0.bucket.put_file(name, &draft.path))
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        self.wait(self.0.bucket.remove_path(name))
    }

    pub fn read(&self, found: &Found) -> Result<Reading> {
        self.read_to(&found.name, found.size)
    }

    fn read_to(&self, name: &str, end: u64) -> Result<Reading> {
        if end == 0 {
            return Ok(Reading { remote: self.clone(), pieces: futures_util::stream::empty().boxed(), left: 0 });
        }
        let pieces = self.wait(self.0.bucket.read_range(name, 0..end))?;
        Ok(Reading { remote: self.clone(), pieces, left: end })
    }

    pub fn fetch(&self, found: &Found, scratch: &Path, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<PathBuf> {
        let Draft { mut file, path } = Draft::new(scratch.join(&found.name))?;
        let mut reading = self.read(found)?;
        let mut done = 0;
        while let Some(piece) = reading.next()? {
            file.write_all(&piece).map_err(unwritten)?;
            done += piece.len() as u64;
            each(done)?;
        }
        Ok(path)
    }
}

impl Reading {
    /// The next piece; an end that comes too early is an error.
    pub fn next(&mut self) -> Result<Option<Bytes>> {
        let (remote, pieces) = (self.remote.clone(), &mut self.pieces);
        let next = remote.wait(async { pieces.next().await.transpose() })?;
        match next {
            Some(piece) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Ok(Some(piece))
            }
            None if self.left > 0 => Err(Error::unavailable("The bucket of the backups ended too early.")),
            None => Ok(None),
        }
    }
}
