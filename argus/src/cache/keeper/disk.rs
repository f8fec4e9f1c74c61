//! Disk work for the keeper on the blocking pool: a turn of names that go and maps that shrink, in order, and
//! objects that are opened. Whatever happens in one, the others are done, and what was to be opened gets an
//! answer: somebody waits for it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::task::spawn_blocking;

use crate::{
    cache::{
        Shelf, ShelfError, extents,
        shelf::{Files, Leaving},
    },
    content::Content,
};

/// Objects of a turn whose room is freed beside, at most: each of them is an open file. The room of others is freed in
/// the turn.
const LEAVING_OF_TURN_MAX: usize = 16;

/// Room to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// Remove an object's files.
    Remove(Content),
    /// Give back an object's extents from this one on, which take so many bytes.
    Trim {
        /// The object.
        content: Content,
        /// The first extent to go.
        from: u64,
        /// What they take.
        bytes: u64,
    },
}

impl Free {
    /// Of which object.
    pub(super) fn content(&self) -> Content {
        match self {
            Self::Remove(content) | Self::Trim { content, .. } => *content,
        }
    }

    /// What the disk gets back by it, at most.
    pub(super) fn bytes_max(&self) -> u64 {
        match self {
            Self::Remove(content) => extents::footprint(content),
            Self::Trim { bytes, .. } => *bytes,
        }
    }
}

/// The hands on the disk.
pub(super) trait Disk: Send + Sync + 'static {
    /// An object's open files.
    type Files: Send + 'static;
    /// What takes room until it is dropped. Dropping blocks.
    type Leaving: Send + 'static;
    /// Opens them, making them if there are none.
    fn open(&self, content: &Content) -> Result<Self::Files, ShelfError>;
    /// Removes them.
    fn remove(&self, content: &Content) -> Result<Self::Leaving, ShelfError>;
    /// Lets go of the extents from this one on.
    fn trim(&self, content: &Content, from: u64) -> Result<Self::Leaving, ShelfError>;
}

impl Disk for Shelf {
    type Files = Files;
    type Leaving = Leaving;
    fn open(&self, content: &Content) -> Result<Files, ShelfError> {
        self.files(content)
    }
    fn remove(&self, content: &Content) -> Result<Leaving, ShelfError> {
        Self::remove(self, content)
    }
    fn trim(&self, content: &Content, from: u64) -> Result<Leaving, ShelfError> {
        Self::trim(self, content, from)
    }
}

/// Opens an object's files.
pub(super) async fn open<D: Disk>(disk: Arc<D>, content: Content) -> Result<D::Files, ShelfError> {
    let opened = spawn_blocking(move || caught(content, || disk.open(&content))).await;
    opened.unwrap_or_else(|error| {
        tracing::error!(%error, "disk work of the cache was lost");
        let why = error.to_string();
        Err(ShelfError::Lost { content, why })
    })
}

/// Does the jobs in order. What is returned takes room until it is dropped; all else has been freed.
pub(super) async fn turn<D: Disk>(disk: Arc<D>, jobs: Vec<Free>) -> Vec<(Free, D::Leaving)> {
    let work = move || {
        let mut leaving = Vec::new();
        for job in jobs {
            let content = job.content();
            let left = caught(content, || match job {
                Free::Remove(content) => disk.remove(&content),
                Free::Trim { content, from, .. } => disk.trim(&content, from),
            });
            match left {
                Ok(left) if leaving.len() < LEAVING_OF_TURN_MAX => leaving.push((job, left)),
                Ok(left) => drop(left),
                Err(error) => tracing::error!(%error, "room in the cache cannot be given back"),
            }
        }
        leaving
    };
    spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "disk work of the cache was lost");
        Vec::new()
    })
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
    struct Haunted(Mutex<Vec<&'static str>>);

    impl Haunted {
        fn job(&self, job: &'static str, content: &Content) {
            assert!(content.size != 13, "haunted");
            self.0.lock().push(job);
        }
    }

    impl Disk for Haunted {
        type Files = u64;
        type Leaving = Content;
        fn open(&self, content: &Content) -> Result<u64, ShelfError> {
            self.job("open", content);
            Ok(content.size)
        }
        fn remove(&self, content: &Content) -> Result<Content, ShelfError> {
            self.job("remove", content);
            Ok(*content)
        }
        fn trim(&self, content: &Content, _: u64) -> Result<Content, ShelfError> {
            self.job("trim", content);
            Ok(*content)
        }
    }

    fn content(size: u64) -> Content {
        let hash = ContentHash::of(&size.to_le_bytes());
        Content { hash, size }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_for_its_object_and_the_other_jobs_are_done() {
        let disk = Arc::new(Haunted::default());
        let trim = |size| Free::Trim {
            content: content(size),
            from: 1,
            bytes: 5,
        };
        let jobs = vec![
            Free::Remove(content(13)),
            trim(2),
            trim(13),
            Free::Remove(content(4)),
        ];
        let leaving = turn(disk.clone(), jobs).await;
        let expected = [
            (trim(2), content(2)),
            (Free::Remove(content(4)), content(4)),
        ];
        assert_eq!(leaving, expected);
        assert_eq!(*disk.0.lock(), ["trim", "remove"], "in order");
        assert_eq!(open(disk.clone(), content(1)).await.ok(), Some(1));
        let error = open(disk.clone(), content(13)).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("haunted") && error.contains(&content(13).to_string()));
        let many = turn(disk, vec![Free::Remove(content(4)); 1_000]).await;
        assert_eq!(many.len(), LEAVING_OF_TURN_MAX);
    }
}
