//! Contents as objects of an S3-compatible bucket, read and written in parts, so that none is held whole.

use super::{Found, Objects, Pieces, failing, guarded::Guarded, missing, shard_of};
use crate::{
    clock::Time,
    config::S3,
    error::{Code, Error, Result},
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
    /// The bucket and the prefix that `s3://bucket/prefix` names. Nothing is called yet.
    pub fn open((bucket, prefix): (&str, &str), settings: &S3, outbound: &Outbound) -> Result<Self> {
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

    fn key(&self, path: &str) -> Key {
        Key::from(format!("{}{path}", self.prefix))
    }

    /// Keeps what `file` holds at a path below the prefix; it is there whole or not at all.
    pub async fn put_file(&self, path: &str, file: &Path) -> Result<()> {
        let key = self.key(path);
        let file = File::open(file).map_err(Error::internal)?;
        let size = file.metadata().map_err(Error::internal)?.len();
        let put = if size > PART {
            self.put_parts(&key, file, size).await
        } else {
            let whole = next(&file, size).await?;
            self.store.put(&key, whole.into()).await.map_err(told).map(drop)
        };
        // Whatever is missing here is not the content.
        put.map_err(|error| if error.code() == Code::NotFound { failing(error) } else { error })
    }

    /// The bytes of a range.
    pub async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Pieces> {
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        let found = self.store.get_opts(&self.key(path), options).await.map_err(told)?;
        Ok(found.into_stream().map_err(told).boxed())
    }

    /// Well when it is not there any more.
    pub async fn remove_path(&self, path: &str) -> Result<()> {
        match self.store.delete(&self.key(path)).await {
            Err(cause @ object_store::Error::NotFound { .. }) => match told(cause) {
                gone if gone.code() == Code::NotFound => Ok(()),
                error => Err(error),
            },
            outcome => outcome.map_err(told),
        }
    }

    /// What lies right in a folder below the prefix; the empty name is the prefix itself.
    pub async fn list_in(&self, folder: &str) -> Result<Vec<Found>> {
        let listed = self.store.list_with_delimiter(Some(&self.key(folder))).await.map_err(told)?;
        let found = listed.objects.into_iter().map(|object| Found {
            name: object.location.filename().unwrap_or_default().to_owned(),
            size: object.size,
            since: Time(object.last_modified.timestamp_millis()),
        });
        Ok(found.collect())
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

fn sharded(name: &str) -> String {
    format!("{}/{name}", shard_of(name))
}

impl Objects for Bucket {
    fn put<'a>(&'a self, name: &'a str, file: &'a Path) -> BoxFuture<'a, Result<()>> {
        async move { self.put_file(&sharded(name), file).await }.boxed()
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Pieces>> {
        async move { self.read_range(&sharded(name), range).await }.boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        async move { self.remove_path(&sharded(name)).await }.boxed()
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<(String, Time)>>> {
        async move {
            let found = self.list_in(&format!("{shard:02x}")).await?;
            Ok(found.into_iter().map(|object| (object.name, object.since)).collect())
        }
        .boxed()
    }
}
