//! The outboard of one object: fetched from a source when it is needed, checked against the on-chain
//! hash, kept beside the data so that a restart can verify without a source.

use std::{fs::File, num::NonZeroUsize, os::unix::fs::FileExt, sync::Arc};

use lru::LruCache;
use shared::{
    api::StorageClient,
    ids::ObjectId,
    range::ByteRange,
    verified::{OutboardError, Segment, Top},
};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::SourceError;
use crate::{content::Content, metrics::Metrics};

/// Outboards up to this length are fetched whole: one request proves objects of up to 1 GiB.
const WHOLE_OUTBOARD_BYTES_MAX: u64 = 2 << 20;
/// Checked segments kept in memory: 32 KiB each.
const SEGMENTS_KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Proves the groups of one object.
pub struct Proof {
    object: ObjectId,
    content: Content,
    /// Where the outboard is kept; none for objects that are not kept.
    file: Option<Arc<File>>,
    metrics: Metrics,
    state: Mutex<State>,
}

struct State {
    top: Option<Top>,
    segments: LruCache<u64, Arc<Segment>>,
    /// Has the file been looked at for the top?
    looked: bool,
}

impl Proof {
    /// Nothing is known yet but what the file may hold.
    pub fn new(
        object: ObjectId,
        content: Content,
        file: Option<Arc<File>>,
        metrics: Metrics,
    ) -> Self {
        let state = State {
            top: None,
            segments: LruCache::new(SEGMENTS_KEPT),
            looked: false,
        };
        Self {
            object,
            content,
            file,
            metrics,
            state: Mutex::new(state),
        }
    }

    /// The segment from memory or from the file, without asking anybody.
    pub async fn known(&self, segment: u64) -> Option<Arc<Segment>> {
        let mut state = self.state.lock().await;
        self.known_in(&mut state, segment).await
    }

    /// The segment, if need be from this source. One request at a time, whoever asks.
    pub async fn segment(
        &self,
        segment: u64,
        source: &StorageClient,
    ) -> Result<Arc<Segment>, SourceError> {
        let mut state = self.state.lock().await;
        if let Some(known) = self.known_in(&mut state, segment).await {
            return Ok(known);
        }
        let layout = self.content.layout();
        if state.top.is_none() && layout.outboard_len() <= WHOLE_OUTBOARD_BYTES_MAX {
            let outboard = self.fetch(source, 0..layout.outboard_len()).await?;
            self.take_whole(&mut state, outboard, source).await?;
        }
        if state.top.is_none() {
            let bytes = self.fetch(source, 0..layout.top_len()).await?;
            state.top = Some(self.check_top(&bytes).map_err(|cause| bad(source, cause))?);
            self.keep(0, bytes).await?;
        }
        if let Some(known) = self.known_in(&mut state, segment).await {
            return Ok(known);
        }
        let range = layout.segment_range(segment);
        let bytes = self.fetch(source, range.clone()).await?;
        let Some(top) = &state.top else {
            unreachable!("the top has just been set")
        };
        let checked = Arc::new(
            top.segment(segment, &bytes)
                .map_err(|cause| bad(source, cause))?,
        );
        state.segments.put(segment, checked.clone());
        self.keep(range.start, bytes).await?;
        Ok(checked)
    }

    /// Takes a whole outboard, of which everything is checked before anything is kept.
    async fn take_whole(
        &self,
        state: &mut State,
        outboard: Vec<u8>,
        source: &StorageClient,
    ) -> Result<(), SourceError> {
        let layout = self.content.layout();
        let top_len = layout.top_len() as usize;
        let top = self
            .check_top(&outboard[..top_len])
            .map_err(|cause| bad(source, cause))?;
        for segment in 0..layout.segments() {
            let range = layout.segment_range(segment);
            let bytes = &outboard[range.start as usize..range.end as usize];
            let checked = top
                .segment(segment, bytes)
                .map_err(|cause| bad(source, cause))?;
            state.segments.put(segment, Arc::new(checked));
        }
        state.top = Some(top);
        self.keep(0, outboard).await
    }

    fn check_top(&self, bytes: &[u8]) -> Result<Top, OutboardError> {
        Top::check(self.content.hash, self.content.size, bytes)
    }

    async fn known_in(&self, state: &mut State, segment: u64) -> Option<Arc<Segment>> {
        if let Some(known) = state.segments.get(&segment) {
            return Some(known.clone());
        }
        let layout = self.content.layout();
        if state.top.is_none() && (layout.top_len() == 0 || !state.looked) {
            state.looked = true;
            state.top = self.check_top(&self.read(0..layout.top_len()).await?).ok();
        }
        let top = state.top.as_ref()?;
        let bytes = self.read(layout.segment_range(segment)).await?;
        let checked = Arc::new(top.segment(segment, &bytes).ok()?);
        state.segments.put(segment, checked.clone());
        Some(checked)
    }

    /// A part of the outboard from the file, if it reaches that far.
    async fn read(&self, range: std::ops::Range<u64>) -> Option<Vec<u8>> {
        if range.is_empty() {
            return Some(Vec::new());
        }
        let file = self.file.clone()?;
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start)
                .ok()
                .map(|()| bytes)
        });
        read.await.ok().flatten()
    }

    async fn keep(&self, position: u64, bytes: Vec<u8>) -> Result<(), SourceError> {
        let Some(file) = self.file.clone().filter(|_| !bytes.is_empty()) else {
            return Ok(());
        };
        let written = spawn_blocking(move || file.write_all_at(&bytes, position)).await;
        written
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(SourceError::Disk)
    }

    async fn fetch(
        &self,
        source: &StorageClient,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, SourceError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let len = (range.end - range.start) as usize;
        let range = ByteRange {
            start: range.start,
            end: range.end,
        };
        let answer = source.outboard(self.object, Some(range)).await;
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
        self.metrics
            .origin_bytes
            .with_label_values(&["outboard"])
            .inc_by(bytes.len() as u64);
        Ok(bytes)
    }
}

fn bad(source: &StorageClient, cause: OutboardError) -> SourceError {
    SourceError::BadOutboard {
        source_root: source.root().to_owned(),
        cause,
    }
}
