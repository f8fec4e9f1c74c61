//! [`Pages`]: a file as memory that sockets send from, so that a body which the page cache holds is never
//! copied in the process.
//!
//! What makes it safe:
//!
//! - **Only the kernel reads this memory.** An error of the disk is then an error of one write, and not a
//!   signal that ends the process. So it is for bodies that go by the [lane](super::lane) only, which hands
//!   pieces to the socket as they are.
//! - **The page cache is asked first** whether it has the pages (`mincore`), because a write would wait in
//!   the middle for the disk, and with it all connections of the worker. What it lacks is read on the
//!   blocking pool.
//! - The files are never truncated or overwritten as long as they are open.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    ops::Range,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use memmap2::{Advice, Mmap};
use parking_lot::Mutex;
use prometheus::IntGauge;
use rustix::{io::Errno, param::page_size};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::hold::{self, Hold};

/// Longest piece: what a socket takes at once at best. Nothing of it is in memory of the process.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// Pages of a piece at most, where they are smallest.
const PIECE_PAGES_MAX: usize = PIECE_BYTES_MAX / 4096 + 1;

/// Files above this are let go of on the blocking pool: the kernel looks at each page.
const DROP_HERE_BYTES_MAX: usize = 16 << 20;

/// The pages of one file. Clones are one.
#[derive(Debug, Clone)]
pub struct Pages(Arc<Map>);

/// Where a file that is open keeps its pages. They go when it goes, and before if others need the room.
#[derive(Debug, Default)]
pub struct PagesSlot(Arc<ArcSwapOption<Map>>);

/// How many bytes of files may be pages at once. They are no memory of the process, but the kernel keeps a
/// table of two thousandths of what was sent. What was made longest ago goes first. Clones are one.
#[derive(Clone)]
pub struct PagesLimit(Arc<Inner>);

struct Inner {
    bytes_max: u64,
    queue: Mutex<Queue>,
    gauge: IntGauge,
}

#[derive(Default)]
struct Queue {
    /// Oldest first.
    slots: VecDeque<(Weak<ArcSwapOption<Map>>, u64)>,
    bytes: u64,
}

impl PagesLimit {
    /// At most `bytes_max` bytes of files; zero: none. `gauge` shows how many there are; those of files that
    /// are gone count until their turn comes.
    pub fn new(bytes_max: u64, gauge: IntGauge) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            queue: Mutex::default(),
            gauge,
        }))
    }

    /// The pages of a file, whose slot this is; `None` if they would be too many, or the system does not
    /// give them.
    pub fn pages(&self, slot: &PagesSlot, file: &File) -> Option<Pages> {
        if let Some(map) = slot.0.load_full() {
            return Some(Pages(map));
        }
        let pages = Pages::of(file)?;
        let len = pages.0.bytes().len() as u64;
        if len > self.0.bytes_max {
            return None;
        }
        slot.0.store(Some(pages.0.clone()));
        let mut queue = self.0.queue.lock();
        while queue.bytes + len > self.0.bytes_max {
            let Some((oldest, bytes)) = queue.slots.pop_front() else {
                break;
            };
            queue.bytes -= bytes;
            if let Some(slot) = oldest.upgrade() {
                slot.store(None);
            }
        }
        queue.slots.push_back((Arc::downgrade(&slot.0), len));
        queue.bytes += len;
        self.0.gauge.set(queue.bytes as i64);
        Some(pages)
    }
}

/// A mapping of a whole file; `None` once it is let go of.
#[derive(Debug)]
struct Map(Option<Mmap>);

impl Map {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let map = self.0.take();
        let is_large = |map: &Mmap| map.len() > DROP_HERE_BYTES_MAX;
        if map.as_ref().is_some_and(is_large) && Handle::try_current().is_ok() {
            spawn_blocking(|| drop(map));
        }
    }
}

