//! Shared read access to the current directory.

use std::sync::Arc;

use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};

use super::scan::Operator;
use crate::chain::{
    Block, BlockRef,
    directory::{Changes, Directory},
};

/// The current directory. Clones share it; reading is cheap. Guards must not be held across an
/// `await`: a follower that wants to write waits for them, and later readers wait for the follower.
#[derive(Debug, Clone)]
pub struct DirectoryView(Arc<RwLock<Standing>>);

#[derive(Debug)]
struct Standing {
    directory: Directory,
    at: BlockRef,
}

impl DirectoryView {
    /// A view of a directory that a follower, or a test, keeps up to date.
    pub fn new(directory: Directory, at: BlockRef) -> Self {
        Self(Arc::new(RwLock::new(Standing { directory, at })))
    }

    /// The directory, locked for reading.
    pub fn read(&self) -> MappedRwLockReadGuard<'_, Directory> {
        RwLockReadGuard::map(self.0.read(), |standing| &standing.directory)
    }

    /// The block at which the directory stands.
    pub fn at(&self) -> BlockRef {
        self.0.read().at
    }

    /// Puts another directory in place.
    pub fn replace(&self, directory: Directory, at: BlockRef) {
        *self.0.write() = Standing { directory, at };
    }

    /// Applies all events of the next block at once.
    pub fn apply(&self, block: &Block) -> Changes {
        let mut standing = self.0.write();
        let mut changes = Changes::default();
        for event in &block.events {
            changes.absorb(standing.directory.apply(&event.event));
        }
        standing.at = block.at;
        changes
    }

    pub(super) fn set_endpoint(&self, operator: Operator, endpoint: String) -> Changes {
        let mut changes = Changes::default();
        let directory = &mut self.0.write().directory;
        match operator {
            Operator::Storage(bucket, worker) => {
                directory.set_storage_endpoint(bucket, worker, Some(endpoint), &mut changes);
            }
            Operator::Distribution(bucket, worker) => {
                directory.set_distribution_endpoint(bucket, worker, Some(endpoint), &mut changes);
            }
        }
        changes
    }
}
