//! Contents as objects of an S3-compatible bucket, read and written in parts, so that none is held whole.

use super::{Objects, Pieces, failing, guarded::Guarded, missing, shard_of};
use crate::{
    clock::Time,
    config::{FileStore, S3},
    error::{Error, Result},
    outbound::Outbound,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use object_store::{
    BackoffConfig, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Key,
};
use secrecy::ExposeSecret;
use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::Path,
    time::Duration,
};

/// Bytes of a part; S3 takes none smaller but the last.
const PART: u64 = 8 << 20;
/// A piece that waits to be sent on, at most, before the reader takes it.
const TRIES: usize = 2;
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Bucket {
    store: AmazonS3,
    prefix: String,
}

impl Bucket {
    /// The bucket that `s3://bucket/prefix` names. Nothing is called yet.
    pub fn open(place: &FileStore, settings: &S3, outbound: &Outbound) -> Result<Self> {
        let (bucket, prefix) = place.bucket().ok_or_else(|| Error::internal("not the name of a bucket"))?;
        let endpoint = settings.endpoint.as_deref().map(|endpoint| endpoint.trim_end_matches('/').to_owned());
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(endpoint.is_none())
            .with_allow_http(endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")))
            .with_http_connector(Guarded(outbound.clone()))
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(2),
                    base: 2.,
                },
                max_retries: TRIES,
                retry_timeout: PATIENCE,
            });
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let (Some(key), Some(secret)) = (&settings.access_key, &settings.secret_key) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret.expose_secret());
        }
        let store = builder.build().map_err(|cause| failing(cause.to_string()))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { store, prefix })
    }

    fn key(&self, name: &str) -> Key {
        Key::from(format!("{}{}/{name}", self.prefix, shard_of(name)))
    }

    async fn put_parts(&self, key: &Key, mut file: File, size: u64) -> Result<()> {
        let mut upload = self.store.put_multipart(key).await.map_err(told)?;
        let sent = send_parts(&mut *upload, &mut file, size).await;
        if sent.is_err()
            && let Err(cause) = upload.abort().await
        {
            tracing::warn!(%cause, "parts of an upload that failed stay in the bucket");
        }
        sent
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, file: &mut File, size: u64) -> Result<()> {
    let mut left = size;
    while left > 0 {
        let part = next(file, left.min(PART)).await?;
        left -= part.len() as u64;
        upload.put_part(part.into()).await.map_err(told)?;
    }
    upload.complete().await.map_err(told).map(drop)
}

async fn next(file: &File, length: u64) -> Result<Bytes> {
    let mut file = file.try_clone().map_err(Error::internal)?;
    let read = move || -> io::Result<Bytes> {
        let mut part = vec![0; length as usize];
        file.read_exact(&mut part)?;
        Ok(part.into())
    };
    tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(Error::internal)
}

/// A bucket that is not there is a store that fails: nothing is known of what it held.
fn told(cause: object_store::Error) -> Error {
    match &cause {
        object_store::Error::NotFound { source, .. } if !source.to_string().contains("NoSuchBucket") => missing(),
        _ => failing(cause),
    }
}

impl Objects for Bucket {
    fn put<'a>(&'a self, name: &'a str, file: &'a Path) -> BoxFuture<'a, Result<()>> {
        async move {
            let key = self.key(name);
            let file = File::open(file).map_err(Error::internal)?;
            let size = file.metadata().map_err(Error::internal)?.len();
            let put = if size > PART {
                self.put_parts(&key, file, size).await
            } else {
                let whole = next(&file, size).await?;
                self.store.put(&key, whole.into()).await.map_err(told).map(drop)
            };
            // Whatever is missing here is not the content.
            put.map_err(|error| if error.code() == crate::error::Code::NotFound { failing(error) } else { error })
        }
        .boxed()
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Pieces>> {
        async move {
            let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
            let found = self.store.get_opts(&self.key(name), options).await.map_err(told)?;
            Ok(found.into_stream().map_err(told).boxed())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            match self.store.delete(&self.key(name)).await {
                Err(cause @ object_store::Error::NotFound { .. }) => match told(cause) {
                    gone if gone.code() == crate::error::Code::NotFound => Ok(()),
                    error => Err(error),
                },
                outcome => outcome.map_err(told),
            }
        }
        .boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<(String, Time)>>> {
        let prefix = Key::from(format!("{}{shard:02x}", self.prefix));
        let found = self.store.list(Some(&prefix)).map_err(told);
        found
            .map_ok(|object| {
                let name = object.location.filename().unwrap_or_default().to_owned();
                (name, Time(object.last_modified.timestamp_millis()))
            })
            .try_collect()
            .boxed()
    }
}
