//! The objects that are open now. Read on every request, written by the keeper alone.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::{Lease, Object};
use crate::content::Content;

/// Open objects by content. Clones share them.
#[derive(Clone, Default)]
pub struct OpenObjects(Arc<RwLock<HashMap<Content, Arc<Object>>>>);

impl OpenObjects {
    /// The open object with a lease on it, which keeps it from being evicted.
    pub fn lease(&self, content: &Content) -> Option<Lease> {
        self.0.read().get(content).and_then(Lease::new)
    }

    /// The open object, to look at.
    pub fn get(&self, content: &Content) -> Option<Arc<Object>> {
        self.0.read().get(content).cloned()
    }

    /// Puts an object in.
    pub fn insert(&self, object: Arc<Object>) {
        self.0.write().insert(object.content(), object);
    }

    /// Takes an object out; those who lease it keep their access.
    pub fn remove(&self, content: &Content) -> Option<Arc<Object>> {
        self.0.write().remove(content)
    }
}
