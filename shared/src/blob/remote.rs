//! [`Remote`]: the bytes of objects in an S3-compatible object store. The only module that knows the
//! `object_store` crate.
//!
//! ```text
//! <prefix>/volume.toml       the marker: without it the bucket counts as another one
//! <prefix>/blobs/ab/<hash>   the object
//! ```
//!
//! Every request has a time-out and a slot, is tried again by the client a few times, and is counted.
//! When one fails for good the store counts as out, and is asked nothing but how it is, until it
//! answers again: see [`Remote::probe`].

use std::{
    fmt, io,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use object_store::ObjectStoreExt;
use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant},
};

mod bucket;
mod owner;
mod put;
pub mod trial;

use bucket::Bucket;
pub use bucket::Listed;

use super::{
    BlobError, Condition, Trouble,
    health::Health,
    puts::Puts,
    registry::{MARKER, Marker},
};
use crate::{config::Secret, hash::ContentHash};

/// A store that is in order is asked how it is no more often than this.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// As what an error of the node's own disk comes out of a request.
const TEMP_FILE: &str = "temp file";

/// How the names of object stores begin in the list of places.
const NAME_START: &str = "s3://";

/// Where an object store is and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// The bucket. It must exist.
    pub bucket: String,
    /// What the names of this node's objects begin with; may be empty.
    pub prefix: String,
    /// Address of the service, for others than Amazon's own.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// The key's id and the key; `None` asks the machine's own role.
    pub credentials: Option<(String, Secret)>,
    /// Is plain HTTP to the endpoint allowed?
    pub allow_http: bool,
    /// Is the bucket part of the host's name?
    pub virtual_hosted: bool,
    /// Longest wait for one request.
    pub request_timeout: Duration,
    /// Requests under way at once.
    pub requests_max: usize,
    /// Bytes sent in one request; larger objects go in parts. At least 5 MiB. Together with
    /// `requests_max` it bounds the memory of what is sent: one part per request.
    pub part_bytes: u64,
    /// Parts of one object sent at once.
    pub parts_at_once: usize,
}

impl RemoteOptions {
    /// The store as people write it, and as the list of places has it.
    pub fn name(&self) -> PathBuf {
        let prefix = self.prefix.trim_matches('/');
        format!("{NAME_START}{}/{prefix}", self.bucket).into()
    }
}

/// Is this place of the list an object store?
pub(super) fn is_object_store(place: &std::path::Path) -> bool {
    place.to_string_lossy().starts_with(NAME_START)
}

/// An object store. One per process.
pub struct Remote {
    bucket: Bucket,
    /// As people write it: `s3://bucket/prefix`.
    name: PathBuf,
    marker: Marker,
    part_bytes: u64,
    parts_at_once: usize,
    slots: Arc<Semaphore>,
    puts: Arc<Puts>,
    health: Health,
    looked: Mutex<Option<Instant>>,
    unavailable: AtomicU64,
    metrics: RemoteMetrics,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.display())
    }
}

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Get,
    Put,
    Head,
    Delete,
    Probe,
    List,
}

/// How a request ended, as labels.
const DONE: &str = "ok";
const NOT_FOUND: &str = "not_found";
const FAILED: &str = "failed";

impl Operation {
    const ALL: [Self; 6] = [
        Self::Get,
        Self::Put,
        Self::Head,
        Self::Delete,
        Self::Probe,
        Self::List,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::Probe => "probe",
            Self::List => "list",
        }
    }
}

/// Figures of the object store.
#[derive(Clone)]
pub struct RemoteMetrics {
    requests: IntCounterVec,
    bytes: IntCounterVec,
    in_flight: IntGauge,
}

impl RemoteMetrics {
    /// All of them at zero.
    fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self::unused()?;
        for operation in Operation::ALL {
            for outcome in [DONE, NOT_FOUND, FAILED] {
                let labels = [operation.label(), outcome];
                metrics.requests.with_label_values(&labels).reset();
            }
        }
        for direction in ["in", "out"] {
            metrics.bytes.with_label_values(&[direction]).reset();
        }
        Ok(metrics)
    }

    /// Something that was asked for has ended.
    fn ended<T>(&self, operation: Operation, answer: &Result<T, object_store::Error>) {
        let outcome = match answer {
            Ok(_) => DONE,
            Err(object_store::Error::NotFound { .. }) => NOT_FOUND,
            Err(_) => FAILED,
        };
        let labels = [operation.label(), outcome];
        self.requests.with_label_values(&labels).inc();
    }

    /// The figures of a node that has no object store.
    pub(super) fn register_unused(registry: &Registry) -> Result<(), prometheus::Error> {
        Self::new()?.register(registry)
    }

    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.bytes.clone()))?;
        registry.register(Box::new(self.in_flight.clone()))
    }

    fn unused() -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "storage_object_store_requests_total",
                    "Requests to the object store, by what they ask for and how they ended",
                ),
                &["operation", "outcome"],
            )?,
            bytes: IntCounterVec::new(
                Opts::new(
                    "storage_object_store_bytes_total",
                    "Bytes sent to the object store and received from it",
                ),
                &["direction"],
            )?,
            in_flight: IntGauge::new(
                "storage_object_store_requests_in_flight",
                "Requests to the object store under way",
            )?,
        })
    }
}

