//! Reads one run of groups from one source and verifies it, in pieces that grow: the first group
//! leaves as soon as it is there, a long run costs few hand-overs.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use prometheus::IntCounter;
use tokio::task::spawn_blocking;

use super::SourceError;
use crate::{
    api::Download,
    verified::{GROUP_LEN, OutboardError, Run, Segment},
};

/// Most groups that are verified at once: 256 KiB.
const BATCH_GROUPS_MAX: u64 = 16;

/// Where verified groups are kept. Called on the blocking pool.
pub trait Sink: Send + Sync + 'static {
    /// Keeps these groups at their place.
    fn keep(&self, run: &Run) -> io::Result<()>;
}

/// A file as long as the object, or growing to it.
impl Sink for File {
    fn keep(&self, run: &Run) -> io::Result<()> {
        self.write_all_at(run.bytes(), run.offset())
    }
}

/// A run of groups of one segment on its way from a source.
pub struct ExtentReader {
    source_root: String,
    segment: Arc<Segment>,
    /// `None` if there are no bytes: the one group of an empty object.
    download: Option<Download>,
    /// The groups that come next, as far as they are here.
    buffer: BytesMut,
    /// What came and lies behind them.
    rest: Bytes,
    next: u64,
    end: u64,
    batch: u64,
    sink: Option<Arc<dyn Sink>>,
    received_bytes: IntCounter,
}

impl ExtentReader {
    /// Verifies a download of exactly these groups, which the segment must prove. `received_bytes`
    /// counts what comes, right or wrong.
    pub fn new(
        source_root: &str,
        download: Option<Download>,
        segment: Arc<Segment>,
        groups: Range<u64>,
        sink: Option<Arc<dyn Sink>>,
        received_bytes: IntCounter,
    ) -> Self {
        Self {
            source_root: source_root.to_owned(),
            segment,
            download,
            buffer: BytesMut::new(),
            rest: Bytes::new(),
            next: groups.start,
            end: groups.end,
            batch: 1,
            sink,
            received_bytes,
        }
    }

    /// The next verified groups, already kept; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Run>, SourceError> {
        if self.next == self.end {
            return Ok(None);
        }
        let groups = self.next..(self.next + self.batch).min(self.end);
        let bytes = self.segment.layout().bytes_of(groups.clone());
        let want = (bytes.end - bytes.start) as usize;
        // As much as these groups need and no more: whoever keeps them keeps nothing else alive.
        self.buffer.reserve(want.saturating_sub(self.buffer.len()));
        while self.buffer.len() < want && self.receive().await? {
            let take = self.rest.len().min(want - self.buffer.len());
            self.buffer.extend_from_slice(&self.rest.split_to(take));
        }
        let data = self.buffer.split().freeze();
        let (segment, sink) = (self.segment.clone(), self.sink.clone());
        let job = move || {
            let run = segment.verify_run(groups, data).map_err(Rejected::Bytes)?;
            if let Some(sink) = sink {
                sink.keep(&run).map_err(Rejected::Disk)?;
            }
            Ok(run)
        };
        let checked = spawn_blocking(job).await.map_err(io::Error::other);
        match checked.map_err(SourceError::Disk)? {
            Ok(run) => {
                self.next = run.groups().end;
                self.batch = (self.batch * 2).min(BATCH_GROUPS_MAX);
                Ok(Some(run))
            }
            Err(Rejected::Bytes(error)) => Err(SourceError::BadBytes {
                source_root: self.source_root.clone(),
                group: match error {
                    OutboardError::Group { group } => group,
                    _ => self.next,
                },
            }),
            Err(Rejected::Disk(error)) => Err(SourceError::Disk(error)),
        }
    }
}

impl ExtentReader {
    /// Is there anything behind the buffer, if need be after waiting for it?
    async fn receive(&mut self) -> Result<bool, SourceError> {
        while self.rest.is_empty() {
            let Some(download) = &mut self.download else {
                return Ok(false);
            };
            let Some(piece) = download.next().await else {
                return Ok(false);
            };
            self.rest = piece?;
            self.received_bytes.inc_by(self.rest.len() as u64);
        }
        Ok(true)
    }
}

enum Rejected {
    Bytes(OutboardError),
    Disk(io::Error),
}

/// Verifies groups that are said to be in the file and returns those that are. Blocks.
pub fn verify_on_disk(file: &File, segment: &Segment, groups: Range<u64>) -> Vec<u64> {
    let mut buffer = vec![0; GROUP_LEN];
    let mut is_good = |group: u64| {
        let Some(range) = segment.layout().group_range(group) else {
            return false;
        };
        let bytes = &mut buffer[..(range.end - range.start) as usize];
        file.read_exact_at(bytes, range.start).is_ok() && segment.group_ok(group, bytes)
    };
    groups.filter(|group| is_good(*group)).collect()
}