impl Pages {
    #[expect(
        unsafe_code,
        reason = "a mapping; see the module for what makes it safe"
    )]
    fn of(file: &File) -> Option<Self> {
        // SAFETY: nobody changes the file, and nothing in this process looks at the memory.
        let map = unsafe { Mmap::map(file) }.ok()?;
        Some(Self(Arc::new(Map(Some(map)))))
    }

    /// At least one byte at `position`, at most up to `end`, of what the page cache holds now; `None` if
    /// that is nothing. Only sockets may look at it.
    pub(super) fn now(&self, position: u64, end: u64) -> Option<Bytes> {
        let start = usize::try_from(position).ok()?;
        let len = PIECE_BYTES_MAX.min(usize::try_from(end.checked_sub(position)?).ok()?);
        let here = self.here(start..(start + len).min(self.0.bytes().len()));
        if here == 0 {
            return None;
        }
        let piece = Bytes::from_owner(Part {
            pages: self.clone(),
            range: start..start + here,
        });
        Some(hold::mark(piece, Hold::Pages(self.clone())))
    }

    /// Does the page cache hold all of a piece of these pages?
    pub(super) fn has(&self, piece: &Bytes) -> bool {
        let range = self.range_of(piece);
        self.here(range.clone()) == range.len()
    }

    /// Has a piece of these pages read into the page cache. Waits for the disk.
    pub(super) fn bring(&self, piece: &Bytes) -> io::Result<()> {
        let range = self.range_of(piece);
        let Some(map) = &self.0.0 else { return Ok(()) };
        match map.advise_range(Advice::PopulateRead, range.start, range.len()) {
            // A kernel before 5.14: the write will have to wait.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            brought => brought,
        }
    }

    fn range_of(&self, piece: &Bytes) -> Range<usize> {
        let start = piece.as_ptr().addr() - self.0.bytes().as_ptr().addr();
        start..start + piece.len()
    }

    /// How many bytes from the start of a range the page cache holds.
    #[expect(unsafe_code, reason = "a system call that no library wraps")]
    fn here(&self, range: Range<usize>) -> usize {
        let before = range.start % page_size();
        let Some(span) = self.0.bytes().get(range.start - before..range.end) else {
            return 0;
        };
        let mut seen = [0; PIECE_PAGES_MAX];
        let len = span.len().min(PIECE_PAGES_MAX * page_size());
        let start = span.as_ptr().cast_mut().cast();
        // SAFETY: the span begins with a page of this mapping and lies within it, and there is a byte in
        // `seen` for each page.
        if unsafe { libc::mincore(start, len, seen.as_mut_ptr()) } != 0 {
            return 0;
        }
        let is_here = |page: &&u8| **page & 1 == 1;
        let pages = seen[..len.div_ceil(page_size())].iter();
        let here = pages.take_while(is_here).count() * page_size();
        here.min(len).saturating_sub(before)
    }
}

