//! Fetching from another storage node over its ordinary HTTP interface, whatever the chain says of
//! the object's acceptance: nodes that owe it show themselves by their host id.

use std::{collections::BTreeSet, time::Duration};

use futures::StreamExt;
use serde::de::DeserializeOwned;
use shared::{
    api::{FetchError, HOST_ID_HEADER, HttpOptions, HttpPool, held_objects_of_bag_path},
    blob::{BlobError, Fault},
    hash::ContentHash,
    ids::{BagId, ObjectId},
    range::ByteRange,
};

use crate::{
    history::Way,
    holdings::{Held, Holdings, HoldingsError},
    http::status::USER_AGENT,
    replicate::core::{Failure, Source},
};

/// Time that any transfer has, however small.
const TRANSFER_TIME_MIN: Duration = Duration::from_secs(30);
/// How long the reading of a list or a digest may take.
const LIST_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest list that is read, in bytes: about two million ids.
const LIST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why an object or a list did not come.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The source, or the way to it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The bytes are wrong, or cannot be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// It cannot be recorded.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The source is slower than the slowest that is waited for.
    #[error("{source_root} took longer than {after_ms} ms")]
    TooSlow {
        /// The source.
        source_root: String,
        /// How long we waited.
        after_ms: u64,
    },
    /// An error status.
    #[error("{url} answered {status}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
    },
    /// A list or a digest that is not one.
    #[error("{source_root} gave an answer that cannot be read: {cause}")]
    BadAnswer {
        /// The source.
        source_root: String,
        /// Why.
        cause: String,
    },
}

impl PeerError {
    /// In the words of the core: whose fault it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Fetch(error) if error.is_not_found() => Failure::NotThere,
            Self::Fetch(_)
            | Self::TooSlow { .. }
            | Self::Refused { .. }
            | Self::BadAnswer { .. } => Failure::Unreachable,
            Self::Blob(error) if error.fault() == Fault::Client => Failure::WrongBytes,
            Self::Blob(_) | Self::Holdings(_) => Failure::Local,
        }
    }
}

/// What a part is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The object's bytes.
    Data,
    /// Its outboard.
    Outboard,
}

/// The client for other storage nodes. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    pool: HttpPool,
    host_id: String,
    bytes_per_second_min: u64,
}

impl Peers {
    /// `host_id` is how this node calls itself.
    pub fn new(host_id: String, bytes_per_second_min: u64) -> Result<Self, FetchError> {
        let pool = HttpPool::new(HttpOptions {
            host_id: Some(host_id.clone()),
            user_agent: USER_AGENT.into(),
            ..HttpOptions::default()
        })?;
        Ok(Self {
            pool,
            host_id,
            bytes_per_second_min,
        })
    }

    /// The connections, for others who talk to storage nodes.
    pub fn pool(&self) -> &HttpPool {
        &self.pool
    }

    /// Fetches an object whole, verifies it, makes it durable and records it.
    pub async fn fetch(
        &self,
        source: &Source,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        holdings: &Holdings,
    ) -> Result<Held, PeerError> {
        // Another object may have brought the very same bytes.
        if let Some(held) = holdings
            .store_copy(object, hash, None, Way::Replication)
            .await?
        {
            return Ok(held);
        }
        self.fetch_again(source, object, hash, size, holdings).await
    }

    async fn transfer(
        &self,
        source: &Source,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        holdings: &Holdings,
    ) -> Result<Held, PeerError> {
        let mut download = self
            .pool
            .storage_node(&source.0)?
            .download(object, None)
            .await?;
        if let Some(len) = download.content_len().filter(|len| *len != size) {
            return Err(if len > size {
                BlobError::TooLong { limit: size }.into()
            } else {
                BlobError::TooShort { size, got: len }.into()
            });
        }
        let mut partial = holdings.blobs().begin(hash, size).await?;
        while let Some(piece) = download.next().await {
            partial.write(piece?).await?;
        }
        let verified = partial.finish().await?;
        Ok(holdings
            .store(object, verified, None, Way::Replication)
            .await?)
    }

    /// Fetches an object whole in place of what is here, verified as any other.
    pub async fn fetch_again(
        &self,
        source: &Source,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        holdings: &Holdings,
    ) -> Result<Held, PeerError> {
        let transfer = self.transfer(source, object, hash, size, holdings);
        self.in_time(source, size, transfer).await
    }

    /// Part of an object's bytes, or of its outboard's. Not verified.
    pub async fn part(
        &self,
        source: &Source,
        object: ObjectId,
        of: Part,
        range: ByteRange,
    ) -> Result<Vec<u8>, PeerError> {
        let node = self.pool.storage_node(&source.0)?;
        let transfer = async {
            let download = match of {
                Part::Data => node.download(object, Some(range)).await?,
                Part::Outboard => node.outboard(object, Some(range)).await?,
            };
            let bytes_max = usize::try_from(range.len()).unwrap_or(usize::MAX);
            Ok(download.collect(bytes_max).await?)
        };
        self.in_time(source, range.len(), transfer).await
    }

    /// The transfer of so many bytes, unless it is too slow.
    async fn in_time<T>(
        &self,
        source: &Source,
        bytes: u64,
        transfer: impl Future<Output = Result<T, PeerError>>,
    ) -> Result<T, PeerError> {
        let allowed = TRANSFER_TIME_MIN + Duration::from_secs(bytes / self.bytes_per_second_min);
        tokio::time::timeout(allowed, transfer)
            .await
            .unwrap_or_else(|_| {
                Err(PeerError::TooSlow {
                    source_root: source.to_string(),
                    after_ms: allowed.as_millis() as u64,
                })
            })
    }

    /// Ids of a bag that the source holds.
    pub async fn list(&self, source: &Source, bag: BagId) -> Result<BTreeSet<ObjectId>, PeerError> {
        self.json(source, &held_objects_of_bag_path(bag), LIST_BYTES_MAX)
            .await
    }

    /// A JSON answer of at most so many bytes.
    pub async fn json<T: DeserializeOwned>(
        &self,
        source: &Source,
        path: &str,
        bytes_max: usize,
    ) -> Result<T, PeerError> {
        let source_root = source.to_string();
        let bad = |cause: String| PeerError::BadAnswer {
            source_root: source_root.clone(),
            cause,
        };
        let node = self.pool.storage_node(&source.0)?;
        let url = shared::api::url(node.root(), path);
        let read = async {
            let request = self.pool.raw().get(&url);
            let request = request.header(HOST_ID_HEADER, &self.host_id);
            let response = request.send().await.map_err(|e| bad(e.to_string()))?;
            if !response.status().is_success() {
                let (url, status) = (url.clone(), response.status().as_u16());
                return Err(PeerError::Refused { url, status });
            }
            let mut pieces = response.bytes_stream();
            let mut body = Vec::new();
            while let Some(piece) = pieces.next().await {
                body.extend_from_slice(&piece.map_err(|e| bad(e.to_string()))?);
                if body.len() > bytes_max {
                    return Err(bad(format!("it is longer than {bytes_max} bytes")));
                }
            }
            Ok(body)
        };
        let body = tokio::time::timeout(LIST_TIME_MAX, read)
            .await
            .unwrap_or_else(|_| {
                Err(PeerError::TooSlow {
                    source_root: source_root.clone(),
                    after_ms: LIST_TIME_MAX.as_millis() as u64,
                })
            })?;
        serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))
    }
}
