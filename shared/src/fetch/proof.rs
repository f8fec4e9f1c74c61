//! The outboard of one object: fetched from a source when it is needed, checked against the on-chain
//! hash, kept beside the data so that a restart can verify without a source.

use std::{
    collections::HashMap, fs::File, iter, num::NonZeroUsize, ops::Range, os::unix::fs::FileExt,
    sync::Arc,
};

use lru::LruCache;
use parking_lot::Mutex;
use prometheus::IntCounter;
use tokio::task::spawn_blocking;

use super::SourceError;
use crate::{
    api::StorageClient,
    hash::ContentHash,
    ids::ObjectId,
    range::ByteRange,
    verified::{CV_LEN, Layout, OutboardError, SEGMENT, Segment, Top},
};

/// Segments that are fetched in one request once the first one has come: 512 KiB prove 256 MiB. The
/// first comes alone, because somebody may wait for a byte of it.
const SEGMENTS_AT_ONCE: u64 = 16;
/// Checked segments kept in memory: 32 KiB each.
const SEGMENTS_KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Proves the groups of one object. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Proof {
    inner: Arc<Inner>,
}

struct Inner {
    object: ObjectId,
    hash: ContentHash,
    layout: Layout,
    /// Where the outboard is kept; none for objects that are not kept.
    file: Option<Arc<File>>,
    received_bytes: IntCounter,
    state: Mutex<State>,
    /// Has the file been looked at for the top, or is there nothing in it? Held while it is looked at.
    looked: Mutex<bool>,
    /// Held while a source is asked by [`Proof::segment`].
    asking: tokio::sync::Mutex<()>,
    /// The same, for each segment, as long as the top is not known: then each segment comes alone with the
    /// top, and whoever starts in the middle need not wait for who starts at the beginning.
    asking_first: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

struct State {
    top: Option<Top>,
    segments: LruCache<u64, Arc<Segment>>,
}

impl Proof {
    /// Nothing is known yet but what the file may hold. `received_bytes` counts what comes.
    pub fn new(
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        file: Option<Arc<File>>,
        received_bytes: IntCounter,
    ) -> Self {
        let state = State {
            top: None,
            segments: LruCache::new(SEGMENTS_KEPT),
        };
        // A file that was just made, as that of a cold object is, need not be read on another thread first. How
        // long it is the kernel knows without the disk.
        let has_bytes = |file: &Arc<File>| file.metadata().map_or(true, |file| file.len() > 0);
        let may_hold = file.as_ref().is_some_and(has_bytes);
        let inner = Inner {
            object,
            hash,
            layout: Layout::new(size),
            file,
            received_bytes,
            state: Mutex::new(state),
            looked: Mutex::new(!may_hold),
            asking: tokio::sync::Mutex::new(()),
            asking_first: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The segment from memory or from the file, without asking anybody.
    pub async fn known(&self, segment: u64) -> Option<Arc<Segment>> {
        if let Some(known) = self.inner.state.lock().segments.get(&segment) {
            return Some(known.clone());
        }
        if self.inner.holds_nothing() {
            return None;
        }
        let inner = self.inner.clone();
        let read = spawn_blocking(move || inner.read_segment(segment));
        read.await.ok().flatten()
    }

    /// The segment, if need be from this source. One request at a time, whoever asks; at first one for each
    /// segment.
    pub async fn segment(
        &self,
        segment: u64,
        source: &StorageClient,
    ) -> Result<Arc<Segment>, SourceError> {
        if let Some(known) = self.known(segment).await {
            return Ok(known);
        }
        let first = self.inner.asking_first(segment);
        let asking = first.as_deref().unwrap_or(&self.inner.asking);
        let _asking = asking.lock().await;
        self.ask(segment, source).await
    }

    /// The segment, if need be from this source, whoever else is asked at the same time.
    pub async fn ask(
        &self,
        segment: u64,
        source: &StorageClient,
    ) -> Result<Arc<Segment>, SourceError> {
        loop {
            if let Some(known) = self.known(segment).await {
                return Ok(known);
            }
            let missing = self.inner.missing(segment);
            if missing.is_empty() {
                let segments = self.inner.layout.segments();
                let cause = OutboardError::NoSuchSegment { segment, segments };
                return Err(SourceError::bad_outboard(source.root(), cause));
            }
            let parts = missing.into_iter().map(|range| self.fetch(source, range));
            let parts = futures::future::try_join_all(parts).await?;
            let inner = self.inner.clone();
            let taken = spawn_blocking(move || inner.take(&parts)).await;
            taken
                .map_err(std::io::Error::other)
                .map_err(SourceError::Disk)?
                .map_err(|refused| match refused {
                    Refused::Bad(cause) => SourceError::bad_outboard(source.root(), cause),
                    Refused::Disk(cause) => SourceError::Disk(cause),
                })?;
        }
    }

    async fn fetch(
        &self,
        source: &StorageClient,
        part: Range<u64>,
    ) -> Result<Fetched, SourceError> {
        let len = (part.end - part.start) as usize;
        let range = ByteRange {
            start: part.start,
            end: part.end,
        };
        let answer = source.outboard(self.inner.object, Some(range)).await;
        let answer = answer.map_err(|error| {
            // A node of another kind knows no such route, or answers in its own way.
            if error.is_not_found() || error.is_unsatisfiable() {
                SourceError::NoOutboard {
                    source_root: source.root().to_owned(),
                }
            } else {
                error.into()
            }
        })?;
        let bytes = answer.collect(len).await?;
        self.inner.received_bytes.inc_by(bytes.len() as u64);
        Ok(Fetched { part, bytes })
    }
}

/// A part of the outboard as a source gave it.
struct Fetched {
    part: Range<u64>,
    bytes: Vec<u8>,
}

impl Fetched {
    /// These bytes of the outboard, if they lie in this part.
    fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let start = range.start.checked_sub(self.part.start)?;
        let end = range.end.checked_sub(self.part.start)?;
        self.bytes.get(start as usize..end as usize)
    }
}

enum Refused {
    Bad(OutboardError),
    Disk(std::io::Error),
}

impl Inner {
    /// Who asks for this segment, as long as the top is not known.
    fn asking_first(&self, segment: u64) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let is_known = self.state.lock().top.is_some();
        let first = || self.asking_first.lock().entry(segment).or_default().clone();
        (!is_known).then(first)
    }

