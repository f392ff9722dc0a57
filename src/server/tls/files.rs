//! A certificate in files, read again when they change.

use super::Holder;
use crate::config::{read_certificate_files, readable_by_others};
use rustls::sign::CertifiedKey;
use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc, time::Duration};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Files {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// What tells one version of a file from the next.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Files {
    pub fn read(&self) -> Result<CertifiedKey, String> {
        if let Some(message) = readable_by_others(&self.key) {
            return Err(format!("tls.key: {message}"));
        }
        read_certificate_files(&self.chain, &self.key).map_err(|why| why.to_string())
    }

    /// Takes over what the files hold, each time they have changed; what does not fit together leaves the last one.
    pub async fn follow(self, holder: Arc<Holder>) {
        let mut known = self.stamps();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.stamps();
            if now == known {
                continue;
            }
            known = now;
            match self.read() {
                Ok(next) => {
                    holder.exchange(next);
                    tracing::info!(file = %self.chain.display(), "the certificate was exchanged");
                }
                Err(why) => tracing::warn!(why, "the certificate changed and cannot be used; the last one stays"),
            }
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [&self.chain, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
        })
    }
}
