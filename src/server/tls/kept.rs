//! What is kept of an authority in the data folder: the account, and the certificate with its key. Nobody but the
//! owner reads them.

use crate::config::{HostName, read_certificate};
use rustls::sign::CertifiedKey;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.pem";

pub(super) struct Kept(PathBuf);

/// A certificate, for which names and until when it is good.
pub(super) struct Issued {
    pub certified: CertifiedKey,
    names: Vec<String>,
    from: SystemTime,
    until: SystemTime,
}

impl Issued {
    /// Key and chain, one after the other.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let certified = read_certificate(pem, pem).ok()?;
        let (_, leaf) = X509Certificate::from_der(certified.cert.first()?).ok()?;
        let names = leaf.subject_alternative_name().ok()??.value.general_names.iter();
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        let time = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        let (names, from, until) = (names.collect(), time(from), time(until));
        Some(Self { certified, names, from, until })
    }

    pub fn covers(&self, wanted: &[HostName]) -> bool {
        wanted.iter().all(|name| self.names.iter().any(|known| **known == **name))
    }

    /// When a third of its time is left.
    pub fn renew_at(&self) -> SystemTime {
        self.until - self.until.duration_since(self.from).unwrap_or_default() / 3
    }
}

impl Kept {
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    pub fn account(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.0.join(ACCOUNT)).ok()?).ok()
    }

    pub fn keep_account(&self, account: &serde_json::Value) -> io::Result<()> {
        self.write(ACCOUNT, account.to_string().as_bytes())
    }

    pub fn certificate(&self) -> Option<Issued> {
        Issued::read(&fs::read(self.0.join(CERTIFICATE)).ok()?)
    }

    pub fn keep_certificate(&self, pem: &str) -> io::Result<()> {
        self.write(CERTIFICATE, pem.as_bytes())
    }

    /// The old file or the new one, whatever happens meanwhile.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.0.join(format!("{name}.new"));
        remove(&temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
