//! One blob's files against its hash: which groups are damaged, and whether the outboard is. Blocks.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use shared::{
    blob::{RawFile, RawFiles},
    hash::ContentHash,
    verified::{Builder, GROUP_LEN, Layout, OutboardError, Segment, Top},
};

/// Bytes read at once when a whole object is hashed.
const READ_BYTES: usize = 1024 * 1024;

/// What is wrong with a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The data file is not there.
    pub data_missing: bool,
    /// The data file is shorter or longer than the object.
    pub wrong_length: bool,
    /// The outboard is missing, torn, or not that of the hash.
    pub outboard: bool,
    /// Groups that are not what the hash says, or that cannot be checked without a good outboard:
    /// ascending, apart from each other.
    pub groups: Vec<Range<u64>>,
}

impl Damage {
    /// Is nothing wrong?
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Are only these groups bad, so that the others can be read?
    pub fn is_groups_only(&self) -> bool {
        !self.data_missing && !self.wrong_length && !self.outboard
    }

    /// Number of groups that are bad or cannot be checked.
    pub fn group_count(&self) -> u64 {
        self.groups
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Is one of these groups bad?
    pub fn touches(&self, groups: &Range<u64>) -> bool {
        let overlaps = |bad: &Range<u64>| bad.start < groups.end && groups.start < bad.end;
        self.groups.iter().any(overlaps)
    }

    /// Adds what was found elsewhere in the blob.
    pub fn merge(&mut self, other: &Self) {
        self.data_missing |= other.data_missing;
        self.wrong_length |= other.wrong_length;
        self.outboard |= other.outboard;
        self.groups.extend(other.groups.iter().cloned());
        self.groups.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in self.groups.drain(..) {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        self.groups = joined;
    }

    fn add_groups(&mut self, groups: Range<u64>) {
        match self.groups.last_mut() {
            Some(last) if last.end == groups.start => last.end = groups.end,
            _ => self.groups.push(groups),
        }
    }
}

/// Examines some groups of a blob. What cannot be read counts as damaged.
pub fn examine(files: &RawFiles, hash: ContentHash, size: u64, groups: Range<u64>) -> Damage {
    let mut damage = Damage::default();
    let Some(data) = &files.data else {
        damage.data_missing = true;
        damage.groups.push(groups);
        return damage;
    };
    damage.wrong_length = data.len() != size;
    let layout = Layout::new(size);
    let Some(top) = read_top(files, hash, size) else {
        damage.outboard = true;
        damage.groups.push(groups);
        return damage;
    };
    let mut buffer = vec![0; GROUP_LEN];
    let mut next = groups.start;
    while next < groups.end {
        let segment = Layout::segment_of(next);
        let end = layout.segment_groups(segment).end.min(groups.end);
        match read_segment(files, &top, segment) {
            Some(checked) => {
                for group in next..end {
                    if !group_is_right(data, &layout, &checked, group, &mut buffer) {
                        damage.add_groups(group..group + 1);
                    }
                }
            }
            None => {
                damage.outboard = true;
                damage.add_groups(next..end);
            }
        }
        next = end.max(next + 1);
    }
    damage
}

/// Examines a whole blob.
pub fn examine_all(files: &RawFiles, hash: ContentHash, size: u64) -> Damage {
    examine(files, hash, size, 0..Layout::new(size).groups())
}

fn group_is_right(
    data: &RawFile,
    layout: &Layout,
    segment: &Segment,
    group: u64,
    buffer: &mut [u8],
) -> bool {
    let Some(range) = layout.group_range(group) else {
        return false;
    };
    let bytes = &mut buffer[..(range.end - range.start) as usize];
    data.read_exact_at(bytes, range.start).is_ok() && segment.group_ok(group, bytes)
}

/// The top of the blob's own outboard, if it is genuine.
pub fn read_top(files: &RawFiles, hash: ContentHash, size: u64) -> Option<Top> {
    let layout = Layout::new(size);
    let len = files.outboard.as_ref().map_or(0, RawFile::len);
    if len != layout.outboard_len() && !layout.is_single_group() {
        return None;
    }
    let bytes = read_outboard(files, 0..layout.top_len())?;
    Top::check(hash, size, &bytes).ok()
}

/// A segment of the blob's own outboard, if it is genuine.
pub fn read_segment(files: &RawFiles, top: &Top, segment: u64) -> Option<Segment> {
    let bytes = read_outboard(files, top.layout().segment_range(segment))?;
    top.segment(segment, &bytes).ok()
}

fn read_outboard(files: &RawFiles, range: Range<u64>) -> Option<Vec<u8>> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    if !bytes.is_empty() {
        let outboard = files.outboard.as_ref()?;
        outboard.read_exact_at(&mut bytes, range.start).ok()?;
    }
    Some(bytes)
}

/// Hash and outboard of a data file as it is. `None` if it cannot be read.
pub fn hash_data(data: &RawFile) -> Option<(ContentHash, Vec<u8>)> {
    let mut builder = Builder::new(data.len());
    let mut buffer = vec![0; READ_BYTES];
    while builder.position() < data.len() {
        let wanted = (data.len() - builder.position()).min(READ_BYTES as u64) as usize;
        data.read_exact_at(&mut buffer[..wanted], builder.position())
            .ok()?;
        builder.update(&buffer[..wanted]).ok()?;
    }
    let built = builder.finish().ok()?;
    Some((built.hash, built.into_outboard()))
}

/// Checks a whole outboard that came from elsewhere.
pub fn check_outboard(hash: ContentHash, size: u64, bytes: &[u8]) -> Result<(), OutboardError> {
    let layout = Layout::new(size);
    let part = |range: Range<u64>| {
        let range = range.start as usize..range.end as usize;
        bytes.get(range).unwrap_or_default()
    };
    let top = Top::check(hash, size, part(0..layout.top_len()))?;
    for segment in 0..layout.segments() {
        top.segment(segment, part(layout.segment_range(segment)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn write(dir: &Path, size: usize) -> (std::path::PathBuf, ContentHash) {
        let bytes: Vec<u8> = (0..size).map(|n| (n / 7) as u8).collect();
        let path = dir.join("blob");
        fs::write(&path, &bytes).unwrap();
        let (hash, outboard) = hash_data(&RawFiles::open(&path).unwrap().data.unwrap()).unwrap();
        assert_eq!(hash, ContentHash::of(&bytes));
        assert!(check_outboard(hash, size as u64, &outboard).is_ok());
        fs::write(dir.join("blob.ob"), outboard).unwrap();
        (path, hash)
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn exactly_the_damaged_groups_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let size = 17 << 20; // two segments
        let (path, hash) = write(dir.path(), size);
        let look = || examine_all(&RawFiles::open(&path).unwrap(), hash, size as u64);
        assert!(look().is_none());
        for at in [0, 3 * GROUP_LEN, 4 * GROUP_LEN - 1, 4 * GROUP_LEN, size - 1] {
            flip(&path, at);
        }
        assert_eq!(look().groups, [0..1, 3..5, 1087..1088]);
        assert!(look().is_groups_only());
        // A flipped byte of the second segment's outboard hides all its groups, and no others.
        flip(&dir.path().join("blob.ob"), 64 + 1024 * 32);
        let damage = look();
        assert!(damage.outboard);
        assert_eq!(damage.groups, [0..1, 3..5, 1024..1088]);
        flip(&dir.path().join("blob.ob"), 0);
        assert_eq!(look().groups, vec![0..1088]);
        fs::remove_file(&path).unwrap();
        assert!(look().data_missing);
    }

    #[test]
    fn every_flip_cut_and_growth_is_seen_whatever_the_size() {
        for size in [0, 1, 100, GROUP_LEN, GROUP_LEN + 1, 70_000] {
            let dir = tempfile::tempdir().unwrap();
            let (path, hash) = write(dir.path(), size);
            let look = || examine_all(&RawFiles::open(&path).unwrap(), hash, size as u64);
            assert!(look().is_none(), "{size}");
            let bytes = fs::read(&path).unwrap();
            for at in [0, size / 2, size.saturating_sub(1)] {
                if size > 0 {
                    flip(&path, at);
                    assert_eq!(look().group_count(), 1, "{size} at {at}");
                    flip(&path, at);
                }
            }
            fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
            assert!(look().wrong_length, "{size}");
            if size > 0 {
                fs::write(&path, &bytes[..size - 1]).unwrap();
                let damage = look();
                assert!(damage.wrong_length && damage.group_count() == 1, "{size}");
            }
        }
    }

    #[test]
    fn damage_adds_up() {
        let of = |groups: &[Range<u64>]| Damage {
            groups: groups.to_vec(),
            ..Damage::default()
        };
        let mut damage = of(&[2..3, 8..9]);
        damage.merge(&of(&[0..2, 8..10, 5..6]));
        assert_eq!(damage, of(&[0..3, 5..6, 8..10]));
        assert!(damage.touches(&(9..20)) && !damage.touches(&(6..8)));
        assert_eq!(damage.group_count(), 6);
    }
}
