//! What the outboard must be, whatever the sizes and the pieces: against `blake3` and `bao-tree`.

use bao_tree::{
    BaoTree, BlockSize, ByteRanges,
    io::{outboard::PostOrderMemOutboard, outboard::PostOrderOutboard, round_up_to_chunks, sync},
};
use blake3::hazmat::{Mode, merge_subtrees_non_root};
use proptest::prelude::*;

use super::*;
use crate::hash::ContentHash;

const BAO_GROUP: BlockSize = BlockSize::from_chunk_log(4);

/// Bytes that repeat nowhere.
fn data(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(b"test data")
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Sizes around every border of groups, powers of two of groups, and segments.
fn border_sizes() -> impl Iterator<Item = usize> {
    let groups = [
        1usize, 2, 3, 4, 5, 7, 8, 9, 16, 63, 64, 65, 1023, 1024, 1025, 2048, 2049,
    ];
    let near = groups.into_iter().flat_map(|groups| {
        let border = groups * GROUP_LEN;
        [border - 1, border, border + 1]
    });
    [0, 1, 1023, 1024, 1025].into_iter().chain(near)
}

fn any_size() -> impl Strategy<Value = usize> {
    let near = |unit: usize| {
        move |(count, delta): (usize, usize)| (count * unit + delta).saturating_sub(2)
    };
    prop_oneof![
        4 => 0usize..300_000,
        4 => (0usize..40, 0usize..5).prop_map(near(GROUP_LEN)),
        1 => (1usize..3, 0usize..5).prop_map(near(SEGMENT_LEN as usize)),
    ]
}

fn build(bytes: &[u8], mut pieces: impl Iterator<Item = usize>) -> Built {
    let mut builder = Builder::new(bytes.len() as u64);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next().unwrap_or(rest.len()).min(rest.len()));
        builder.update(piece).unwrap();
        rest = behind;
    }
    builder.finish().unwrap()
}

fn whole(bytes: &[u8]) -> Built {
    build(bytes, std::iter::empty())
}

