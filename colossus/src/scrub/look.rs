//! One step of a pass: the next few MiB of all that is held, examined. Blocks.

use std::ops::Range;

use shared::{
    blob::BlobError,
    hash::ContentHash,
    verified::{GROUP_LEN, Layout},
};

use super::{
    core::Position,
    examine::{Damage, examine},
};
use crate::holdings::Holdings;

/// Blobs in one step at most: small ones cost more to open than to read.
const BLOBS_MAX: usize = 256;

/// What a step found.
#[derive(Debug, Default)]
pub struct Looked {
    /// Where to go on; `None` at the end of all that is held.
    pub next: Option<Position>,
    /// Bytes examined.
    pub bytes: u64,
    /// Blobs whose end was reached.
    pub ended: Vec<ContentHash>,
    /// Blobs passed over because their directory is out: nothing is known of them.
    pub unavailable: u64,
    /// Damage, with the object's size.
    pub damaged: Vec<(ContentHash, u64, Damage)>,
}

/// Examines about so many bytes from a position on; at least one group.
pub fn look(
    holdings: &Holdings,
    from: Option<Position>,
    bytes_max: u64,
) -> Result<Looked, BlobError> {
    let mut looked = Looked::default();
    let mut at = from.unwrap_or(Position {
        hash: ContentHash([0; 32]),
        group: 0,
    });
    for _ in 0..BLOBS_MAX {
        let Some((hash, size)) = holdings.blob_from(at.hash) else {
            return Ok(looked);
        };
        let groups = Layout::new(size).groups();
        // The blob of the position may have gone, and another one come next.
        let start = if hash == at.hash { at.group } else { 0 };
        let room = bytes_max.saturating_sub(looked.bytes);
        let end = groups.min(start.saturating_add((room / GROUP_LEN as u64).max(1)));
        if start < end {
            let damage = match examine_there(holdings, hash, size, start..end) {
                Err(BlobError::Unavailable { .. }) => {
                    looked.unavailable += 1;
                    Damage::default()
                }
                damage => damage?,
            };
            // Without this second look a blob removed meanwhile would be taken for a lost one.
            let is_held = || {
                holdings
                    .blob_from(hash)
                    .is_some_and(|(held, _)| held == hash)
            };
            if !damage.is_none() && is_held() {
                looked.damaged.push((hash, size, damage));
            }
        }
        looked.bytes += (end.saturating_sub(start)) * GROUP_LEN as u64;
        if end < groups {
            at = Position { hash, group: end };
            break;
        }
        looked.ended.push(hash);
        match after(hash) {
            Some(hash) => at = Position { hash, group: 0 },
            None => return Ok(looked),
        }
        if looked.bytes >= bytes_max {
            break;
        }
    }
    looked.next = Some(at);
    Ok(looked)
}

/// Examines groups of a blob. What a directory that is out does not give is not damage.
pub fn examine_there(
    holdings: &Holdings,
    hash: ContentHash,
    size: u64,
    groups: Range<u64>,
) -> Result<Damage, BlobError> {
    let blobs = holdings.blobs();
    let damage = examine(&blobs.raw_files(&hash)?, hash, size, groups);
    if !damage.is_none() {
        blobs.believe_damage(&hash)?;
    }
    Ok(damage)
}

/// The smallest hash above this one.
fn after(hash: ContentHash) -> Option<ContentHash> {
    let mut bytes = hash.0;
    for byte in bytes.iter_mut().rev() {
        let (next, overflowed) = byte.overflowing_add(1);
        *byte = next;
        if !overflowed {
            return Some(ContentHash(bytes));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use shared::{blob::BlobStore, ids::ObjectId, table::Database};

    use super::*;
    use crate::history::Way;

    #[test]
    fn the_next_hash() {
        let mut low = [7; 32];
        low[31] = 255;
        let mut next = [7; 32];
        (next[30], next[31]) = (8, 0);
        assert_eq!(after(ContentHash(low)), Some(ContentHash(next)));
        assert_eq!(after(ContentHash([255; 32])), None);
    }

    #[tokio::test]
    async fn steps_of_any_size_cover_everything_once() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(&dir.path().join("store")).unwrap();
        let database = Database::open(&dir.path().join("db")).unwrap();
        let holdings = Holdings::open(blobs, &database).unwrap();
        let mut groups = 0;
        for (id, size) in [0usize, 5, 16_384, 16_385, 300_000].into_iter().enumerate() {
            let bytes = vec![id as u8; size];
            let hash = ContentHash::of(&bytes);
            let mut partial = holdings.blobs().begin(hash, size as u64).await.unwrap();
            partial.write(bytes.into()).await.unwrap();
            let verified = partial.finish().await.unwrap();
            holdings
                .store(ObjectId(id as u64), verified, None, Way::Upload)
                .await
                .unwrap();
            groups += Layout::new(size as u64).groups();
        }
        for bytes_max in [1, 20_000, 50_000, 1 << 30] {
            let (mut at, mut ended, mut bytes) = (None, Vec::new(), 0);
            loop {
                let looked = look(&holdings, at, bytes_max).unwrap();
                assert!(looked.damaged.is_empty());
                bytes += looked.bytes;
                ended.extend(looked.ended);
                match looked.next {
                    Some(next) => at = Some(next),
                    None => break,
                }
            }
            assert_eq!((ended.len(), bytes), (5, groups * GROUP_LEN as u64));
            assert!(ended.is_sorted());
        }
    }
}
