//! Checkpoints of an object that must survive a crash before it is whole: when they are due, and how
//! the last good one is found again.
//!
//! A checkpoint syncs the data, then writes the group CVs of that data to the outboard and syncs
//! those. So of the CVs found after a crash all but the last [`Checkpoints::CVS_BYTES_MAX`] bytes are
//! durable and vouch for durable data; that end is checked against the data.

use std::{io, os::unix::fs::FileExt, time::Duration};

use tokio::time::Instant;

use super::{BlobError, temp::TempFile};
use crate::{
    hash::ContentHash,
    verified::{Builder, CV_LEN, GROUP_LEN, Layout, group_matches},
};

/// A checkpoint is due after so many bytes: what a crash may lose of a fast upload.
const CHECKPOINT_BYTES: u64 = 32 << 20;

/// … or after this time: what a crash may lose of a slow one.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(2);

/// Bytes read at once when data is hashed again.
const READ_BYTES: usize = 1 << 20;

/// Sees the bytes of a trial as they are written.
pub type Observer = Box<dyn FnMut(&[u8]) + Send>;

/// The checkpoints of one object.
pub(super) struct Checkpoints {
    durable: u64,
    at: Instant,
    trial: Option<Trial>,
}

struct Trial {
    before: Builder,
    observe: Observer,
}

impl Checkpoints {
    /// CVs made durable in one step: those of 128 MiB. Part of the format on disk: a smaller number
    /// would doubt too little of what an earlier version wrote.
    pub(super) const CVS_BYTES_MAX: usize = 8192 * CV_LEN;

    /// Everything up to here is durable.
    pub(super) fn from(durable: u64) -> Self {
        Self {
            durable,
            at: Instant::now(),
            trial: None,
        }
    }

    /// These bytes were written, up to `position`; is a checkpoint due?
    pub(super) fn see(&mut self, position: u64, bytes: &[u8]) -> bool {
        if let Some(trial) = &mut self.trial {
            (trial.observe)(bytes);
            return false;
        }
        position - self.durable >= CHECKPOINT_BYTES || self.at.elapsed() >= CHECKPOINT_INTERVAL
    }

    /// A checkpoint happens now; is there anything to make durable, and may it be?
    pub(super) fn passed(&mut self, position: u64) -> bool {
        if self.trial.is_some() || position == self.durable {
            return false;
        }
        self.durable = position;
        self.at = Instant::now();
        true
    }

    pub(super) fn begin_trial(&mut self, before: Builder, observe: Observer) {
        self.trial = Some(Trial { before, observe });
    }

    /// How it was before the trial, if there is one.
    pub(super) fn end_trial(&mut self) -> Option<Builder> {
        Some(self.trial.take()?.before)
    }
}

/// A builder that goes on at the last point up to which data and CVs are good, or at the end of data
/// that is whole.
pub(super) fn last_good(
    hash: ContentHash,
    size: u64,
    data: &TempFile,
    outboard: Option<&TempFile>,
) -> Result<Builder, BlobError> {
    let layout = Layout::new(size);
    let data_len = data.len()?;
    let outboard_len = outboard.map_or(Ok(0), TempFile::len)?;
    let groups = layout.resumable_groups(data_len, outboard_len);
    let mut cvs = vec![0; groups as usize * CV_LEN];
    if let Some(outboard) = outboard {
        let read = outboard.file().read_exact_at(&mut cvs, layout.top_len());
        read.map_err(|error| outboard.error("read", error))?;
    }
    let doubted = groups.saturating_sub((Checkpoints::CVS_BYTES_MAX / CV_LEN) as u64);
    let good = good_groups(&layout, data, &cvs, doubted..groups)
        .map_err(|error| data.error("read", error))?;
    // A crash between the naming of outboard and data leaves whole data alone, and another one while the
    // outboard is written again leaves it beside a part of that.
    let is_vouched_for = !layout.is_single_group() && good == size / GROUP_LEN as u64;
    if data_len == size
        && !is_vouched_for
        && let Some(builder) = whole(hash, size, data)?
    {
        return Ok(builder);
    }
    cvs.truncate(good as usize * CV_LEN);
    Builder::resume(size, &cvs).map_err(|error| data.error("resume", io::Error::other(error)))
}

/// The end of the groups that are good, of those in doubt.
fn good_groups(
    layout: &Layout,
    data: &TempFile,
    cvs: &[u8],
    doubted: std::ops::Range<u64>,
) -> io::Result<u64> {
    let mut group_data = vec![0; GROUP_LEN];
    for group in doubted.clone() {
        let cv = cvs.as_chunks::<CV_LEN>().0[group as usize];
        let at = group * GROUP_LEN as u64;
        data.file().read_exact_at(&mut group_data, at)?;
        if !group_matches(layout, group, &group_data, &cv) {
            return Ok(group);
        }
    }
    Ok(doubted.end)
}

/// A builder at the end of the data if that is the object.
fn whole(hash: ContentHash, size: u64, data: &TempFile) -> Result<Option<Builder>, BlobError> {
    let mut builder = Builder::new(size);
    let mut buffer = vec![0; READ_BYTES.min(usize::try_from(size).unwrap_or(READ_BYTES))];
    while builder.position() < size {
        let at = builder.position();
        let len = buffer
            .len()
            .min(usize::try_from(size - at).unwrap_or(usize::MAX));
        let read = data.file().read_exact_at(&mut buffer[..len], at);
        read.map_err(|error| data.error("read", error))?;
        let fed = builder.update(&buffer[..len]);
        fed.map_err(|error| data.error("read", io::Error::other(error)))?;
    }
    match builder.clone().finish() {
        Ok(built) if built.hash == hash => Ok(Some(builder)),
        _ => Ok(None),
    }
}
