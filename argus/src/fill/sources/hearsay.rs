//! What storage buckets announced that they hold, and who of them did not hold it when asked. It changes
//! the order in which those are asked who must hold an object, and never who is asked or what is believed of
//! their bytes. Nothing is known of what nobody announced.

use std::sync::Arc;

use parking_lot::Mutex;
use shared::{
    ids::{ObjectId, StorageBucketId},
    p2p::gossip::heard::Heard,
};

use super::Doubt;

/// Who said what. Cheap to clone; clones are one. Empty without gossip.
#[derive(Clone, Default)]
pub struct Hearsay(Arc<Mutex<Heard>>);

impl Hearsay {
    /// The operator of this bucket says that it holds the object.
    pub fn announced(&self, object: ObjectId, bucket: StorageBucketId) {
        self.0.lock().note(object, bucket);
    }

    /// The bucket was asked for the object and does not hold it.
    pub fn denied(&self, object: ObjectId, bucket: StorageBucketId) {
        self.0.lock().deny(object, bucket);
    }

    /// How doubtful it is of each of these buckets, who must hold the object, that it does.
    pub fn doubts(&self, object: ObjectId, buckets: &[StorageBucketId]) -> Vec<Doubt> {
        Doubt::of(self.0.lock().words(object), buckets)
    }
}
