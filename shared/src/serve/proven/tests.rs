//! Whatever is done to the files of an object, a body gives right bytes or an error.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::verified::{Builder, SEGMENT_LEN};

struct Object {
    _dir: TempDir,
    bytes: Vec<u8>,
    outboard: Vec<u8>,
    hash: ContentHash,
    data_path: PathBuf,
    outboard_path: PathBuf,
}

impl Object {
    fn new(len: usize) -> Self {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        let mut builder = Builder::new(len as u64);
        builder.update(&bytes).unwrap();
        let built = builder.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let object = Self {
            data_path: dir.path().join("data"),
            outboard_path: dir.path().join("outboard"),
            _dir: dir,
            hash: built.hash,
            outboard: built.into_outboard(),
            bytes,
        };
        object.heal();
        object
    }

    fn heal(&self) {
        fs::write(&self.data_path, &self.bytes).unwrap();
        fs::write(&self.outboard_path, &self.outboard).unwrap();
    }

    fn flip(&self, content: Content, at: usize) {
        let (path, mut bytes) = match content {
            Content::Data => (&self.data_path, self.bytes.clone()),
            Content::Outboard => (&self.outboard_path, self.outboard.clone()),
        };
        bytes[at] ^= 4;
        // In place: who has it open sees it.
        fs::write(path, bytes).unwrap();
    }

    fn open(&self) -> Result<Arc<Proven>, Unproven> {
        let data = Box::new(File::open(&self.data_path).unwrap());
        let outboard = File::open(&self.outboard_path).ok();
        let outboard = outboard.map(|file| Box::new(file) as Box<dyn ReadAt>);
        Proven::open(self.hash, self.bytes.len() as u64, data, outboard).map(Arc::new)
    }

    fn content(&self, content: Content) -> &[u8] {
        match content {
            Content::Data => &self.bytes,
            Content::Outboard => &self.outboard,
        }
    }
}

/// What a client gets: all bytes before the error, if there is one.
async fn drain(mut body: ProvenBody) -> (Vec<u8>, Option<Unproven>) {
    let mut got = Vec::new();
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        match next {
            None => return (got, None),
            Some(Ok(bytes)) => {
                assert!(!bytes.is_empty() && bytes.len() as u64 <= COLD_SLICE_BYTES);
                got.extend_from_slice(&bytes);
            }
            Some(Err(error)) => {
                let unproven = error.downcast::<Unproven>().unwrap();
                let after = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
                assert!(matches!(after, Some(Err(_))), "an error is not an end");
                return (got, Some(unproven));
            }
        }
    }
}

const GROUP: usize = GROUP_LEN;
const SIZES: [usize; 7] = [
    1,
    GROUP - 1,
    GROUP,
    GROUP + 1,
    5 * GROUP,
    300_001,
    SEGMENT_LEN as usize + 3 * GROUP + 5,
];

fn ranges(len: u64) -> Vec<ByteRange> {
    let end = |end: u64| end.min(len);
    let (group, segment) = (GROUP as u64, SEGMENT_LEN);
    let mut ranges = vec![(0, len), (len - 1, len), (len / 3, end(len / 3 + 100_000))];
    for edge in [group, 4 * group, segment] {
        if edge < len {
            ranges.push((edge - 1, edge + 1));
            ranges.push((edge, end(edge + 70_000)));
        }
    }
    let range = |(start, end)| ByteRange { start, end };
    ranges.into_iter().map(range).collect()
}

#[actix_web::test]
async fn whole_objects_give_every_range_of_data_and_outboard() {
    for size in SIZES {
        let object = Object::new(size);
        let files = object.open().unwrap();
        for content in [Content::Data, Content::Outboard] {
            let all = object.content(content);
            if all.is_empty() {
                continue;
            }
            for range in ranges(all.len() as u64) {
                let expected = &all[range.start as usize..range.end as usize];
                let new = ProvenBody::new(files.clone(), content, range);
                let (got, error) = drain(new).await;
                assert!(error.is_none() && got == expected, "{size} {range:?}");
                let begun = ProvenBody::begun(files.clone(), content, range).unwrap();
                let (got, error) = drain(begun).await;
                assert!(error.is_none() && got == expected, "{size} {range:?}");
            }
        }
    }
}

/// Flips while the files are open, and before they are opened; data and outboard.
#[actix_web::test]
async fn a_flipped_byte_is_never_given_and_everything_before_its_group_is() {
    for size in SIZES {
        let object = Object::new(size);
        for at in [
            0,
            GROUP - 1,
            GROUP,
            size / 2,
            SEGMENT_LEN as usize,
            size - 1,
        ] {
            if at >= size {
                continue;
            }
            object.heal();
            let files = object.open().unwrap();
            object.flip(Content::Data, at);
            for range in ranges(size as u64) {
                let (got, error) =
                    drain(ProvenBody::new(files.clone(), Content::Data, range)).await;
                let start = range.start as usize;
                assert!(
                    got == object.bytes[start..start + got.len()],
                    "{size} {at} {range:?}"
                );
                let group = at / GROUP;
                let touched =
                    start / GROUP <= group && group < (range.end as usize).div_ceil(GROUP);
                match error {
                    Some(Unproven::Group { group: found, .. }) => {
                        assert!(touched && found == group as u64);
                        assert_eq!(got.len(), (group * GROUP).saturating_sub(start));
                    }
                    Some(other) => panic!("{other}"),
                    None => assert!(!touched && got.len() as u64 == range.len()),
                }
                let begun = ProvenBody::begun(files.clone(), Content::Data, range);
                let in_first = group * GROUP < start + WARM_SLICE_BYTES as usize;
                assert_eq!(begun.is_err(), touched && in_first, "{size} {at} {range:?}");
            }
        }
        for at in [0, 31, 64, 70, object.outboard.len().saturating_sub(1)] {
            if at >= object.outboard.len() {
                continue;
            }
            object.heal();
            let before = object.open().unwrap();
            object.flip(Content::Outboard, at);
            let opened = [Some(before), object.open().ok()];
            for files in opened.into_iter().flatten() {
                for content in [Content::Data, Content::Outboard] {
                    let all = object.content(content);
                    for range in ranges(all.len() as u64) {
                        let (got, error) =
                            drain(ProvenBody::new(files.clone(), content, range)).await;
                        let start = range.start as usize;
                        assert!(got == all[start..start + got.len()]);
                        assert!(error.is_some() || got.len() as u64 == range.len());
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn files_that_are_cut_or_gone_are_named_and_never_a_short_success() {
    let object = Object::new(300_001);
    let files = object.open().unwrap();
    fs::write(&object.data_path, &object.bytes[..200_000]).unwrap();
    assert!(matches!(
        object.open(),
        Err(Unproven::Length {
            expected: 300_001,
            got: 200_000
        })
    ));
    let all = ByteRange {
        start: 0,
        end: 300_001,
    };
    let (got, error) = drain(ProvenBody::new(files, Content::Data, all)).await;
    assert!(got == object.bytes[..got.len()]);
    let cut_group = 200_000 / GROUP as u64;
    assert!(
        matches!(error, Some(Unproven::Group { group, flaw: Flaw::Read(_) }) if group == cut_group)
    );

    object.heal();
    fs::write(&object.outboard_path, &object.outboard[..40]).unwrap();
    assert!(matches!(
        object.open(),
        Err(Unproven::Outboard(Flaw::Read(_)))
    ));
    fs::remove_file(&object.outboard_path).unwrap();
    assert!(matches!(
        object.open(),
        Err(Unproven::Outboard(Flaw::Read(_)))
    ));
}