/// A part of a file's pages.
struct Part {
    pages: Pages,
    range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.pages.0.bytes()[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use rustix::fs::{Advice as FileAdvice, fadvise};

    use super::*;

    const LEN: usize = 3 * PIECE_BYTES_MAX + 5;

    /// A file that is on a disk, as one in memory cannot be forgotten: in the directory of the package, where
    /// tests run.
    fn file() -> (File, Vec<u8>) {
        let file = tempfile::tempfile_in(".").unwrap();
        let bytes: Vec<u8> = (0..LEN).map(|at| (at / 3 % 251) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        file.sync_all().unwrap();
        (file, bytes)
    }

    fn pages_of(file: &File) -> Pages {
        let gauge = IntGauge::new("pages", "bytes").unwrap();
        let limit = PagesLimit::new(LEN as u64, gauge);
        limit.pages(&PagesSlot::default(), file).unwrap()
    }

    fn forget(file: &File) {
        fadvise(file, 0, None, FileAdvice::DontNeed).unwrap();
    }

    #[test]
    fn what_the_page_cache_holds_is_handed_out_at_any_place() {
        let (file, bytes) = file();
        let pages = pages_of(&file);
        let mut held = vec![0; LEN];
        file.read_exact_at(&mut held, 0).unwrap();
        for (start, end) in [
            (0, LEN),
            (1, LEN),
            (4095, 4097),
            (5000, 5001),
            (LEN - 1, LEN),
            (PIECE_BYTES_MAX - 1, 2 * PIECE_BYTES_MAX + 1),
        ] {
            let (mut at, mut got) = (start, Vec::new());
            while at < end {
                let piece = pages.now(at as u64, end as u64).unwrap();
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX);
                assert!(pages.has(&piece));
                assert!(matches!(hold::said_of(&piece), Hold::Pages(_)));
                at += piece.len();
                got.extend_from_slice(&piece);
            }
            assert!(got == bytes[start..end], "{start}..{end}");
        }
        let beyond = pages.now(LEN as u64, LEN as u64 + 1);
        assert!(beyond.is_none(), "there is nothing beyond the end");
    }

    #[test]
    fn what_the_page_cache_lacks_is_not_waited_for() {
        let (file, bytes) = file();
        forget(&file);
        let pages = pages_of(&file);
        assert!(pages.now(0, LEN as u64).is_none());
        let mut group = vec![0; 16_384];
        file.read_exact_at(&mut group, 0).unwrap();
        let piece = pages.now(100, LEN as u64).unwrap();
        assert!(bytes[100..].starts_with(&piece));
        assert!(pages.has(&piece.slice(10..)));
    }

    #[test]
    fn what_the_page_cache_let_go_of_is_read_again() {
        // Of a file that nobody has read: pages in somebody's table, or on their way from the disk, stay.
        let (file, bytes) = file();
        forget(&file);
        let pages = pages_of(&file);
        let piece = Bytes::from_owner(Part {
            pages: pages.clone(),
            range: 50_000..200_000,
        });
        assert!(!pages.has(&piece));
        pages.bring(&piece).unwrap();
        assert!(pages.has(&piece));
        assert!(piece == bytes[50_000..200_000]);
    }

    #[test]
    fn the_limit_holds_and_pages_go_with_their_file() {
        let gauge = IntGauge::new("pages", "bytes").unwrap();
        let limit = PagesLimit::new(2 * LEN as u64, gauge.clone());
        let files: Vec<_> = (0..3).map(|_| (file().0, PagesSlot::default())).collect();
        let pages = |of: usize| limit.pages(&files[of].1, &files[of].0).unwrap();
        let (one, again) = (pages(0), pages(0));
        assert!(
            Arc::ptr_eq(&one.0, &again.0),
            "those who read at once share them"
        );
        let two = Arc::downgrade(&pages(1).0);
        assert!(
            two.upgrade().is_some(),
            "nobody reads them, and they are there"
        );
        assert_eq!(gauge.get(), 2 * LEN as i64);
        let three = Arc::downgrade(&pages(2).0);
        assert!(files[0].1.0.load().is_none(), "the first goes");
        assert!(
            one.has(&one.now(0, 9).unwrap()),
            "but not from who reads it"
        );
        assert_eq!(gauge.get(), 2 * LEN as i64);
        assert!(two.upgrade().is_some() && three.upgrade().is_some());
        drop(files);
        assert!(two.upgrade().is_none() && three.upgrade().is_none());
    }

    #[test]
    fn too_large_and_empty_files_have_none() {
        let gauge = IntGauge::new("pages", "bytes").unwrap();
        let limit = PagesLimit::new(LEN as u64 - 1, gauge);
        assert!(limit.pages(&PagesSlot::default(), &file().0).is_none());
        let empty = limit.pages(&PagesSlot::default(), &tempfile::tempfile().unwrap());
        assert!(empty.is_none_or(|pages| pages.now(0, 0).is_none()));
    }
}
