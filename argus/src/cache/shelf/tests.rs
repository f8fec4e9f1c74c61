//! Ends of objects that go.

use std::os::unix::fs::FileExt;

use shared::hash::ContentHash;

use super::*;

/// A shelf with a complete object of three extents and a bit.
fn with_one(dir: &Path) -> (Shelf, Content, PathBuf) {
    let (shelf, found) = Shelf::open(dir).unwrap();
    assert!(found.is_empty());
    let content = Content {
        hash: ContentHash::of(b"one"),
        size: 3 * EXTENT_LEN + 5,
    };
    let files = shelf.files(&content).unwrap();
    let bytes = vec![1; content.size as usize];
    files.data.write_all_at(&bytes, 0).unwrap();
    let mut all = Present::new(content.layout().groups());
    (0..all.groups()).for_each(|group| _ = all.set(group));
    let both = (&files.data, &files.outboard);
    shelf.save(&content, both, &all, true).unwrap();
    let path = shelf.path(&content, "");
    (shelf, content, path)
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_map_shrinks_at_once_and_the_file_when_what_is_left_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, content, path) = with_one(dir.path());
    let leaving = shelf.trim(&content, 2).unwrap();
    let map = shelf.map(&content);
    assert_eq!(
        Extents::of(&content, &map),
        Extents::all(&content).before(2)
    );
    assert_eq!(len(&path), content.size);
    drop(leaving);
    assert_eq!(len(&path), 2 * EXTENT_LEN);
    // It never grows.
    drop(shelf.trim(&content, 3).unwrap());
    assert_eq!(len(&path), 2 * EXTENT_LEN);
}

#[test]
fn an_end_that_a_killed_process_left_goes_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, content, path) = with_one(dir.path());
    std::mem::forget(shelf.trim(&content, 1).unwrap());
    drop(shelf);
    assert_eq!(len(&path), content.size);
    let (_, found) = Shelf::open(dir.path()).unwrap();
    assert_eq!(found[0].extents, Extents::all(&content).before(1));
    assert_eq!(len(&path), EXTENT_LEN);
    // A last extent that is short stays as it is.
    let (shelf, content, path) = {
        fs::remove_dir_all(dir.path().join("objects")).unwrap();
        with_one(dir.path())
    };
    drop(shelf);
    let (_, found) = Shelf::open(dir.path()).unwrap();
    assert!(found[0].complete);
    assert_eq!(len(&path), content.size);
}
