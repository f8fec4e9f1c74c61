//! The way of all files: judged, verified, taken, recorded.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use shared::{
    blob::{BlobError, BlobStore, Verified, take::OnRead},
    chain::{
        Chain,
        directory::Directory,
        follower::{Follower, FollowerOptions},
    },
    hash::ContentHash,
    ids::{ObjectId, StorageBucketId, WorkerId},
    table::Database,
};

use super::{
    dry_run::{self, Unopened},
    judge::{Worthy, judge},
    listing::{Candidate, Listing, Unlistable},
    report::{Outcome, Report},
};
use crate::{
    app::{StartError, check_genesis, open_holdings},
    config::Config,
    history::Way,
    holdings::{Holdings, HoldingsError},
    node::{now_ms, our_buckets},
};

/// How a file gets into the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A second name for the same bytes (hard link): no space, and the old node still finds its
    /// files. Both directories must be on one file system.
    #[default]
    Link,
    /// The old name goes once the object is durable here. Between file systems one file at a time
    /// is copied.
    Move,
    /// The bytes are written again: takes their space a second time.
    Copy,
}

/// What to adopt, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The uploads directory.
    pub dir: PathBuf,
    /// Where pending objects lie if not in `pending` below it.
    pub pending_dir: Option<PathBuf>,
    /// How.
    pub mode: Mode,
    /// Judge only; nothing is read or changed.
    pub dry_run: bool,
    /// Files read at once.
    pub jobs: usize,
}

/// Hears how the run goes, from any thread.
pub trait Progress: Send + Sync {
    /// Files and bytes there are.
    fn begins(&self, files: u64, bytes: u64);
    /// So many bytes more are done.
    fn read(&self, bytes: u64);
    /// One file is done.
    fn done(&self, file: &Candidate, outcome: &Outcome);
}

/// Why a run ended early. What was adopted until then stays; run it again.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// As when the node is started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The uploads directory.
    #[error("the uploads directory cannot be read: {0}")]
    Listing(#[from] Unlistable),
    /// The worker operates nothing.
    #[error(
        "worker {worker} operates no storage bucket{}: give the right --worker, or accept the invitation first",
        if *.is_limited { " of those configured" } else { "" }
    )]
    NoBucket {
        /// The worker.
        worker: WorkerId,
        /// Does the configuration name buckets?
        is_limited: bool,
    },
    /// Links cannot cross devices.
    #[error(
        "{} and {} are on different file systems, where nothing can be linked: give --mode move (copies one file, then removes it) or --mode copy (takes the space twice)",
        from.display(), to.display()
    )]
    OtherDevice {
        /// The uploads directory.
        from: PathBuf,
        /// The store.
        to: PathBuf,
    },
    /// Not enough space.
    #[error("{needed} bytes are needed and {free} are free in {}: free space or use another mode", dir.display())]
    NoSpace {
        /// Bytes to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// The store.
        dir: PathBuf,
    },
    /// An object cannot be made durable.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The old name cannot be removed.
    #[error("{} is adopted and cannot be removed: {cause}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Bytes of an outboard are at most this part of its object, plus a little.
const OUTBOARD_PART: u64 = 500;

/// Takes over a directory. Refuses while a node has the store open.
pub async fn adopt(
    config: &Config,
    chain: Arc<dyn Chain>,
    options: &Options,
    progress: Arc<dyn Progress>,
) -> Result<Report, AdoptError> {
    if options.dry_run {
        let unopened = Unopened::look(config.places()).await?;
        let case = Case::take(config, chain, options).await?;
        let places = config.places();
        return dry_run::judge_all(places, &unopened, &case, options, &progress).await;
    }
    let places = config.places();
    let blobs = blocking(move || Ok(BlobStore::open_all(&places)?)).await?;
    blobs.measure().await;
    blobs.check_taken_over().await.map_err(StartError::from)?;
    let index = config.data_dir.join("index");
    let database = blocking(move || Ok(Database::open(&index)?)).await?;
    let genesis = chain.genesis_hash().await.map_err(StartError::from)?;
    check_genesis(config, &database, genesis).await?;
    let holdings = open_holdings(blobs, database).await?;
    let case = Case::take(config, chain, options).await?;

    let store = holdings.blobs();
    let room = Room {
        dir: store.dir().into(),
        free_bytes: store.free_bytes().map_err(HoldingsError::from)?,
        is_same_device: store.is_on_device(case.listing.device),
    };
    case.check_room(options, &room, |object, _| holdings.contains(object))?;
    let run = Run {
        holdings,
        case,
        mode: options.mode,
        is_same_device: room.is_same_device,
        progress,
    };
    run.all(options.jobs).await
}

