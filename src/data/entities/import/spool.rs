//! A file without a name that keeps the rows of an import until all of them are known to be good, sealed under a key
//! that only stands in memory: they may hold personal data.

use crate::{
    data::entities::model::Entity,
    error::{Code, Error, Result},
    ids::Id,
    personal::Cipher,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use zeroize::Zeroizing;

use super::rows::Incoming;

/// A row that was found good.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Prepared {
    New {
        row: u64,
        entity: Box<Entity>,
    },
    Known {
        id: Id,
        incoming: Incoming,
    },
    /// To be matched by a unique field once it is written.
    Matched {
        incoming: Incoming,
    },
}

impl Prepared {
    pub fn row(&self) -> u64 {
        match self {
            Self::New { row, .. } => *row,
            Self::Known { incoming, .. } | Self::Matched { incoming } => incoming.row,
        }
    }
}

pub(super) struct Spool {
    file: BufWriter<File>,
    cipher: Cipher,
}

/// What the lines are bound to.
const CONTEXT: &str = "import";

fn failed(cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::StorageFull {
        return Error::new(Code::StorageFull, "The disk is full. Free some room and try again.").caused_by(cause);
    }
    Error::internal(cause)
}

impl Spool {
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(format!("import-{}.tmp", Id::new()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        Ok(Self { file: BufWriter::new(file), cipher: Cipher::ephemeral()? })
    }

    pub fn push(&mut self, prepared: &Prepared) -> Result<()> {
        let plain = Zeroizing::new(serde_json::to_vec(prepared).map_err(Error::internal)?);
        let sealed = self.cipher.seal(CONTEXT, &plain)?;
        self.file.write_all(sealed.as_bytes()).and_then(|()| self.file.write_all(b"\n")).map_err(failed)
    }

    pub fn finish(self) -> Result<Rows> {
        let file = self.file.into_inner().map_err(|cause| failed(cause.into_error()))?;
        Ok(Rows { file, cipher: self.cipher })
    }
}

/// The rows, to be read as often as needed.
pub(super) struct Rows {
    file: File,
    cipher: Cipher,
}

impl Rows {
    pub fn each(&self, mut each: impl FnMut(Prepared) -> Result<()>) -> Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        for line in BufReader::new(file).lines() {
            let plain = self.cipher.open(CONTEXT, &line.map_err(failed)?)?;
            each(serde_json::from_slice(&plain).map_err(Error::internal)?)?;
        }
        Ok(())
    }
}
