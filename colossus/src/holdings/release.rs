//! Letting go of an object, in one step with the last look at whether it may go.

use shared::ids::ObjectId;

use super::{Held, Holdings, HoldingsError, blocking};

/// What became of a request to let go of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It is gone; its blob went with the last object of that hash.
    Removed(Held),
    /// It was not held.
    NotHeld,
    /// The blob has so many readers and would go with this object: nothing was done.
    BeingRead(u32),
    /// The last look did not call: nothing was done.
    Refused,
}

impl Holdings {
    /// Lets go of an object if nobody reads it and `last_look` calls what it is given, which takes the
    /// object out of what is held.
    ///
    /// A last look that holds the chain's view while it calls excludes the others who decide by the
    /// view: they come before, and are seen, or after, and see the object gone. Locks are always taken
    /// in this order: the view, then what is held.
    pub async fn release(
        &self,
        object: ObjectId,
        last_look: impl FnOnce(&mut dyn FnMut()),
    ) -> Result<Released, HoldingsError> {
        let Some(hash) = self.get(object).map(|held| held.hash) else {
            return Ok(Released::NotHeld);
        };
        let _one_at_a_time = self.stripe(hash).lock().await;
        // What lies where nothing can be removed now would come back.
        self.inner.blobs.check_removable(&hash).await?;
        let (mut released, mut was_last) = (Released::Refused, false);
        last_look(&mut || (released, was_last) = self.take_out(object));
        let Released::Removed(held) = released else {
            return Ok(released);
        };
        if let Err(error) = self.forget(object).await {
            self.inner.index.write().insert(object, held);
            self.count(&[object]);
            return Err(error);
        }
        if was_last {
            self.inner.kept.close(&hash);
            self.inner.blobs.remove(&hash).await?;
        }
        Ok(released)
    }

    /// Takes the object out of the index unless that would take its blob from readers; says whether
    /// it was the last of its hash.
    fn take_out(&self, object: ObjectId) -> (Released, bool) {
        let mut index = self.inner.index.write();
        let Some(held) = index.get(object) else {
            return (Released::NotHeld, false);
        };
        let is_last = index.objects_of(held.hash).nth(1).is_none();
        let readers = self.inner.pins.readers(&held.hash);
        if is_last && readers > 0 {
            return (Released::BeingRead(readers), false);
        }
        index.remove(object);
        (Released::Removed(held), is_last)
    }

    /// Takes the object out of all tables, durably.
    async fn forget(&self, object: ObjectId) -> Result<(), HoldingsError> {
        let holdings = self.clone();
        blocking(move || {
            holdings.inner.objects.remove(&object)?;
            holdings.inner.outbox.remove(&object)?;
            holdings.inner.taken.remove(&object)?;
            Ok(holdings.inner.objects.database().flush_blocking()?)
        })
        .await
    }
}