/// The outboard as bao-tree keeps it (post-order), made from our group CVs alone.
fn post_order(cvs: &[Cv], out: &mut Vec<u8>) -> Cv {
    if let [leaf] = cvs {
        return *leaf;
    }
    let left_len = cvs.len().next_power_of_two() / 2;
    let left = post_order(&cvs[..left_len], out);
    let right = post_order(&cvs[left_len..], out);
    out.extend_from_slice(&left);
    out.extend_from_slice(&right);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

/// The groups that an outboard finds damaged, or what is wrong with the outboard.
fn damaged(hash: ContentHash, bytes: &[u8], outboard: &[u8]) -> Result<Vec<u64>, OutboardError> {
    let layout = Layout::new(bytes.len() as u64);
    let top = Top::check(hash, layout.size(), &outboard[..layout.top_len() as usize])?;
    let mut found = Vec::new();
    for index in 0..layout.segments() {
        let range = layout.segment_range(index);
        let segment = top.segment(index, &outboard[range.start as usize..range.end as usize])?;
        for group in segment.groups() {
            let range = layout.group_range(group).unwrap();
            let verdict =
                segment.verify_group(group, &bytes[range.start as usize..range.end as usize]);
            if verdict.is_err() {
                assert_eq!(verdict, Err(OutboardError::Group { group }));
                found.push(group);
            }
        }
    }
    Ok(found)
}

fn assert_equals_bao(bytes: &[u8], built: &Built) {
    let bao = PostOrderMemOutboard::create(bytes, BAO_GROUP);
    assert_eq!(built.hash, bao.root.into(), "{}", bytes.len());
    assert_eq!(built.hash, blake3::hash(bytes).into(), "{}", bytes.len());
    let mut converted = Vec::new();
    let cvs = built.group_cvs.as_chunks::<CV_LEN>().0;
    if !cvs.is_empty() {
        post_order(cvs, &mut converted);
    }
    assert!(
        converted == bao.data,
        "outboard of {} bytes differs from bao-tree's",
        bytes.len()
    );
}

#[test]
fn border_sizes_equal_blake3_and_bao_tree_and_verify() {
    for size in border_sizes() {
        let bytes = data(size);
        let layout = Layout::new(size as u64);
        for piece in [997, GROUP_LEN, 70_001, 1 << 20] {
            if size > 2_000_000 && piece < GROUP_LEN {
                continue; // the same again, only slowly
            }
            let built = build(&bytes, std::iter::repeat(piece));
            assert_eq!(built.top.len() as u64, layout.top_len(), "{size}");
            assert_equals_bao(&bytes, &built);
        }
        let built = whole(&bytes);
        let outboard = built.clone().into_outboard();
        assert_eq!(outboard.len() as u64, layout.outboard_len(), "{size}");
        assert_eq!(damaged(built.hash, &bytes, &outboard), Ok(vec![]), "{size}");
    }
}

#[test]
fn a_group_is_refused_under_another_index_or_length() {
    let bytes = data(5 * GROUP_LEN + 100);
    let built = whole(&bytes);
    let top = Top::check(built.hash, bytes.len() as u64, &[]).unwrap();
    let segment = top.segment(0, &built.group_cvs).unwrap();
    let group =
        |index: usize| &bytes[index * GROUP_LEN..((index + 1) * GROUP_LEN).min(bytes.len())];
    assert!(segment.group_ok(2, group(2)));
    assert!(!segment.group_ok(1, group(2)));
    assert!(!segment.group_ok(3, group(2)));
    assert!(!segment.group_ok(6, group(5)));
    assert!(!segment.group_ok(u64::MAX, group(2)));
    assert!(!segment.group_ok(2, &group(2)[..GROUP_LEN - 1]));
    assert!(!segment.group_ok(4, &bytes[4 * GROUP_LEN..])); // too long: more than the group
    assert!(!segment.group_ok(0, &[]));
    let first_segment = whole(&data(SEGMENT_LEN as usize + 1));
    let top = Top::check(first_segment.hash, SEGMENT_LEN + 1, &first_segment.top).unwrap();
    let segment = top
        .segment(0, &first_segment.group_cvs[..32 * 1024])
        .unwrap();
    assert!(!segment.group_ok(
        1024,
        &data(SEGMENT_LEN as usize + 1)[SEGMENT_LEN as usize..]
    ));
}

#[test]
fn parts_of_wrong_length_or_place_are_refused() {
    let size = 2 * SEGMENT_LEN + 5;
    let built = whole(&data(size as usize));
    let top = Top::check(built.hash, size, &built.top).unwrap();
    let layout = top.layout();
    let outboard = built.clone().into_outboard();
    let part = |index: u64| {
        let range = layout.segment_range(index);
        &outboard[range.start as usize..range.end as usize]
    };
    assert!(top.segment(1, part(1)).is_ok());
    assert_eq!(
        top.segment(0, part(1)).unwrap_err(),
        OutboardError::Hash {
            part: Part::Segment(0)
        }
    );
    assert!(matches!(
        top.segment(2, part(1)),
        Err(OutboardError::Length {
            part: Part::Segment(2),
            ..
        })
    ));
    assert!(matches!(
        top.segment(1, &part(1)[1..]),
        Err(OutboardError::Length { .. })
    ));
    assert_eq!(
        top.segment(3, &[]).unwrap_err(),
        OutboardError::NoSuchSegment {
            segment: 3,
            segments: 3
        }
    );
    assert!(matches!(
        Top::check(built.hash, size, &built.top[32..]),
        Err(OutboardError::Length { .. })
    ));
    let other = ContentHash::of(b"another object");
    assert_eq!(
        Top::check(other, size, &built.top).unwrap_err(),
        OutboardError::Hash { part: Part::Top }
    );
}

/// A wrong size with the same number of groups is seen at the last group only: sizes come from the
/// chain.
#[test]
fn a_wrong_size_is_found() {
    let size = 3 * GROUP_LEN + 100;
    let bytes = data(size + 1);
    let built = whole(&bytes[..size]);
    let top = Top::check(built.hash, size as u64 + 1, &[]).unwrap();
    let segment = top.segment(0, &built.group_cvs).unwrap();
    assert!((0..3).all(|group| segment.group_ok(group, &bytes[group as usize * GROUP_LEN..][..GROUP_LEN])));
    assert!(!segment.group_ok(3, &bytes[3 * GROUP_LEN..]));
    assert!(!segment.group_ok(3, &bytes[3 * GROUP_LEN..size]));
    let top = Top::check(built.hash, (size + GROUP_LEN) as u64, &[]).unwrap();
    assert!(top.segment(0, &built.group_cvs).is_err());
}

#[test]
fn an_object_of_one_group_is_checked_by_its_hash() {
    for size in [0, 1, GROUP_LEN] {
        let bytes = data(size);
        let built = whole(&bytes);
        assert_eq!(built.clone().into_outboard(), Vec::<u8>::new());
        let segment = Top::check(built.hash, size as u64, &[])
            .unwrap()
            .segment(0, &[])
            .unwrap();
        assert_eq!(segment.groups(), 0..1);
        assert!(segment.group_ok(0, &bytes));
        assert!(!segment.group_ok(1, &bytes));
        let other = Top::check(ContentHash::of(b"other"), size as u64, &[])
            .unwrap()
            .segment(0, &[])
            .unwrap();
        assert!(!other.group_ok(0, &bytes));
        assert!(
            Top::check(built.hash, size as u64, &[])
                .unwrap()
                .segment(0, &[0; 32])
                .is_err()
        );
    }
}

#[test]
fn wrong_amounts_of_data_are_errors() {
    let mut builder = Builder::new(10);
    assert_eq!(
        builder.update(&[0; 11]),
        Err(BuilderError::TooLong { size: 10 })
    );
    assert_eq!(builder.position(), 0);
    builder.update(&[0; 9]).unwrap();
    assert_eq!(
        builder.update(&[0; 2]),
        Err(BuilderError::TooLong { size: 10 })
    );
    assert_eq!(
        builder.finish(),
        Err(BuilderError::TooShort { size: 10, got: 9 })
    );
    let three_cvs = [0; 3 * CV_LEN];
    for size in [0, GROUP_LEN as u64, 3 * GROUP_LEN as u64 - 1] {
        assert!(matches!(
            Builder::resume(size, &three_cvs),
            Err(BuilderError::TooManyGroups { groups: 3, .. })
        ));
    }
}

/// Resuming believes the CVs and does not look at the data on disk: what a crash lost of the data
/// is found by checking it, not by the hash at the end.
#[test]
fn resuming_does_not_look_at_the_data_on_disk() {
    let bytes = data(100 * GROUP_LEN);
    let built = whole(&bytes);
    let mut on_disk = bytes.clone();
    on_disk[5 * GROUP_LEN..6 * GROUP_LEN].fill(0);
    let mut builder = Builder::resume(bytes.len() as u64, &built.group_cvs[..50 * CV_LEN]).unwrap();
    builder.update(&on_disk[50 * GROUP_LEN..]).unwrap();
    assert_eq!(builder.finish().unwrap().hash, built.hash);
    assert_eq!(damaged(built.hash, &on_disk, &built.group_cvs), Ok(vec![5]));
}

/// Break off at `cut` having written all CVs but the last `lost` bytes of them, and go on.
fn check_resume(bytes: &[u8], cut: usize, lost: usize) {
    let size = bytes.len() as u64;
    let layout = Layout::new(size);
    let built = whole(bytes);
    let written = (cut / GROUP_LEN * CV_LEN)
        .min(built.group_cvs.len())
        .saturating_sub(lost);
    let groups = layout.resumable_groups(cut as u64, layout.top_len() + written as u64) as usize;
    if lost == 0 && !layout.is_single_group() {
        assert_eq!(groups, cut / GROUP_LEN);
    }
    let prefix = &built.group_cvs[..groups * CV_LEN];
    let mut builder = Builder::resume(size, prefix).unwrap();
    assert_eq!(builder.position(), (groups * GROUP_LEN) as u64);
    builder
        .update(&bytes[builder.position() as usize..])
        .unwrap();
    let resumed = builder.finish().unwrap();
    assert_eq!(resumed.hash, built.hash);
    assert_eq!(resumed.top, built.top);
    assert_eq!([prefix, &resumed.group_cvs].concat(), built.group_cvs);
}

#[test]
fn resume_at_borders() {
    let bytes = data(2050 * GROUP_LEN + 77);
    for groups in [0, 1, 2, 3, 1023, 1024, 1025, 2048, 2049, 2050] {
        for behind in [0, 1, 77] {
            check_resume(&bytes, groups * GROUP_LEN + behind, 0);
        }
        check_resume(&bytes, groups * GROUP_LEN, 33);
    }
    for size in border_sizes() {
        let bytes = data(size);
        check_resume(&bytes, size, 0);
        check_resume(&bytes, size / 2, 0);
    }
}

#[test]
fn taken_group_cvs_and_the_rest_are_the_outboard() {
    let bytes = data(40 * GROUP_LEN + 3);
    let mut builder = Builder::new(bytes.len() as u64);
    let mut cvs = Vec::new();
    for piece in bytes.chunks(100_000) {
        builder.update(piece).unwrap();
        let len = builder.group_cvs_len();
        let taken = builder.take_group_cvs();
        assert_eq!(taken.len(), len);
        cvs.extend(taken);
    }
    cvs.extend(builder.finish().unwrap().group_cvs);
    assert_eq!(cvs, whole(&bytes).group_cvs);
}

#[test]
fn all_can_move_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Builder>();
    check::<Top>();
    check::<Segment>();
    check::<Present>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_pieces_of_any_size_equal_blake3_and_bao_tree(
        size in any_size(),
        pieces in prop::collection::vec(1usize..50_000, 1..20),
    ) {
        let bytes = data(size);
        let built = build(&bytes, pieces.into_iter().cycle());
        assert_equals_bao(&bytes, &built);
        prop_assert_eq!(built.into_outboard().len() as u64, Layout::new(size as u64).outboard_len());
    }

    #[test]
    fn resume_at_any_cut_with_any_loss(size in any_size(), part in 0.0f64..=1.0, lost in 0usize..2000) {
        check_resume(&data(size), (size as f64 * part) as usize, lost);
    }

    #[test]
    fn any_flipped_bit_of_the_data_is_found_in_its_group(
        size in any_size(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        prop_assume!(size > 0);
        let mut bytes = data(size);
        let built = whole(&bytes);
        let at = at.index(size);
        bytes[at] ^= 1 << bit;
        let group = (at / GROUP_LEN) as u64;
        prop_assert_eq!(damaged(built.hash, &bytes, &built.clone().into_outboard()), Ok(vec![group]));
        // bao-tree, with its own outboard, misses the same group and no other.
        bytes[at] ^= 1 << bit;
        let bao = PostOrderMemOutboard::create(&bytes, BAO_GROUP);
        let tree = BaoTree::new(size as u64, BAO_GROUP);
        let bao = PostOrderOutboard { root: bao.root, tree, data: bao.data };
        bytes[at] ^= 1 << bit;
        let all = round_up_to_chunks(&ByteRanges::from(0..size as u64));
        let mut missing = all.clone();
        for range in sync::valid_ranges(&bao, &bytes[..], &all) {
            missing -= bao_tree::ChunkRanges::from(range.unwrap());
        }
        let group_chunks = bao_tree::ChunkNum(group * 16)..bao_tree::ChunkNum((group + 1) * 16);
        let expected = &all & &bao_tree::ChunkRanges::from(group_chunks);
        prop_assert_eq!(missing, expected);
    }

    #[test]
    fn any_flipped_bit_of_the_outboard_is_found_before_it_is_used(
        size in any_size(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        prop_assume!(size > GROUP_LEN);
        let bytes = data(size);
        let built = whole(&bytes);
        let mut outboard = built.clone().into_outboard();
        let at = at.index(outboard.len());
        outboard[at] ^= 1 << bit;
        let layout = Layout::new(size as u64);
        let part = match (at as u64).checked_sub(layout.top_len()) {
            None => Part::Top,
            Some(behind) => Part::Segment(behind / (SEGMENT * CV_LEN as u64)),
        };
        prop_assert_eq!(damaged(built.hash, &bytes, &outboard), Err(OutboardError::Hash { part }));
    }

    #[test]
    fn present_is_a_set_of_groups(groups in 1u64..300, set in prop::collection::btree_set(0u64..300, 0..200)) {
        let set: std::collections::BTreeSet<u64> = set.into_iter().filter(|group| *group < groups).collect();
        let mut present = Present::new(groups);
        for group in &set {
            prop_assert!(present.set(*group));
            prop_assert!(!present.set(*group));
        }
        prop_assert!(!present.set(groups));
        prop_assert_eq!(present.count(), set.len() as u64);
        prop_assert_eq!(present.is_complete(), set.len() as u64 == groups);
        prop_assert!((0..groups + 70).all(|group| present.get(group) == set.contains(&group)));
        for range in [0..groups, groups / 3..groups / 2, 0..u64::MAX, groups..u64::MAX] {
            let runs: Vec<_> = present.missing(range.clone()).collect();
            let missing: Vec<u64> = runs.iter().cloned().flatten().collect();
            let expected: Vec<u64> = (range.start..range.end.min(groups)).filter(|group| !set.contains(group)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "runs touch: {:?}", runs);
        }
        let bytes = present.to_bytes();
        prop_assert_eq!(Present::from_bytes(groups, &bytes), Some(present));
        prop_assert_eq!(Present::from_bytes(groups + 64, &bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            prop_assert_eq!(Present::from_bytes(groups, &damaged), None);
        }
        prop_assert_eq!(Present::from_bytes(groups, &bytes[1..]), None);
        prop_assert_eq!(Present::from_bytes(groups, &[]), None);
    }
}

#[test]
fn a_run_is_proved_as_a_whole_or_not_at_all() {
    let data: Vec<u8> = (0..5 * GROUP_LEN + 7).map(|at| (at % 251) as u8).collect();
    let size = data.len() as u64;
    let mut builder = Builder::new(size);
    builder.update(&data).unwrap();
    let built = builder.finish().unwrap();
    let hash = built.hash;
    let outboard = built.into_outboard();
    let segment = Top::check(hash, size, &[]).unwrap();
    let segment = segment.segment(0, &outboard).unwrap();
    let from = |groups: std::ops::Range<usize>| {
        bytes::Bytes::copy_from_slice(
            &data[groups.start * GROUP_LEN..size.min((groups.end * GROUP_LEN) as u64) as usize],
        )
    };
    let run = segment.verify_run(4..6, from(4..6)).unwrap();
    assert_eq!((run.groups(), run.offset()), (4..6, 4 * GROUP_LEN as u64));
    assert_eq!((run.hash(), run.bytes().len()), (hash, GROUP_LEN + 7));
    let refused = |groups, bytes| segment.verify_run(groups, bytes).unwrap_err();
    let group = |group| OutboardError::Group { group };
    assert_eq!(refused(4..6, from(3..5)), group(4), "other groups");
    assert_eq!(refused(1..4, from(1..3)), group(3), "too short");
    assert_eq!(refused(1..3, from(1..4)), group(3), "too long");
    assert_eq!(refused(5..7, from(5..6)), group(6), "past the end");
    let mut bad = from(1..4).to_vec();
    bad[GROUP_LEN] ^= 1;
    assert_eq!(refused(1..4, bad.into()), group(2));
}
