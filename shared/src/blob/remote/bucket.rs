//! [`Bucket`]: a client of one prefix in one bucket: its marker, the names below it, and where each
//! object lies.

use futures::{Stream, StreamExt, TryStreamExt};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use tokio::time::Duration;

use super::{MARKER, RemoteOptions, UnusableRemote};
use crate::hash::ContentHash;

/// Times a request is tried again by the client.
const RETRIES_MAX: usize = 2;

/// Something below `<prefix>/blobs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its whole name in the bucket.
    pub name: String,
    /// The object's hash; `None` if it is not named as an object is.
    pub hash: Option<ContentHash>,
    /// Its bytes.
    pub size: u64,
}

/// A client of one prefix in one bucket. Cheap to clone.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) s3: AmazonS3,
    pub(super) prefix: Path,
}

impl Bucket {
    /// Asks it nothing yet.
    pub(super) fn new(options: &RemoteOptions) -> Result<Self, UnusableRemote> {
        Ok(Self {
            s3: client(options)?,
            prefix: Path::from(options.prefix.as_str()),
        })
    }

    fn blobs(&self) -> Path {
        self.prefix.clone().join("blobs")
    }

    /// Where an object lies.
    pub(super) fn path(&self, hash: &ContentHash) -> Path {
        let shard = format!("{:02x}", hash.0[0]);
        self.blobs().join(shard).join(hash.to_string())
    }

    fn marker_path(&self) -> Path {
        self.prefix.clone().join(MARKER)
    }

    /// What the marker says; `None` if there is none.
    pub(super) async fn marker(&self) -> Result<Option<String>, object_store::Error> {
        let read = async { self.s3.get(&self.marker_path()).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the marker over what is there.
    pub(super) async fn put_marker(&self, text: String) -> Result<(), object_store::Error> {
        let path = self.marker_path();
        self.s3.put(&path, text.into()).await.map(drop)
    }

    /// Everything below `blobs`, in no order; a thousand names in one request.
    pub(super) fn list(
        &self,
    ) -> impl Stream<Item = Result<Listed, object_store::Error>> + Send + 'static {
        let bucket = self.clone();
        self.s3.list(Some(&self.blobs())).map_ok(move |meta| {
            let named = meta.location.filename().and_then(|name| name.parse().ok());
            Listed {
                hash: named.filter(|hash| bucket.path(hash) == meta.location),
                name: meta.location.into(),
                size: meta.size,
            }
        })
    }

    /// Is any object there but those that are known?
    pub(super) async fn has_unknown(
        &self,
        is_known: impl Fn(&ContentHash) -> bool,
    ) -> Result<bool, object_store::Error> {
        let mut listed = Box::pin(self.list());
        while let Some(found) = listed.next().await {
            if found?.hash.is_some_and(|hash| !is_known(&hash)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn client(options: &RemoteOptions) -> Result<AmazonS3, UnusableRemote> {
    crate::api::install_tls_provider();
    let client = ClientOptions::new()
        .with_timeout(options.request_timeout)
        .with_connect_timeout(options.request_timeout.min(Duration::from_secs(5)))
        .with_allow_http(options.allow_http);
    let retry = RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: options.request_timeout,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(options.virtual_hosted)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some((id, key)) = &options.credentials {
        builder = builder
            .with_access_key_id(id)
            .with_secret_access_key(key.expose());
    }
    builder.build().map_err(|error| UnusableRemote {
        bucket: options.bucket.clone(),
        reason: error.to_string(),
    })
}
