//! Which wants fit on the disks: what was free, what of it is taken, and which parts lie there.
//!
//! A fetch takes its room before it begins. Between two measurements nothing that was taken counts
//! as given back: whether its bytes are on the disk or not, the last measurement does not know them.

use std::collections::BTreeMap;

use shared::{hash::ContentHash, ids::ObjectId};
use tokio::time::Instant;

use super::Space;
use crate::disk::room::{OVERHEAD_BYTES, object_bytes};

/// The room and what is taken of it. Nothing is limited before the first measurement.
#[derive(Default)]
pub(super) struct Room {
    space: Option<Space>,
    others_bytes: u64,
    taken: BTreeMap<ObjectId, u64>,
    /// What was taken for fetches that ended, until a measurement knows what they left.
    ended: Vec<(Instant, u64)>,
    /// Both together.
    spoken_for_bytes: u128,
    /// Bytes that transfers left on the disk, to go on from there.
    parts: BTreeMap<ContentHash, u64>,
}

impl Room {
    /// Free space was measured.
    pub fn note_measured(&mut self, space: Space) {
        let is_unknown = |(at, _): &(Instant, u64)| *at >= space.began;
        let known = self.ended.extract_if(.., |ended| !is_unknown(ended));
        let known_bytes = known.map(|(_, bytes)| u128::from(bytes)).sum::<u128>();
        self.spoken_for_bytes -= known_bytes;
        self.space = Some(space);
    }

    /// Uploads have written so much since the last measurement or may still write it.
    pub fn set_others(&mut self, bytes: u64) {
        self.others_bytes = bytes;
    }

    /// Bytes that a fetch of this object will still write.
    pub fn need(&self, hash: &ContentHash, size: u64) -> u64 {
        let there = self.parts.get(hash).copied().unwrap_or_default();
        let whole = object_bytes(size).saturating_sub(OVERHEAD_BYTES);
        whole.saturating_sub(there).saturating_add(OVERHEAD_BYTES)
    }

    /// Would so many bytes more leave what must stay free?
    pub fn fits(&self, need: u64, is_accepted: bool) -> bool {
        let Some(space) = self.space else { return true };
        let mark = match is_accepted {
            true => space.low_bytes,
            false => space.critical_bytes,
        };
        let more: u128 = [self.others_bytes, mark, need].map(u128::from).iter().sum();
        self.spoken_for_bytes + more <= u128::from(space.free_bytes)
    }

    /// Is less free than the low mark says?
    pub fn is_full(&self) -> bool {
        self.space
            .is_some_and(|space| space.free_bytes < space.low_bytes)
    }

    /// A fetch begins.
    pub fn take(&mut self, object: ObjectId, need: u64) {
        let before = self.taken.insert(object, need).unwrap_or_default();
        self.spoken_for_bytes += u128::from(need);
        self.spoken_for_bytes -= u128::from(before);
    }

    /// A fetch ended.
    pub fn give_back(&mut self, now: Instant, object: ObjectId) {
        if let Some(bytes) = self.taken.remove(&object) {
            self.ended.push((now, bytes));
        }
    }

    /// Bytes taken by fetches under way.
    pub fn taken_bytes(&self) -> u64 {
        self.taken.values().copied().fold(0, u64::saturating_add)
    }

    /// So many bytes of an object lie on the disk.
    pub fn note_part(&mut self, hash: ContentHash, bytes: u64) {
        match bytes {
            0 => _ = self.parts.remove(&hash),
            _ => _ = self.parts.insert(hash, bytes),
        }
    }

    /// The part is gone; was there one?
    pub fn forget_part(&mut self, hash: &ContentHash) -> bool {
        self.parts.remove(hash).is_some()
    }

    /// Does a part of it lie on the disk?
    pub fn has_part(&self, hash: &ContentHash) -> bool {
        self.parts.contains_key(hash)
    }

    /// The parts there are.
    pub fn parts(&self) -> impl Iterator<Item = (ContentHash, u64)> {
        self.parts.iter().map(|(hash, bytes)| (*hash, *bytes))
    }
}
