//! A turn of disk work for the keeper: the jobs in order on the blocking pool. Whatever happens in one,
//! the others are done, and everything that was to be opened gets an answer: somebody waits for it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::task::spawn_blocking;

use crate::{
    cache::{
        Shelf, ShelfError,
        shelf::{Files, Removed},
    },
    content::Content,
};

/// Removed objects that are left to be freed later, at most: each of them is an open file.
const REMOVED_MAX: usize = 16;

/// Work for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Remove an object's files.
    Remove(Content),
    /// Give back an object's extents from this one on.
    Trim(Content, u64),
    /// Open them.
    Open(Content),
}

impl Job {
    /// Of which object.
    pub(super) fn content(&self) -> Content {
        match self {
            Self::Remove(content) | Self::Trim(content, _) | Self::Open(content) => *content,
        }
    }
}

/// When the room of what a turn removes is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freeing {
    /// In the turn: what is opened in it needs that room.
    Now,
    /// Beside the turns that follow.
    Later,
}

/// What was to be opened, and what came of it.
pub(super) type Opened<F> = Vec<(Content, Result<F, ShelfError>)>;

/// What came of a turn.
pub(super) struct Done<D: Disk + ?Sized> {
    /// Everything that was to be opened.
    pub opened: Opened<D::Files>,
    /// What was removed and is to be freed later: it takes room until this is dropped. Blocks.
    pub removed: Vec<D::Removed>,
}

/// The hands on the disk.
pub(super) trait Disk: Send + Sync + 'static {
    /// An object's open files.
    type Files: Send + 'static;
    /// What is left of removed files.
    type Removed: Send + 'static;
    /// Opens them, making them if there are none.
    fn open(&self, content: &Content) -> Result<Self::Files, ShelfError>;
    /// Removes them. Their room is free when what is returned is dropped.
    fn remove(&self, content: &Content) -> Result<Self::Removed, ShelfError>;
    /// Gives back the extents from this one on.
    fn trim(&self, content: &Content, from: u64) -> Result<(), ShelfError>;
}

impl Disk for Shelf {
    type Files = Files;
    type Removed = Removed;
    fn open(&self, content: &Content) -> Result<Files, ShelfError> {
        self.files(content)
    }
    fn remove(&self, content: &Content) -> Result<Removed, ShelfError> {
        Self::remove(self, content)
    }
    fn trim(&self, content: &Content, from: u64) -> Result<(), ShelfError> {
        Self::trim(self, content, from)
    }
}

/// Does the jobs in order and tells of every one that opens.
pub(super) async fn turn<D: Disk>(disk: Arc<D>, jobs: Vec<Job>, freeing: Freeing) -> Done<D> {
    let to_open = jobs.iter().filter_map(|job| match job {
        Job::Open(content) => Some(*content),
        Job::Remove(_) | Job::Trim(..) => None,
    });
    let to_open: Vec<Content> = to_open.collect();
    let work = move || {
        let mut done = Done {
            opened: Vec::new(),
            removed: Vec::new(),
        };
        for job in jobs {
            work(&*disk, job, &mut done);
            if freeing == Freeing::Now || done.removed.len() == REMOVED_MAX {
                done.removed.clear();
            }
        }
        done
    };
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "disk work of the cache was lost");
            let why = error.to_string();
            let lost = |content| {
                let why = why.clone();
                (content, Err(ShelfError::Lost { content, why }))
            };
            Done {
                opened: to_open.into_iter().map(lost).collect(),
                removed: Vec::new(),
            }
        }
    }
}

/// Does one job; a panic in it is an error of this job alone.
fn work<D: Disk>(disk: &D, job: Job, done: &mut Done<D>) {
    match job {
        Job::Open(content) => {
            let opened = caught(content, || disk.open(&content));
            done.opened.push((content, opened));
        }
        Job::Remove(content) => match caught(content, || disk.remove(&content)) {
            Ok(removed) => done.removed.push(removed),
            Err(error) => tracing::error!(%error, "an evicted object cannot be removed"),
        },
        Job::Trim(content, from) => {
            if let Err(error) = caught(content, || disk.trim(&content, from)) {
                tracing::error!(%error, "the end of an object cannot be given back");
            }
        }
    }
}

/// The shelf stays usable after a panic: its one lock does not poison, and what it guards is changed
/// in single steps.
fn caught<T>(
    content: Content,
    job: impl FnOnce() -> Result<T, ShelfError>,
) -> Result<T, ShelfError> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| {
        let why = message(panic.as_ref());
        Err(ShelfError::Lost { content, why })
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use shared::hash::ContentHash;

    use super::*;

    /// Panics for objects of 13 bytes.
    #[derive(Default)]
    struct Haunted(Mutex<Vec<Job>>);

    impl Haunted {
        fn job(&self, job: Job, content: &Content) {
            assert!(content.size != 13, "haunted");
            self.0.lock().push(job);
        }
    }

    impl Disk for Haunted {
        type Files = u64;
        type Removed = Content;
        fn open(&self, content: &Content) -> Result<u64, ShelfError> {
            self.job(Job::Open(*content), content);
            Ok(content.size)
        }
        fn remove(&self, content: &Content) -> Result<Content, ShelfError> {
            self.job(Job::Remove(*content), content);
            Ok(*content)
        }
        fn trim(&self, content: &Content, from: u64) -> Result<(), ShelfError> {
            self.job(Job::Trim(*content, from), content);
            Ok(())
        }
    }

    fn content(size: u64) -> Content {
        let hash = ContentHash::of(&size.to_le_bytes());
        Content { hash, size }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_for_its_object_and_the_other_jobs_are_done() {
        let disk = Arc::new(Haunted::default());
        let jobs = vec![
            Job::Remove(content(13)),
            Job::Open(content(1)),
            Job::Open(content(13)),
            Job::Trim(content(2), 1),
            Job::Open(content(3)),
            Job::Remove(content(4)),
        ];
        let Done { opened, removed } = turn(disk.clone(), jobs.clone(), Freeing::Later).await;
        assert_eq!(removed, [content(4)]);
        let [(first, one), (second, bad), (third, three)] = &opened[..] else {
            panic!("three were to be opened, {} answers", opened.len());
        };
        assert_eq!([*first, *second, *third], [1, 13, 3].map(content));
        assert_eq!(
            (one.as_ref().ok(), three.as_ref().ok()),
            (Some(&1), Some(&3))
        );
        let error = bad.as_ref().unwrap_err().to_string();
        assert!(error.contains("haunted") && error.contains(&content(13).to_string()));
        assert_eq!(
            *disk.0.lock(),
            [jobs[1], jobs[3], jobs[4], jobs[5]],
            "in order"
        );
        let remove = Job::Remove(content(4));
        let freed = turn(disk.clone(), vec![remove], Freeing::Now).await;
        assert!(freed.removed.is_empty());
        let many = turn(disk, vec![remove; 1_000], Freeing::Later).await;
        assert!(many.removed.len() < REMOVED_MAX);
    }
}
