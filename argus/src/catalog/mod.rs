//! What this node distributes, by the finalised chain: objects of bags that are assigned to a
//! distributing bucket in which our worker is an accepted operator.
//!
//! - [`assets`]: the objects that may be served, looked up by id on every request; pure
//! - [`follow`]: keeps them up to date and tells the cache what is no longer to be kept

pub mod assets;
pub mod follow;

use std::sync::Arc;

use parking_lot::RwLock;
use shared::{
    chain::{
        directory::Directory,
        follower::{DirectoryView, Status, StatusView},
    },
    ids::{BagId, DistributionBucketId, ObjectId, StorageBucketId, WorkerId},
};

use crate::content::Content;
pub use assets::{Asset, Assets, Scope};

/// What there is to say about an object id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It is served here.
    Here(Asset),
    /// The chain knows no such object.
    Unknown,
    /// Nobody has uploaded it yet.
    NotAccepted,
    /// Other nodes distribute it.
    Elsewhere {
        /// Its bag.
        bag: BagId,
    },
    /// Its content id on chain is not a BLAKE3 hash, so no byte of it can be verified.
    Unverifiable {
        /// The content id.
        content_id: String,
    },
}

/// A storage node that should hold an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its bucket.
    pub bucket: StorageBucketId,
    /// HTTP root.
    pub endpoint: String,
}

/// Shared read access to the catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    scope: Arc<RwLock<Scope>>,
    directory: DirectoryView,
    assets: Arc<RwLock<Assets>>,
    status: StatusView,
}

impl Catalog {
    /// A catalog over a directory that a follower keeps up to date.
    pub fn new(scope: Scope, directory: DirectoryView, status: StatusView) -> Self {
        let assets = Assets::of(&scope, &directory.read());
        Self {
            scope: Arc::new(RwLock::new(scope)),
            directory,
            assets: Arc::new(RwLock::new(assets)),
            status,
        }
    }

    /// Looks up an object. One look into a hash map for what is served here.
    pub fn find(&self, id: ObjectId) -> Lookup {
        if let Some(asset) = self.asset(id) {
            return Lookup::Here(asset);
        }
        assets::explain(&self.scope.read(), &self.directory.read(), id)
    }

    /// The asset of this id, if it is served here.
    pub fn asset(&self, id: ObjectId) -> Option<Asset> {
        self.assets.read().get(id)
    }

    /// The newest objects of a bag that are served here, of its `count` newest, ascending by id.
    pub fn newest_of(&self, bag: BagId, count: usize) -> Vec<Asset> {
        let directory = self.directory.read();
        let ids = directory.newest_objects_of(bag, count).map(|it| it.id);
        let ids: Vec<ObjectId> = ids.collect();
        drop(directory);
        let assets = self.assets.read();
        ids.into_iter().filter_map(|id| assets.get(id)).collect()
    }

    /// The storage nodes that must hold the objects of a bag and tell where they listen.
    pub fn holders(&self, bag: BagId) -> Vec<Holder> {
        let nodes = self.directory.read().storage_nodes_of(bag);
        let known = |node: shared::chain::directory::StorageNode| {
            node.endpoint.map(|endpoint| Holder {
                bucket: node.bucket,
                endpoint,
            })
        };
        nodes.into_iter().filter_map(known).collect()
    }

    /// HTTP roots of the other edges that may serve the objects of a bag: the operators of its
    /// distributing buckets but this node's worker.
    pub fn siblings(&self, bag: BagId) -> Vec<String> {
        let worker = self.scope.read().worker;
        let directory = self.directory.read();
        let operators = directory.distribution_operators_of(bag);
        let others = operators.filter(|operator| operator.worker != worker);
        let mut endpoints: Vec<String> = others.filter_map(|it| it.endpoint).collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }

    /// Is this content still part of an object that is served here?
    pub fn wants(&self, content: &Content) -> bool {
        self.assets.read().wants(content)
    }

    /// How many objects are served here.
    pub fn len(&self) -> usize {
        self.assets.read().len()
    }

    /// Is nothing served here?
    pub fn is_empty(&self) -> bool {
        self.assets.read().is_empty()
    }

    /// Buckets served, ascending.
    pub fn buckets(&self) -> Vec<DistributionBucketId> {
        self.scope
            .read()
            .buckets(&self.directory.read())
            .into_iter()
            .collect()
    }

    /// Which worker, and which buckets if not all of the worker's.
    pub fn scope(&self) -> (WorkerId, Vec<DistributionBucketId>) {
        let scope = self.scope.read();
        (scope.worker, scope.only.clone())
    }

    /// Serves for somebody else from now on. What is kept for nobody any more is the cache's to purge.
    pub fn rescope(&self, scope: Scope) {
        self.renew(|now| *now = scope);
    }

    /// Reads all assets again, after what is said of the scope.
    fn renew(&self, change: impl FnOnce(&mut Scope)) {
        // Assets first, as the follower does: scope and assets change together.
        let mut assets = self.assets.write();
        let mut scope = self.scope.write();
        change(&mut scope);
        *assets = Assets::of(&scope, &self.directory.read());
    }

    /// How far the chain has been followed.
    pub fn chain_status(&self) -> Status {
        self.status.get()
    }

    fn directory(&self) -> impl std::ops::Deref<Target = Directory> + '_ {
        self.directory.read()
    }
}