/// The object store cannot be used as configured.
#[derive(Debug, thiserror::Error)]
#[error("the object store s3://{bucket} cannot be used: {reason}")]
pub struct UnusableRemote {
    bucket: String,
    reason: String,
}

impl Remote {
    /// A client of a store; asks it nothing. It counts as out until [`probe`](Self::probe).
    pub(super) fn new(
        options: &RemoteOptions,
        marker: Marker,
        puts: Puts,
    ) -> Result<Self, UnusableRemote> {
        let unusable = |reason: String| UnusableRemote {
            bucket: options.bucket.clone(),
            reason,
        };
        let remote = Self {
            bucket: Bucket::new(options)?,
            name: options.name(),
            marker,
            part_bytes: options.part_bytes,
            parts_at_once: options.parts_at_once,
            slots: Arc::new(Semaphore::new(options.requests_max)),
            puts: Arc::new(puts),
            health: Health::default(),
            looked: Mutex::new(None),
            unavailable: AtomicU64::new(0),
            metrics: RemoteMetrics::new().map_err(|error| unusable(error.to_string()))?,
        };
        let unasked = Trouble::Failing("it was not asked yet".into());
        remote.health.set(&remote.name, Condition::Out(unasked));
        Ok(remote)
    }

    /// As people write it.
    pub(super) fn name(&self) -> &std::path::Path {
        &self.name
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Bytes that are read or sent in one request.
    pub(super) fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// Everything below `blobs`, in no order, also while the store counts as out.
    pub(super) fn list(&self) -> impl Stream<Item = Result<Listed, BlobError>> + Send + 'static {
        let name = self.name.clone();
        let refused = move |error| BlobError::io("list", &name, io::Error::other(error));
        self.bucket.list().map_err(refused)
    }

    /// What is on its way in.
    pub(super) fn puts(&self) -> &Arc<Puts> {
        &self.puts
    }

    /// Makes its figures known.
    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        self.metrics.register(registry)
    }

    /// Bytes of an object; `None` if it is not there.
    pub(super) async fn size(&self, hash: &ContentHash) -> Result<Option<u64>, BlobError> {
        self.check()?;
        let path = self.bucket.path(hash);
        match self
            .counted(Operation::Head, self.bucket.s3.head(&path))
            .await
        {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Some bytes of an object, not verified; `None` if it is not there or ends before.
    pub(super) async fn read(
        &self,
        hash: &ContentHash,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, BlobError> {
        self.check()?;
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        let (path, len, end) = (self.bucket.path(hash), range.end - range.start, range.end);
        let read = self.bucket.s3.get_range(&path, range);
        match self.counted(Operation::Get, read).await {
            Ok(bytes) if bytes.len() as u64 == len => {
                self.metrics.bytes.with_label_values(&["in"]).inc_by(len);
                Ok(Some(bytes))
            }
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
            // Either its copy ends before, or it fails.
            Err(error) => match self.size(hash).await? {
                Some(size) if size >= end => Err(self.failed(error)),
                _ => Ok(None),
            },
        }
    }

    /// Removes an object, there or not.
    pub(super) async fn remove(&self, hash: &ContentHash) -> Result<(), BlobError> {
        self.check()?;
        let path = self.bucket.path(hash);
        match self
            .counted(Operation::Delete, self.bucket.s3.delete(&path))
            .await
        {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// How often something could not be had.
    pub(super) fn unavailable_count(&self) -> u64 {
        self.unavailable.load(Ordering::Relaxed)
    }

    /// Refuses at once while the store is out.
    pub(super) fn check(&self) -> Result<(), BlobError> {
        match self.health.condition() {
            Condition::Good => Ok(()),
            condition => Err(self.unavailable(&condition)),
        }
    }

    fn unavailable(&self, condition: &Condition) -> BlobError {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
        let trouble = condition.trouble().map(ToString::to_string);
        BlobError::Unavailable {
            dir: self.name.clone(),
            reason: trouble.unwrap_or_default(),
        }
    }

    fn failed(&self, error: object_store::Error) -> BlobError {
        if let object_store::Error::Generic { store, source } = &error
            && *store == TEMP_FILE
        {
            let source = io::Error::other(source.to_string());
            return BlobError::io("read a temp file for", &self.name, source);
        }
        let condition = Condition::Out(Trouble::Failing(error.to_string()));
        let failed = self.unavailable(&condition);
        self.health.set(&self.name, condition);
        failed
    }

    /// One request, in a slot.
    async fn in_slot<T>(&self, request: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let _in_flight = InFlight::new(&self.metrics.in_flight);
        request.await
    }

    /// One request, in a slot, counted.
    async fn counted<T>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, object_store::Error> {
        let answer = self.in_slot(request).await;
        self.metrics.ended(operation, &answer);
        answer
    }
}

/// One request under way, until it ends or nobody waits for it any more.
struct InFlight(IntGauge);

impl InFlight {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
