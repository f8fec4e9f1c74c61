//! Takes over the bucket of a node whose directories are lost: every object below `<prefix>/blobs` that
//! the chain knows is read once, compared with the hash in its name, and gets its outboard and its card
//! here again. Then [`rebuild`](crate::rebuild) makes the index from them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`report`] | what became of each object |
//!
//! What is not what its name says, or is unknown to the chain, stays in the bucket and is named in the
//! report, unless it was asked to be removed. Each object is durable here before the next step, so a run
//! that was killed is continued by starting it again: what has a card is not read a second time.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use shared::{
    blob::{BlobError, Listed, TakeOver, take::OnRead},
    chain::{
        Chain,
        follower::{DirectoryView, Follower, FollowerOptions},
    },
    hash::ContentHash,
};

use crate::{app::StartError, config::Config};

pub mod report;

pub use report::{Outcome, Report};

/// Pauses before an object is tried again when the object store fails; after the last one the run ends.
const PAUSES_S: [u64; 4] = [1, 2, 10, 30];

/// What to take over, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The bucket as the operator names it, `s3://bucket/prefix`: it must be the configured one.
    pub bucket: String,
    /// Objects read at once; each takes a part (`store.part_size`) of memory.
    pub jobs: usize,
    /// Are objects that are no use removed from the bucket?
    pub remove_unusable: bool,
}

/// Hears how the run goes, from any thread.
pub trait Progress: Send + Sync {
    /// Objects and bytes that will be read.
    fn begins(&self, objects: u64, bytes: u64);
    /// So many bytes more were read.
    fn read(&self, bytes: u64);
    /// One object is done.
    fn done(&self, object: &Listed, outcome: &Outcome);
}

/// Why a run ended early. What was taken until then stays; run it again.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// As when the node is started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The directories, or the object store.
    #[error("{0}; what was taken over until now stays: run it again")]
    Blob(#[from] BlobError),
    /// There is no object store.
    #[error("the configuration has no object store: give [store] kind = \"s3\" and its bucket")]
    NoStore,
    /// The operator means another one than is configured.
    #[error(
        "{given} is not the configured object store, which is {configured}: name that, or change [store]"
    )]
    OtherStore {
        /// As given.
        given: String,
        /// As configured.
        configured: String,
    },
    /// A directory of objects is out.
    #[error("{} is out: mount it, or give it up with `colossus disks forget`, so that nothing is read twice", dir.display())]
    Out {
        /// The directory.
        dir: PathBuf,
    },
    /// The chain knows none of the objects.
    #[error(
        "the chain knows none of the {objects} objects in the bucket: it is another chain than theirs, or another bucket; nothing was changed"
    )]
    OtherChain {
        /// Objects there.
        objects: u64,
    },
}

/// Takes a bucket over. Refuses while a node has one of the directories open. Another node that used the
/// bucket finds itself shut out by its next look at the marker.
pub async fn take_over(
    config: &Config,
    chain: Arc<dyn Chain>,
    options: &Options,
    progress: Arc<dyn Progress>,
) -> Result<Report, TakeOverError> {
    let places = config.places();
    let remote = places.remote.as_ref().ok_or(TakeOverError::NoStore)?;
    let configured = remote.name().display().to_string();
    if options.bucket.trim_end_matches('/') != configured.trim_end_matches('/') {
        return Err(TakeOverError::OtherStore {
            given: options.bucket.clone(),
            configured,
        });
    }
    let data_dir = config.data_dir.clone();
    let open = move || -> Result<_, TakeOverError> {
        let made = std::fs::create_dir_all(&data_dir);
        made.map_err(|cause| StartError::DataDir {
            path: data_dir,
            cause,
        })?;
        let bucket = TakeOver::open(&places).map_err(StartError::from)?;
        let bucket = bucket.ok_or(TakeOverError::NoStore)?;
        let out = bucket.first_out();
        out.map_or(Ok(bucket), |dir| Err(TakeOverError::Out { dir }))
    };
    let opened = tokio::task::spawn_blocking(open).await;
    let bucket = opened.unwrap_or(Err(StartError::Stopping.into()))?;
    let follower = Follower::start(chain, FollowerOptions::default()).await;
    let wanted = Wanted::of(&follower.map_err(StartError::from)?.directory());
    let run = Run {
        bucket,
        wanted,
        remove_unusable: options.remove_unusable,
        progress,
    };
    run.survey().await?;
    run.bucket.claim().await?;
    let report = run.all(options.jobs).await?;
    run.bucket.finish().await?;
    Ok(report)
}

/// The hashes of all objects on chain, ascending, with their sizes.
struct Wanted(Vec<(ContentHash, u64)>);