/// The files, and what they are judged by.
pub(super) struct Case {
    directory: Directory,
    ours: BTreeSet<StorageBucketId>,
    pub(super) listing: Listing,
}

/// Where the files would go.
pub(super) struct Room {
    pub(super) dir: PathBuf,
    pub(super) free_bytes: u64,
    /// Can what lies in the uploads directory be linked there?
    pub(super) is_same_device: bool,
}

impl Case {
    async fn take(
        config: &Config,
        chain: Arc<dyn Chain>,
        options: &Options,
    ) -> Result<Self, AdoptError> {
        let follower = Follower::start(chain, FollowerOptions::default()).await;
        let directory = follower.map_err(StartError::from)?.directory();
        let directory = directory.read().clone();
        let ours = our_buckets(config, &directory);
        if ours.is_empty() {
            return Err(AdoptError::NoBucket {
                worker: config.worker,
                is_limited: !config.buckets.is_empty(),
            });
        }
        let (dir, pending) = (options.dir.clone(), options.pending_dir.clone());
        Ok(Self {
            directory,
            ours,
            listing: blocking_list(dir, pending).await?,
        })
    }

    /// Refuses before anything is written what cannot end well.
    pub(super) fn check_room(
        &self,
        options: &Options,
        room: &Room,
        is_held: impl Fn(ObjectId, &ContentHash) -> bool,
    ) -> Result<(), AdoptError> {
        let dir = room.dir.clone();
        if options.mode == Mode::Link && !room.is_same_device {
            return Err(AdoptError::OtherDevice {
                from: options.dir.clone(),
                to: dir,
            });
        }
        let is_new = |file: &&Candidate| {
            let judged = self.judge(file);
            judged.is_ok_and(|worthy| !is_held(file.object, &worthy.hash))
        };
        let new = self.listing.candidates.iter().filter(is_new);
        let total: u64 = new.map(|file| file.len).sum();
        let outboards = total / OUTBOARD_PART;
        let needed = match options.mode {
            Mode::Link => outboards,
            Mode::Move if room.is_same_device => outboards,
            Mode::Copy | Mode::Move => total + outboards,
        };
        let free = room.free_bytes;
        match needed > free {
            true => Err(AdoptError::NoSpace { needed, free, dir }),
            false => Ok(()),
        }
    }

    pub(super) fn judge(&self, file: &Candidate) -> Result<Worthy, Outcome> {
        judge(file, &self.directory, &self.ours, now_ms())
    }
}

struct Run {
    holdings: Holdings,
    case: Case,
    mode: Mode,
    is_same_device: bool,
    progress: Arc<dyn Progress>,
}

impl Run {
    async fn all(&self, jobs: usize) -> Result<Report, AdoptError> {
        let mut report = Report {
            ignored: self.case.listing.ignored,
            ..Report::default()
        };
        let files = &self.case.listing.candidates;
        let bytes = files.iter().map(|file| file.len).sum();
        self.progress.begins(files.len() as u64, bytes);
        let mut done = stream::iter(files)
            .map(|file| async move {
                let outcome = self.one(file).await?;
                self.progress.done(file, &outcome);
                Ok::<_, AdoptError>((file.object, file.len, outcome))
            })
            .buffered(jobs.max(1));
        while let Some((object, len, outcome)) = done.try_next().await? {
            report.add(object, len, outcome);
        }
        Ok(report)
    }

