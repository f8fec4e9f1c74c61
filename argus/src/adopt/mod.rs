//! `argus adopt`: takes over the cache directory of a reference node, whose files are named by object id.
//!
//! | module | what it owns |
//! |---|---|
//! | here | the way of all files: judged, verified, taken |
//! | [`report`] | what became of each file |
//!
//! Nothing is taken that does not have the size and the hash of its object, and nothing that is kept makes
//! room for it. Each object is durable before the next one is looked at, so a run that was killed is
//! continued by starting it again. Other files stay as they are.

pub mod report;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use shared::{
    adopt::{Candidate, Listing, Unlistable},
    chain::{
        Chain, ChainError,
        follower::{Follower, FollowerOptions},
    },
    verified::Builder,
};

use crate::{
    cache::{Shelf, ShelfError, extents},
    catalog::{Catalog, Lookup, Scope},
    config::Config,
    content::Content,
};

pub use report::{Outcome, Report};

/// Bytes read and hashed at once.
const READ_BYTES: usize = 1 << 20;

/// How a file gets into the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The old name goes when the object is durable here. Between file systems one file at a time is
    /// copied.
    #[default]
    Move,
    /// The old file stays. Takes the space twice, unless the file system can share blocks.
    Copy,
}

/// What to adopt, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cache directory of the reference node.
    pub dir: PathBuf,
    /// How.
    pub mode: Mode,
    /// Judge only; nothing is read or changed.
    pub dry_run: bool,
}

/// Hears how the run goes.
pub trait Progress: Send + Sync {
    /// Files and bytes there are.
    fn begins(&self, files: u64, bytes: u64);
    /// So many bytes more were read.
    fn read(&self, bytes: u64);
    /// One file is done.
    fn done(&self, file: &Candidate, outcome: &Outcome);
}

/// Why a run ended early. What was adopted until then stays; run it again.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The chain cannot be read.
    #[error("the chain cannot be read")]
    Chain(#[from] ChainError),
    /// This node's cache.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The other node's cache.
    #[error("the directory to adopt cannot be read: {0}")]
    Listing(#[from] Unlistable),
    /// The worker distributes nothing.
    #[error(
        "worker {worker} distributes nothing by the chain: give the right --worker, accept the invitation to a bucket, or switch it to distributing"
    )]
    NothingToServe {
        /// The worker.
        worker: shared::ids::WorkerId,
    },
    /// A file cannot be copied here, or its old name does not go.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Takes over a directory. Refuses while a node uses the cache. A dry run changes nothing and may be made