    /// Is it known already that the file does not hold the top, without which it proves nothing?
    fn holds_nothing(&self) -> bool {
        // Who looks just now holds the lock: then it is not known.
        let looked = self.looked.try_lock().is_some_and(|looked| *looked);
        looked && self.layout.top_len() > 0 && self.state.lock().top.is_none()
    }
}

/// All of this blocks.
impl Inner {
    /// Which parts of the outboard to fetch to know a segment: at first the top and the segment, both
    /// in one round trip; later the segment and unknown ones behind it. None only if there is no such
    /// segment, because what needs no bytes is known.
    fn missing(&self, segment: u64) -> Vec<Range<u64>> {
        let layout = &self.layout;
        let wanted = layout.segment_range(segment);
        if wanted.is_empty() {
            return Vec::new();
        }
        let state = self.state.lock();
        if state.top.is_some() {
            let unknown = |at: &u64| *at == segment || !state.segments.contains(at);
            let last = (segment..layout.segments().min(segment + SEGMENTS_AT_ONCE))
                .take_while(unknown)
                .last();
            let end = last.map_or(wanted.end, |last| layout.segment_range(last).end);
            return iter::once(wanted.start..end).collect();
        }
        let top = 0..layout.top_len();
        if top.end == wanted.start {
            iter::once(0..wanted.end).collect()
        } else {
            vec![top, wanted]
        }
    }

    /// Takes parts of the outboard, of which everything is checked before anything is kept.
    fn take(&self, parts: &[Fetched]) -> Result<(), Refused> {
        let layout = &self.layout;
        let find = |range: Range<u64>| parts.iter().find_map(|part| part.get(range.clone()));
        let known = self.state.lock().top.clone();
        let top = match known {
            Some(top) => top,
            None => {
                let bytes = find(0..layout.top_len()).unwrap_or_default();
                self.check_top(bytes).map_err(Refused::Bad)?
            }
        };
        let mut segments = Vec::new();
        for part in parts {
            for segment in self.segments_in(&part.part) {
                let cvs = part.get(layout.segment_range(segment)).unwrap_or_default();
                segments.push((segment, top.segment(segment, cvs).map_err(Refused::Bad)?));
            }
        }
        if let Some(file) = &self.file {
            for part in parts {
                file.write_all_at(&part.bytes, part.part.start)
                    .map_err(Refused::Disk)?;
            }
        }
        let mut state = self.state.lock();
        state.top = Some(top);
        for (segment, checked) in segments {
            state.segments.put(segment, Arc::new(checked));
        }
        Ok(())
    }

