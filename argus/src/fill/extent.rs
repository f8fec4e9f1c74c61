//! Fetches one run of groups from one source and verifies it, in pieces that grow: the first group
//! leaves as soon as it is there, a long run costs few hand-overs.

use std::{fs::File, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use shared::{
    api::{Download, StorageClient},
    range::ByteRange,
    verified::{GROUP_LEN, Layout, Segment},
};
use tokio::task::spawn_blocking;

use super::{SourceError, proof::Proof};
use crate::{catalog::Asset, metrics::Metrics};

/// Most groups that are verified at once: 256 KiB.
const BATCH_GROUPS_MAX: u64 = 16;

/// Verified bytes: some whole groups.
pub struct Verified {
    /// Which.
    pub groups: Range<u64>,
    /// Their bytes.
    pub bytes: Bytes,
}

/// A run of groups of one segment on its way from a source.
pub struct ExtentReader {
    source: StorageClient,
    segment: Arc<Segment>,
    layout: Layout,
    download: Option<Download>,
    buffer: BytesMut,
    next: u64,
    end: u64,
    batch: u64,
    /// Where verified groups are written, if anywhere.
    file: Option<Arc<File>>,
    metrics: Metrics,
}

impl ExtentReader {
    /// Asks the source for the bytes and, at the same time, for the proof if it is not known.
    pub async fn open(
        source: &StorageClient,
        proof: &Proof,
        asset: &Asset,
        groups: Range<u64>,
        file: Option<Arc<File>>,
        metrics: &Metrics,
    ) -> Result<Self, SourceError> {
        let layout = asset.content.layout();
        let bytes = layout.bytes_of(groups.clone());
        let download = async {
            if bytes.is_empty() {
                return Ok(None);
            }
            let range = ByteRange {
                start: bytes.start,
                end: bytes.end,
            };
            source
                .download(asset.id, Some(range))
                .await
                .map(Some)
                .map_err(SourceError::from)
        };
        let segment = proof.segment(Layout::segment_of(groups.start), source);
        let (download, segment) = futures::join!(download, segment);
        // That the source lacks the object says more than that it lacks the proof.
        let (download, segment) = (download?, segment?);
        Ok(Self {
            source: source.clone(),
            segment,
            layout,
            download,
            buffer: BytesMut::new(),
            next: groups.start,
            end: groups.end,
            batch: 1,
            file,
            metrics: metrics.clone(),
        })
    }

    /// The next verified groups, already written; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Verified>, SourceError> {
        if self.next == self.end {
            return Ok(None);
        }
        let groups = self.next..(self.next + self.batch).min(self.end);
        let bytes = self.layout.bytes_of(groups.clone());
        let want = (bytes.end - bytes.start) as usize;
        while self.buffer.len() < want {
            let Some(download) = &mut self.download else {
                break;
            };
            let Some(piece) = download.next().await else {
                break;
            };
            let piece = piece?;
            self.metrics
                .origin_bytes
                .with_label_values(&["data"])
                .inc_by(piece.len() as u64);
            self.buffer.extend_from_slice(&piece);
        }
        let data = self.buffer.split_to(want.min(self.buffer.len())).freeze();
        let job = (
            self.segment.clone(),
            self.layout,
            self.file.clone(),
            data,
            groups.clone(),
        );
        let checked = spawn_blocking(move || verify_and_write(job))
            .await
            .map_err(std::io::Error::other);
        match checked.map_err(SourceError::Disk)? {
            Ok(bytes) => {
                self.next = groups.end;
                self.batch = (self.batch * 2).min(BATCH_GROUPS_MAX);
                Ok(Some(Verified { groups, bytes }))
            }
            Err(Rejected::Group(group)) => {
                self.metrics.bad_groups.with_label_values(&["source"]).inc();
                Err(SourceError::BadBytes {
                    source_root: self.source.root().to_owned(),
                    group,
                })
            }
            Err(Rejected::Disk(error)) => Err(SourceError::Disk(error)),
        }
    }
}

enum Rejected {
    Group(u64),
    Disk(std::io::Error),
}

type Job = (Arc<Segment>, Layout, Option<Arc<File>>, Bytes, Range<u64>);

fn verify_and_write((segment, layout, file, data, groups): Job) -> Result<Bytes, Rejected> {
    let start = groups.start * GROUP_LEN as u64;
    for group in groups {
        let range = layout.group_range(group).ok_or(Rejected::Group(group))?;
        let bytes = data.get((range.start - start) as usize..(range.end - start) as usize);
        if !bytes.is_some_and(|bytes| segment.group_ok(group, bytes)) {
            return Err(Rejected::Group(group));
        }
    }
    if let Some(file) = file {
        file.write_all_at(&data, start).map_err(Rejected::Disk)?;
    }
    Ok(data)
}

/// Verifies groups that are said to be in the file and returns those that are.
pub fn verify_on_disk(
    file: &File,
    layout: Layout,
    segment: &Segment,
    groups: Range<u64>,
) -> Vec<u64> {
    let mut buffer = vec![0; GROUP_LEN];
    let mut is_good = |group: u64| {
        let Some(range) = layout.group_range(group) else {
            return false;
        };
        let bytes = &mut buffer[..(range.end - range.start) as usize];
        file.read_exact_at(bytes, range.start).is_ok() && segment.group_ok(group, bytes)
    };
    groups.filter(|group| is_good(*group)).collect()
}
