//! Whose an object store is: found out by its marker, before anything else is asked of it.

use tokio::time::Instant;

use super::{Operation, PROBE_INTERVAL, Remote};
use crate::blob::{BlobError, Condition, Trouble, registry::Marker};

impl Remote {
    /// Asks the store how it is, if that is not known. A bucket without a marker gets one if it holds no
    /// object, and none of this node's is there; else it is another bucket than before.
    pub(in crate::blob) async fn probe(&self, has_objects: bool) {
        let is_good = self.health.condition() == Condition::Good;
        let is_fresh = |looked: Instant| looked.elapsed() < PROBE_INTERVAL;
        if is_good && self.looked.lock().is_some_and(is_fresh) {
            return;
        }
        let condition = match self.look(has_objects).await {
            Ok(condition) => condition,
            Err(error) => Condition::Out(Trouble::Failing(error.to_string())),
        };
        *self.looked.lock() = Some(Instant::now());
        self.health.set(&self.name, condition);
    }

    async fn look(&self, has_objects: bool) -> Result<Condition, object_store::Error> {
        let found = self
            .counted(Operation::Probe, self.bucket.marker())
            .await?
            .map(|text| Marker::from_text(&text).as_ref() == Some(&self.marker));
        match found {
            Some(false) => Ok(Condition::Out(Trouble::Foreign)),
            None if has_objects => Ok(Condition::Out(Trouble::Vanished)),
            Some(true) if has_objects || self.health.condition() == Condition::Good => {
                Ok(Condition::Good)
            }
            // Nothing is known here. What is on its way there has a note, which goes after its card is
            // there; and nothing is sent before the store is good.
            found => {
                let is_noted = |hash: &_| self.puts.is_noted(hash);
                let unknown = self.bucket.has_unknown(is_noted);
                if self.counted(Operation::List, unknown).await? {
                    return Ok(Condition::Out(Trouble::Unlisted));
                }
                if found.is_none() {
                    let put = self.bucket.put_marker(self.marker.to_text());
                    self.counted(Operation::Probe, put).await?;
                }
                Ok(Condition::Good)
            }
        }
    }

    /// Writes this node's marker, whatever is there: another one that used the bucket finds that out by
    /// its next probe, and uses it no more.
    pub(in crate::blob) async fn claim(&self) -> Result<(), BlobError> {
        let put = self.bucket.put_marker(self.marker.to_text());
        let put = self.counted(Operation::Probe, put).await;
        put.map_err(|error| self.failed(error))?;
        self.check_owner().await
    }

    /// Is the marker this node's? Asked now.
    pub(in crate::blob) async fn check_owner(&self) -> Result<(), BlobError> {
        match self.look(true).await {
            Ok(condition) => self.health.set(&self.name, condition),
            Err(error) => return Err(self.failed(error)),
        }
        match self.not_taken_over() {
            Some(error) => Err(error),
            None => self.check(),
        }
    }

    /// Is it another data directory's as far as is known, or are its objects unknown here?
    pub(in crate::blob) fn not_taken_over(&self) -> Option<BlobError> {
        match self.health.condition() {
            Condition::Out(trouble @ (Trouble::Foreign | Trouble::Unlisted)) => {
                Some(BlobError::NotTakenOver {
                    store: self.name.clone(),
                    reason: trouble.to_string(),
                })
            }
            _ => None,
        }
    }
}
