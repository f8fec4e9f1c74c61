//! The digest of what is held of each bag, kept up to date object by object, so that asking for one
//! costs the same with a million objects as with one.
//!
//! What counts depends on two that change on their own: what is held, and the chain's directory.
//! After a change of either the object is looked at again, under the locks of both: whoever looks last
//! sees both. Everything held is looked at once more in every round of [`crate::obligations`].

use shared::{
    chain::follower::DirectoryView,
    ids::{BagId, ObjectId},
};

use super::{Holdings, HoldingsError, blocking};
use crate::digest::Digest;

/// Objects counted at once, while nobody changes what is held.
const COUNTED_AT_ONCE: usize = 2_000;

impl Holdings {
    /// Counts all that is held by this view, and from then on what comes and goes. What the chain
    /// changes is told by [`Holdings::count`]. The view stays the one that was given first.
    pub async fn count_all(&self, view: &DirectoryView) -> Result<(), HoldingsError> {
        let (holdings, view) = (self.clone(), view.clone());
        blocking(move || {
            holdings.inner.view.get_or_init(|| view);
            let mut next = Some(ObjectId(0));
            while let Some(from) = next {
                let ids = holdings.ids_from(from, COUNTED_AT_ONCE);
                holdings.count(&ids);
                let last = ids.last().filter(|_| ids.len() == COUNTED_AT_ONCE);
                next = last.and_then(|id| id.0.checked_add(1)).map(ObjectId);
            }
            Ok(())
        })
        .await
    }

    /// Counts these objects as they are now, held or not, on chain or not. For callers that hold no
    /// lock of the view or of the holdings.
    pub fn count(&self, objects: &[ObjectId]) {
        let Some(view) = self.inner.view.get() else {
            return;
        };
        let directory = view.read();
        let mut index = self.inner.index.write();
        for object in objects {
            if index.contains(*object) {
                let bag = directory.object(*object).map(|known| known.bag);
                index.count(*object, bag);
            }
        }
    }

    /// What is held of a bag, as far as the chain has it.
    pub fn digest_of(&self, bag: BagId) -> Digest {
        self.inner.index.read().digest_of(bag)
    }
}