/// meanwhile.
pub async fn adopt(
    config: &Config,
    chain: Arc<dyn Chain>,
    options: Options,
    progress: Arc<dyn Progress>,
) -> Result<Report, AdoptError> {
    let follower = Follower::start(chain, FollowerOptions::default()).await?;
    let scope = Scope {
        worker: config.worker,
        only: config.buckets.clone(),
    };
    let catalog = Catalog::new(scope, follower.directory(), follower.status());
    let (shelf, found) = match options.dry_run {
        true => (None, Shelf::look(&config.data_dir)?),
        false => {
            let (shelf, found) = Shelf::open(&config.data_dir)?;
            (Some(shelf), found)
        }
    };
    let kept = found.iter().map(|it| it.extents.bytes(&it.content, 0));
    let mut run = Run {
        taken_bytes: kept.sum(),
        order: found.iter().map(|it| it.content).collect(),
        here: found
            .iter()
            .map(|it| (it.content, (it.complete, it.extents.bytes(&it.content, 0))))
            .collect(),
        limit: config.cache.limit.0,
        object_max: config.object_max(),
        worker: config.worker,
        shelf,
        catalog,
        options,
        progress,
    };
    let work = move || run.all();
    match tokio::task::spawn_blocking(work).await {
        Ok(report) => report,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// All of this blocks.
struct Run {
    /// `None` for a dry run.
    shelf: Option<Shelf>,
    catalog: Catalog,
    options: Options,
    progress: Arc<dyn Progress>,
    limit: u64,
    object_max: u64,
    worker: shared::ids::WorkerId,
    /// What the cache takes on disk.
    taken_bytes: u64,
    /// What was here before: all of it, and how many bytes it takes.
    here: HashMap<Content, (bool, u64)>,
    /// Everything in the cache, what is to go first first.
    order: Vec<Content>,
}

impl Run {
    fn all(&mut self) -> Result<Report, AdoptError> {
        let mut taken = Vec::new();
        let result = self.files(&mut taken);
        // However it went: what is kept need not be verified again at the next start.
        self.note_order(&taken)?;
        result
    }

    fn files(&mut self, taken: &mut Vec<Content>) -> Result<Report, AdoptError> {
        if self.catalog.is_empty() {
            return Err(AdoptError::NothingToServe {
                worker: self.worker,
            });
        }
        let mut listing = Listing::take(&self.options.dir, None)?;
        let mut report = Report {
            dry_run: self.options.dry_run,
            ignored: listing.ignored,
            ..Report::default()
        };
        // What was read last first: it is taken as long as there is room.
        listing
            .candidates
            .sort_by_cached_key(|file| std::cmp::Reverse(last_read(&file.path)));
        let bytes = listing.candidates.iter().map(|file| file.len).sum();
        let files = &listing.candidates;
        self.progress.begins(files.len() as u64, bytes);
        for file in files {
            let (content, outcome) = self.one(file)?;
            if let (Some(content), Outcome::Adopted) = (content, &outcome) {
                taken.push(content);
            }
            self.progress.done(file, &outcome);
            report.add(file.object, file.len, outcome);
        }
        Ok(report)
    }

    /// What was adopted was used before what the edge holds itself, and goes before it.
    fn note_order(&self, taken: &[Content]) -> Result<(), ShelfError> {
        let new: HashSet<&Content> = taken.iter().collect();
        let old = self.order.iter().filter(|content| !new.contains(content));
        let order: Vec<Content> = taken.iter().rev().chain(old).copied().collect();
        match &self.shelf {
            Some(shelf) => shelf.mark_stopped(&order),
            None => Ok(()),
        }
    }

    /// Judges a file, and takes it if it is what its name says.
    fn one(&mut self, file: &Candidate) -> Result<(Option<Content>, Outcome), AdoptError> {
        let content = match self.judge(file) {
            Ok(content) => content,
            Err(outcome) => return Ok((None, outcome)),
        };
        let (complete, bytes_here) = self.here.get(&content).copied().unwrap_or_default();
        let footprint = extents::footprint(&content);
        if complete {
            return Ok((None, Outcome::AlreadyHere));
        }
        if self.taken_bytes - bytes_here + footprint > self.limit {
            return Ok((None, Outcome::NoRoom));
        }
        let Some(shelf) = &self.shelf else {
            self.taken_bytes += footprint - bytes_here;
            self.here.insert(content, (true, footprint));
            return Ok((None, Outcome::WouldAdopt));
        };
        let outcome = self.take(shelf, file, &content)?;
        if outcome == Outcome::Adopted {
            self.taken_bytes += footprint - bytes_here;
            self.here.insert(content, (true, footprint));
        }
        Ok((Some(content), outcome))
    }

    /// What the chain says of a file before a byte of it is read.
    fn judge(&self, file: &Candidate) -> Result<Content, Outcome> {
        let content = match self.catalog.find(file.object) {
            Lookup::Here(asset) => asset.content,
            Lookup::Unknown => return Err(Outcome::Unknown),
            Lookup::NotAccepted | Lookup::Elsewhere { .. } => return Err(Outcome::NotServed),
            Lookup::Unverifiable { content_id } => {
                return Err(Outcome::Unverifiable { content_id });
            }
        };
        if content.size != file.len {
            return Err(Outcome::WrongSize {
                expected: content.size,
                found: file.len,
            });
        }
        if extents::footprint(&content) > self.object_max {
            return Err(Outcome::TooLarge);
        }
        Ok(content)
    }

    fn take(
        &self,
        shelf: &Shelf,
        file: &Candidate,
        content: &Content,
    ) -> Result<Outcome, AdoptError> {
        let is_same_device = is_same_device(shelf.dir(), &file.path);
        if self.options.mode == Mode::Move && is_same_device {
            return match self.verify(&file.path, content) {
                Ok(Ok(outboard)) => {
                    shelf.take(content, &file.path, &outboard)?;
                    Ok(Outcome::Adopted)
                }
                Ok(Err(outcome)) => Ok(outcome),
                Err(cause) => Ok(unreadable(&cause)),
            };
        }
        let copy = shelf.name_for_copy(content)?;
        let taken = self.copy_and_take(shelf, file, content, &copy);
        if !matches!(taken, Ok(Outcome::Adopted)) {
            // Whatever it is, it is of no use; at the latest the next start removes it.
            let _ = fs::remove_file(&copy);
        } else if self.options.mode == Mode::Move {
            fs::remove_file(&file.path).map_err(|cause| AdoptError::File {
                what: "it is adopted, and its old name cannot be removed:",
                path: file.path.clone(),
                cause,
            })?;
        }
        taken
    }

    /// What is hashed is the copy: so it counts what arrived here.
    fn copy_and_take(
        &self,
        shelf: &Shelf,
        file: &Candidate,
        content: &Content,
        copy: &Path,
    ) -> Result<Outcome, AdoptError> {
        if let Err(cause) = File::open(&file.path) {
            return Ok(unreadable(&cause));
        }
        let failed = |cause| AdoptError::File {
            what: "cannot copy into the cache:",
            path: file.path.clone(),
            cause,
        };
        fs::copy(&file.path, copy).map_err(failed)?;
        match self.verify(copy, content).map_err(failed)? {
            Ok(outboard) => {
                shelf.take(content, copy, &outboard)?;
                Ok(Outcome::Adopted)
            }
            Err(outcome) => Ok(outcome),
        }
    }

    /// The outboard, if the file has the object's hash.
    fn verify(&self, path: &Path, content: &Content) -> io::Result<Result<Vec<u8>, Outcome>> {
        let mut file = File::open(path)?;
        let mut builder = Builder::new(content.size);
        let mut buffer = vec![0; READ_BYTES];
        let changed = || Outcome::Unreadable {
            reason: "it changed while it was read: is the old node still running?".into(),
        };
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if builder.update(&buffer[..read]).is_err() {
                return Ok(Err(changed()));
            }
            self.progress.read(read as u64);
        }
        let Ok(built) = builder.finish() else {
            return Ok(Err(changed()));
        };
        if built.hash != content.hash {
            return Ok(Err(Outcome::WrongHash {
                expected: content.hash,
                found: built.hash,
            }));
        }
        Ok(Ok(built.into_outboard()))
    }
}

fn is_same_device(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|data| data.dev()).ok();
    device(one).is_some() && device(one) == device(other)
}

fn unreadable(cause: &io::Error) -> Outcome {
    Outcome::Unreadable {
        reason: cause.to_string(),
    }
}

/// When a file was used last, as far as the file system tells.
fn last_read(path: &Path) -> Option<SystemTime> {
    let data = fs::metadata(path).ok()?;
    data.accessed().ok().max(data.modified().ok())
}