    /// The segments whose CVs lie wholly in this part of the outboard.
    fn segments_in(&self, part: &Range<u64>) -> Range<u64> {
        let layout = &self.layout;
        let per_segment = SEGMENT * CV_LEN as u64;
        let cvs = |at: u64| at.saturating_sub(layout.top_len());
        let first = cvs(part.start).div_ceil(per_segment);
        let end = if part.end == layout.outboard_len() {
            layout.segments()
        } else {
            cvs(part.end) / per_segment
        };
        first..end.max(first)
    }

    fn read_segment(&self, segment: u64) -> Option<Arc<Segment>> {
        let layout = &self.layout;
        let top = self.top_on_disk()?;
        let bytes = self.read(layout.segment_range(segment))?;
        let checked = Arc::new(top.segment(segment, &bytes).ok()?);
        self.state.lock().segments.put(segment, checked.clone());
        Some(checked)
    }

    /// The top, known or read from the file. Who comes while another reads waits for what it finds:
    /// not to find it would mean to ask a source.
    fn top_on_disk(&self) -> Option<Top> {
        let mut looked = self.looked.lock();
        if let Some(known) = &self.state.lock().top {
            return Some(known.clone());
        }
        if *looked && self.layout.top_len() > 0 {
            return None;
        }
        *looked = true;
        let top = self.check_top(&self.read(0..self.layout.top_len())?).ok()?;
        self.state.lock().top = Some(top.clone());
        Some(top)
    }

    fn check_top(&self, bytes: &[u8]) -> Result<Top, OutboardError> {
        Top::check(self.hash, self.layout.size(), bytes)
    }

    /// A part of the outboard from the file, if it reaches that far.
    fn read(&self, range: Range<u64>) -> Option<Vec<u8>> {
        if range.is_empty() {
            return Some(Vec::new());
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file
            .as_ref()?
            .read_exact_at(&mut bytes, range.start)
            .ok()
            .map(|()| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verified::Builder;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn all_who_ask_at_once_find_what_the_file_holds() {
        let bytes = vec![7; 20 << 20];
        let size = bytes.len() as u64;
        let mut builder = Builder::new(size);
        builder.update(&bytes).unwrap();
        let built = builder.finish().unwrap();
        let hash = built.hash;
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&built.into_outboard(), 0).unwrap();
        let file = Arc::new(file);
        for _ in 0..50 {
            let received = IntCounter::new("received", "bytes").unwrap();
            let proof = Proof::new(ObjectId(1), hash, size, Some(file.clone()), received);
            let asked = (0..8u64).map(|at| {
                let proof = proof.clone();
                tokio::spawn(async move { proof.known(at % 2).await.is_some() })
            });
            for found in futures::future::join_all(asked).await {
                assert!(found.unwrap());
            }
        }
    }

    #[tokio::test]
    async fn a_file_without_the_outboard_proves_nothing() {
        let hash = ContentHash::of(b"x");
        for bytes in [&b""[..], &[7; 100_000]] {
            let file = Arc::new(tempfile::tempfile().unwrap());
            file.write_all_at(bytes, 0).unwrap();
            let received = IntCounter::new("received", "bytes").unwrap();
            let proof = Proof::new(ObjectId(1), hash, 20 << 20, Some(file), received);
            let is_looked_at = !proof.inner.holds_nothing();
            assert_eq!(is_looked_at, !bytes.is_empty());
            assert!(proof.known(0).await.is_none());
            assert!(proof.known(1).await.is_none());
        }
    }

    #[tokio::test]
    async fn segments_far_apart_do_not_wait_for_each_other_at_first() {
        let received = IntCounter::new("received", "bytes").unwrap();
        let hash = ContentHash::of(b"x");
        let proof = Proof::new(ObjectId(1), hash, 100 << 20, None, received);
        let (one, again) = (proof.inner.asking_first(0), proof.inner.asking_first(0));
        let other = proof.inner.asking_first(5).unwrap();
        let (one, again) = (one.unwrap(), again.unwrap());
        let _asks = one.try_lock().unwrap();
        assert!(again.try_lock().is_err(), "one request for a segment");
        assert!(other.try_lock().is_ok());
        assert!(proof.known(0).await.is_none());
        assert!(proof.inner.holds_nothing());
    }
}
