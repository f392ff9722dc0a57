//! Large contents by name, apart from the database: in a folder, or in an S3-compatible bucket. One that is not there
//! is told from a store that fails.

mod bucket;
mod folder;
mod guarded;

pub use bucket::Bucket;
pub use folder::Folder;

use crate::{
    clock::Time,
    error::{Code, Error, Result},
};
use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use std::{ops::Range, path::Path};

/// A content, piece by piece; each at most a few hundred KB.
pub type Pieces = BoxStream<'static, Result<Bytes>>;

/// An object of a bucket.
#[derive(Clone, Debug)]
pub struct Found {
    pub name: String,
    pub size: u64,
    pub since: Time,
}

/// Names are spread over so many shards, the last two digits of each, so that no folder or listing grows large.
pub const SHARDS: u16 = 256;

/// Where contents are kept. Names are ids: hexadecimal digits and hyphens.
pub trait Objects: Send + Sync {
    /// Keeps what `file` holds; it is there whole, and on disk, or not at all. The file may be gone afterwards.
    fn put<'a>(&'a self, name: &'a str, file: &'a Path) -> BoxFuture<'a, Result<()>>;

    /// The bytes of a range: `not_found` when there is no such content, `unavailable` when the store fails.
    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Pieces>>;

    /// Well when it is not there any more.
    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>>;

    /// What one shard holds, and since when.
    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<(String, Time)>>>;
}

/// The shard of a name, as folders and keys have it.
pub fn shard_of(name: &str) -> &str {
    &name[name.len().saturating_sub(2)..]
}

fn missing() -> Error {
    Error::new(Code::NotFound, "The content is missing from the store, though the file is known.")
}

fn failing(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("The store of files does not answer as it should. Try again later.").caused_by(cause)
}
