//! Contents as files of a folder on this machine.

use super::{Objects, Pieces, failing, missing, shard_of};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

const PIECE: u64 = 256 << 10;

/// The folder has to be on the same file system as the files that are put.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where it is not there.
    pub fn open(path: PathBuf) -> Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(broken)?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(shard_of(name)).join(name)
    }

    fn put_file(&self, name: &str, file: &Path) -> io::Result<()> {
        File::open(file)?.sync_all()?;
        let folder = self.0.join(shard_of(name));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => File::open(&self.0)?.sync_all()?,
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
        fs::rename(file, folder.join(name))?;
        File::open(&folder)?.sync_all()
    }

    fn open_at(&self, name: &str, at: u64) -> Result<File> {
        let opened = File::open(self.path(name)).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            Ok(file)
        });
        opened.map_err(|cause| match cause.kind() {
            // A folder that is gone says nothing of what it held.
            ErrorKind::NotFound if self.0.is_dir() => missing(),
            _ => broken(cause),
        })
    }

    fn remove_file(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound || !self.0.is_dir() => Err(broken(cause)),
            _ => Ok(()),
        }
    }

    fn list_shard(&self, shard: u8) -> io::Result<Vec<(String, Time)>> {
        let entries = match fs::read_dir(self.0.join(format!("{shard:02x}"))) {
            Err(cause) if cause.kind() == ErrorKind::NotFound && self.0.is_dir() => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let since = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))));
        }
        Ok(found)
    }
}

fn broken(cause: io::Error) -> Error {
    if cause.kind() == ErrorKind::StorageFull {
        return Error::new(Code::StorageFull, "The disk is full. Free some room and try again.").caused_by(cause);
    }
    failing(cause)
}

async fn off<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

impl Objects for Folder {
    fn put<'a>(&'a self, name: &'a str, file: &'a Path) -> BoxFuture<'a, Result<()>> {
        let (folder, name, file) = (self.clone(), name.to_owned(), file.to_owned());
        off(move || folder.put_file(&name, &file).map_err(broken)).boxed()
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Pieces>> {
        let (folder, name) = (self.clone(), name.to_owned());
        async move {
            let file = off(move || folder.open_at(&name, range.start)).await?;
            Ok(pieces(file, range.end.saturating_sub(range.start)))
        }
        .boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        let (folder, name) = (self.clone(), name.to_owned());
        off(move || folder.remove_file(&name)).boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<(String, Time)>>> {
        let folder = self.clone();
        off(move || folder.list_shard(shard).map_err(broken)).boxed()
    }
}

/// The next `length` bytes; fewer are an error, so that nobody takes a part for the whole.
fn pieces(file: File, length: u64) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (file, piece) = off(move || {
            let mut piece = vec![0; left.min(PIECE) as usize];
            file.read_exact(&mut piece).map_err(broken)?;
            Ok((file, piece))
        })
        .await?;
        let left = left - piece.len() as u64;
        Ok(Some((Bytes::from(piece), (file, left))))
    })
    .boxed()
}