    async fn one(&self, file: &Candidate) -> Result<Outcome, AdoptError> {
        let Worthy { hash, debt } = match self.case.judge(file) {
            Ok(worthy) => worthy,
            Err(outcome) => return Ok(outcome),
        };
        let pending = debt.is_some();
        let was_held = self.holdings.contains(file.object);
        // The bytes may be here already: from a run that was killed, or under another object's id.
        let has_bytes = match debt {
            None if was_held => self
                .holdings
                .blobs()
                .get(&hash)
                .await
                .map_err(HoldingsError::from)?
                .is_some(),
            debt => self
                .holdings
                .store_copy(file.object, hash, debt, Way::Adopted)
                .await?
                .is_some(),
        };
        if !has_bytes {
            let verified = match self.take(file, hash).await {
                Ok(verified) => verified,
                Err(error) => return refused(error, hash),
            };
            self.holdings
                .store(file.object, verified, debt, Way::Adopted)
                .await?;
        }
        if self.mode == Mode::Move {
            if has_bytes && let Err(error) = self.check_spare(file, hash).await {
                return refused(error, hash);
            }
            remove(&file.path).await?;
        }
        Ok(match was_held && has_bytes {
            true => Outcome::AlreadyHeld,
            false => Outcome::Adopted { pending },
        })
    }

    async fn take(&self, file: &Candidate, hash: ContentHash) -> Result<Verified, BlobError> {
        let blobs = self.holdings.blobs();
        match self.mode {
            Mode::Link => {
                blobs
                    .take_link(&file.path, hash, file.len, self.on_read())
                    .await
            }
            Mode::Move if self.is_same_device => {
                let linked = blobs
                    .take_link(&file.path, hash, file.len, self.on_read())
                    .await;
                match linked {
                    // A file system without hard links.
                    Err(BlobError::Io { source, .. })
                        if source.kind() == io::ErrorKind::Unsupported =>
                    {
                        blobs
                            .take_copy(&file.path, hash, file.len, self.on_read())
                            .await
                    }
                    linked => linked,
                }
            }
            Mode::Move | Mode::Copy => {
                blobs
                    .take_copy(&file.path, hash, file.len, self.on_read())
                    .await
            }
        }
    }

    /// The old name may go only if its bytes are those that are held: a second name for them, or a
    /// second copy, which is verified as if it were to be taken.
    async fn check_spare(&self, file: &Candidate, hash: ContentHash) -> Result<(), BlobError> {
        match self.holdings.blobs().is_same_file(&file.path, hash).await? {
            true => Ok(()),
            false => self.take(file, hash).await.map(drop),
        }
    }

    fn on_read(&self) -> OnRead {
        let progress = self.progress.clone();
        Arc::new(move |bytes| progress.read(bytes))
    }
}

/// Errors of the file are its outcome; those of the store end the run.
fn refused(error: BlobError, expected: ContentHash) -> Result<Outcome, AdoptError> {
    match error {
        BlobError::HashMismatch { actual, .. } => Ok(Outcome::WrongHash {
            expected,
            found: actual,
        }),
        BlobError::TooShort { .. } | BlobError::TooLong { .. } => Ok(Outcome::Unreadable {
            reason: "it changed while it was read: is the old node still running?".into(),
        }),
        BlobError::Io {
            action: "open" | "read" | "link",
            source,
            ..
        } => Ok(Outcome::Unreadable {
            reason: source.to_string(),
        }),
        error => Err(HoldingsError::from(error).into()),
    }
}

async fn remove(path: &Path) -> Result<(), AdoptError> {
    match tokio::fs::remove_file(path).await {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(AdoptError::Remove {
            path: path.into(),
            cause,
        }),
        _ => Ok(()),
    }
}

async fn blocking_list(dir: PathBuf, pending: Option<PathBuf>) -> Result<Listing, AdoptError> {
    let list = move || Listing::take(&dir, pending.as_deref());
    match tokio::task::spawn_blocking(list).await {
        Ok(listing) => Ok(listing?),
        Err(_) => Err(StartError::Stopping.into()),
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StartError::Stopping))
}
