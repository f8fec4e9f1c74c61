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
    /// The caller's last look said no: nothing was done.
    Refused,
}

impl Holdings {
    /// Lets go of an object if nobody reads it and `may_go` says so.
    ///
    /// `may_go` is asked while the object's record is locked: whoever looks afterwards at what is
    /// held sees the outcome. So of two that decide by the chain's newest block, one to fetch and one
    /// to remove, the second always knows what the first did. It must be quick and must not touch
    /// the holdings.
    pub async fn release(
        &self,
        object: ObjectId,
        may_go: impl FnOnce(&Held) -> bool,
    ) -> Result<Released, HoldingsError> {
        let Some(hash) = self.get(object).map(|held| held.hash) else {
            return Ok(Released::NotHeld);
        };
        let _one_at_a_time = self.stripe(hash).lock().await;
        let (held, was_last) = {
            let mut index = self.inner.index.write();
            let Some(held) = index.held.get(&object).copied() else {
                return Ok(Released::NotHeld);
            };
            let is_last = index.references.get(&hash).is_none_or(|blob| blob.0 <= 1);
            let readers = self.inner.pins.readers(&hash);
            if is_last && readers > 0 {
                return Ok(Released::BeingRead(readers));
            }
            if !may_go(&held) {
                return Ok(Released::Refused);
            }
            index.remove(object);
            (held, is_last)
        };
        if let Err(error) = self.forget(object).await {
            self.inner.index.write().insert(object, held);
            return Err(error);
        }
        if was_last {
            self.inner.blobs.remove(&hash).await?;
        }
        Ok(Released::Removed(held))
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