impl Wanted {
    fn of(view: &DirectoryView) -> Self {
        let directory = view.read();
        let objects = directory.objects.iter();
        let hashes =
            objects.filter_map(|object| Some((object.content_id.hash().ok()?, object.size)));
        let mut wanted: Vec<_> = hashes.collect();
        wanted.sort_unstable();
        wanted.dedup();
        Self(wanted)
    }

    fn has(&self, hash: &ContentHash) -> bool {
        self.sizes(hash).next().is_some()
    }

    /// The sizes that objects of this hash have: one, unless somebody announced a wrong one.
    fn sizes(&self, hash: &ContentHash) -> impl Iterator<Item = u64> {
        let from = self.0.partition_point(|(known, _)| known < hash);
        let same = self.0[from..]
            .iter()
            .take_while(move |(known, _)| known == hash);
        same.map(|(_, size)| *size)
    }
}

struct Run {
    bucket: TakeOver,
    wanted: Wanted,
    remove_unusable: bool,
    progress: Arc<dyn Progress>,
}

impl Run {
    /// Counts what will be read, and refuses before anything is changed what cannot be meant. The names
    /// are listed twice, so that they need not be kept.
    async fn survey(&self) -> Result<(), TakeOverError> {
        let (mut all, mut known, mut to_read, mut bytes) = (0, 0, 0, 0);
        let mut listed = Box::pin(self.bucket.list());
        while let Some(object) = listed.try_next().await? {
            let outcome = self.judge(&object).await?;
            all += u64::from(object.hash.is_some());
            known += u64::from(object.hash.is_some_and(|hash| self.wanted.has(&hash)));
            if outcome.is_none() {
                to_read += 1;
                bytes += object.size;
            }
        }
        if all > 0 && known == 0 {
            return Err(TakeOverError::OtherChain { objects: all });
        }
        self.progress.begins(to_read, bytes);
        Ok(())
    }

    async fn all(&self, jobs: usize) -> Result<Report, TakeOverError> {
        let mut report = Report {
            removed: self.remove_unusable,
            ..Report::default()
        };
        let mut done = self
            .bucket
            .list()
            .map(|object| async {
                let object = object?;
                let outcome = self.one(&object).await?;
                self.progress.done(&object, &outcome);
                Ok::<_, TakeOverError>((object, outcome))
            })
            .buffer_unordered(jobs.max(1))
            .boxed_local();
        while let Some((object, outcome)) = done.try_next().await? {
            report.add(object, outcome);
        }
        report.left.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(report)
    }

    /// What becomes of an object without being read; `None` if it must be read.
    async fn judge(&self, object: &Listed) -> Result<Option<Outcome>, TakeOverError> {
        let Some(hash) = object.hash else {
            return Ok(Some(Outcome::Ignored));
        };
        if self.bucket.is_known(&hash).await? {
            return Ok(Some(Outcome::AlreadyKnown));
        }
        let mut sizes = self.wanted.sizes(&hash).peekable();
        let Some(expected) = sizes.peek().copied() else {
            return Ok(Some(Outcome::Unknown));
        };
        let is_right = sizes.any(|size| size == object.size);
        Ok((!is_right).then_some(Outcome::WrongSize { expected }))
    }

    async fn one(&self, object: &Listed) -> Result<Outcome, TakeOverError> {
        let (outcome, hash) = match (self.judge(object).await?, object.hash) {
            (None, Some(hash)) => (self.take(hash, object.size).await?, hash),
            (Some(outcome), Some(hash)) => (outcome, hash),
            (_, None) => return Ok(Outcome::Ignored),
        };
        if self.remove_unusable && outcome.is_unusable() {
            self.bucket.discard(&hash).await?;
        }
        Ok(outcome)
    }

    /// Reads one object, again after a pause when the store fails.
    async fn take(&self, hash: ContentHash, size: u64) -> Result<Outcome, TakeOverError> {
        let (progress, mut pauses) = (self.progress.clone(), PAUSES_S.into_iter());
        let on_read: OnRead = Arc::new(move |bytes| progress.read(bytes));
        loop {
            let taken = self.bucket.take(hash, size, &on_read).await;
            return Ok(match taken {
                Ok(()) => Outcome::Taken,
                Err(BlobError::HashMismatch { actual, .. }) => Outcome::WrongHash { found: actual },
                Err(BlobError::TooShort { got, .. }) => Outcome::CutShort { got },
                Err(error @ BlobError::Unavailable { .. }) => {
                    let pause = pauses.next().ok_or(error)?;
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                    match self.bucket.check().await {
                        Ok(()) | Err(BlobError::Unavailable { .. }) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            });
        }
    }
}
