//! The objects that are open now. Read on every request, written by the keeper alone.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::{Lease, Object};
use crate::content::Content;

/// Maps that share the objects, so that those who look for different objects do not meet at one lock.
const SHARDS: usize = 64;

/// Open objects by content. Clones share them.
#[derive(Clone)]
pub struct OpenObjects(Arc<[Shard; SHARDS]>);

type Shard = RwLock<HashMap<Content, Arc<Object>>>;

impl Default for OpenObjects {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Shard::default())))
    }
}

impl OpenObjects {
    /// The open object with a lease on it, which keeps it from being evicted.
    pub fn lease(&self, content: &Content) -> Option<Lease> {
        self.shard(content).read().get(content).and_then(Lease::new)
    }

    /// The open object, to look at.
    pub fn get(&self, content: &Content) -> Option<Arc<Object>> {
        self.shard(content).read().get(content).cloned()
    }

    /// Puts an object in.
    pub fn insert(&self, object: Arc<Object>) {
        let content = object.content();
        self.shard(&content).write().insert(content, object);
    }

    /// Takes an object out; those who lease it keep their access.
    pub fn remove(&self, content: &Content) -> Option<Arc<Object>> {
        self.shard(content).write().remove(content)
    }

    fn shard(&self, content: &Content) -> &Shard {
        &self.0[usize::from(content.hash.0[0]) % SHARDS]
    }
}
