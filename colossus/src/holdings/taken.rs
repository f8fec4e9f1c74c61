//! What this node remembers of an upload it took over: enough to sign its receipt at any time.
//!
//! Unlike the rest of the table this cannot be rebuilt. When it is lost, a receipt can be had again
//! by repeating the upload, with the time of that.

use serde::{Deserialize, Serialize};
use shared::ids::{ObjectId, StorageBucketId};

use super::{Holdings, HoldingsError, blocking};

/// An upload that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The bucket it was uploaded to.
    pub bucket: StorageBucketId,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The block that accepted it, if this node saw it.
    pub accepted_block: Option<u32>,
}

impl Holdings {
    /// Remembers an upload, unless one of that object is remembered and the object held. Of an object
    /// that is still to be stored this becomes durable together with it.
    pub async fn note_taken(&self, object: ObjectId, taken: Taken) -> Result<(), HoldingsError> {
        let holdings = self.clone();
        blocking(move || {
            let table = &holdings.inner.taken;
            if !holdings.contains(object) {
                table.put(&object, &taken)?;
            } else if !table.contains(&object)? {
                table.put(&object, &taken)?;
                table.database().flush_blocking()?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets uploads whose object never came to be held: a crash between the two left them. Says of how
    /// many. Not for a moment at which uploads are under way.
    pub(super) async fn forget_untaken(&self) -> Result<usize, HoldingsError> {
        let holdings = self.clone();
        blocking(move || {
            let table = &holdings.inner.taken;
            let mut untaken = Vec::new();
            for entry in table.scan() {
                let (object, _) = entry?;
                if !holdings.contains(object) {
                    untaken.push(object);
                }
            }
            for object in &untaken {
                table.remove(object)?;
            }
            Ok(untaken.len())
        })
        .await
    }

    /// Remembers in which block uploads were accepted. Objects that came by other ways have no
    /// receipt, and nothing is remembered of them.
    pub async fn note_accepted(
        &self,
        objects: Vec<ObjectId>,
        block: u32,
    ) -> Result<(), HoldingsError> {
        let holdings = self.clone();
        blocking(move || {
            let table = &holdings.inner.taken;
            for object in objects {
                // Two buckets may accept one object; the first did.
                if let Some(mut taken) = table.get(&object)?
                    && taken.accepted_block.is_none()
                {
                    taken.accepted_block = Some(block);
                    table.put(&object, &taken)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// The upload of an object that is held. `None` if it came by other ways.
    pub async fn taken(&self, object: ObjectId) -> Result<Option<Taken>, HoldingsError> {
        if !self.contains(object) {
            return Ok(None);
        }
        let holdings = self.clone();
        blocking(move || Ok(holdings.inner.taken.get(&object)?)).await
    }
}
