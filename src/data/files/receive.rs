//! A content as it comes in: written to a file of its own, hashed and measured, never held whole.

use super::kinds;
use crate::{
    error::{Code, Error, Result},
    ids::Id,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 256 << 10;

/// A content that is being received; it is gone when nobody keeps it.
pub(super) struct Incoming {
    path: PathBuf,
    state: Option<State>,
    gathered: Vec<u8>,
    most: u64,
    size: u64,
}

struct State {
    file: File,
    hasher: Sha256,
    looked: bool,
}

/// All of a content.
pub(super) struct Received {
    incoming: Incoming,
    pub size: u64,
    pub sha256: String,
}

pub(super) fn disk(cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::StorageFull {
        return Error::new(Code::StorageFull, "The disk is full. Free some room and try again.").caused_by(cause);
    }
    Error::unavailable("Files cannot be taken in at the moment. Try again later.").caused_by(cause)
}

pub(super) fn unfit(why: kinds::Unfit) -> Error {
    Error::new(Code::UnsupportedMediaType, format!("This file is not taken. {why}"))
}

pub(super) fn too_large(most: u64) -> Error {
    Error::new(Code::PayloadTooLarge, format!("A file has at most {most} bytes here."))
}

impl Incoming {
    /// `most`: bytes that are taken.
    pub fn begin(folder: &Path, most: u64) -> Result<Self> {
        let path = folder.join(Id::new().to_string());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(disk)?;
        let state = Some(State { file, hasher: Sha256::new(), looked: false });
        Ok(Self { path, state, gathered: Vec::with_capacity(GATHERED), most, size: 0 })
    }

    pub async fn push(&mut self, piece: Bytes) -> Result<()> {
        self.size += piece.len() as u64;
        if self.size > self.most {
            return Err(too_large(self.most));
        }
        self.gathered.extend_from_slice(&piece);
        if self.gathered.len() >= GATHERED { self.write().await } else { Ok(()) }
    }

    /// What its first bytes rule out is refused before the rest is waited for.
    async fn write(&mut self) -> Result<()> {
        let mut state = self.state.take().ok_or_else(|| Error::internal("an upload that failed goes on"))?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let work = move || {
            if !state.looked {
                state.looked = true;
                kinds::look(&gathered[..gathered.len().min(kinds::HEAD)]).map_err(unfit)?;
            }
            state.hasher.update(&gathered);
            state.file.write_all(&gathered).map_err(disk)?;
            gathered.clear();
            Ok::<_, Error>((state, gathered))
        };
        let (state, gathered) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)??;
        (self.state, self.gathered) = (Some(state), gathered);
        Ok(())
    }

    pub async fn finish(mut self) -> Result<Received> {
        if self.size == 0 {
            return Err(Error::invalid_at("/file", "empty", "The file is empty. A file has at least one byte."));
        }
        self.write().await?;
        let state = self.state.as_mut().ok_or_else(|| Error::internal("an upload that failed goes on"))?;
        let sha256 = hex::encode(std::mem::take(&mut state.hasher).finalize());
        Ok(Received { size: self.size, sha256, incoming: self })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Received {
    pub fn path(&self) -> &Path {
        &self.incoming.path
    }

    /// Runs `look` on the content where blocking is fine.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut File) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut file = File::open(self.path()).map_err(disk)?;
        tokio::task::spawn_blocking(move || look(&mut file)).await.map_err(Error::internal)?.map_err(disk)
    }
}
