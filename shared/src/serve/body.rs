//! A part of a file as a response body. What the page cache holds is read on the worker's own thread
//! (`preadv2` with `RWF_NOWAIT` cannot wait for the disk); what it does not hold is read on the
//! blocking pool, so a cold read never stalls the other connections of a worker.
//!
//! Measured against reading everything on the pool this halves the CPU per gigabyte, and the slice
//! size keeps actix's write buffer within the allocation it reuses. A body is never one large `Bytes`:
//! actix copies each piece whole into its write buffer, however large it is.

use std::{
    fs::File,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use rustix::{
    buffer::spare_capacity,
    io::{Errno, ReadWriteFlags, pread, preadv2},
};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{pages::Pages, slices};
use crate::range::ByteRange;

/// Piece read from the page cache at once.
pub const WARM_SLICE_BYTES: u64 = 64 * 1024;
/// Piece read from the disk at once: a trip to the pool is dear, so it fetches more.
pub const COLD_SLICE_BYTES: u64 = 256 * 1024;

/// The bytes of one range of an immutable file.
pub struct FileBody {
    file: Arc<File>,
    pages: Option<Pages>,
    total: u64,
    position: u64,
    end: u64,
    cold: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The range must lie within the file; a file that turns out shorter is an error in mid-body,
    /// which breaks the connection.
    pub fn new(file: Arc<File>, range: ByteRange) -> Self {
        Self {
            file,
            pages: None,
            total: range.len(),
            position: range.start,
            end: range.end,
            cold: None,
        }
    }

    /// Sends what the page cache holds from its pages; only for answers that
    /// [go by the lane](super::goes_by_lane).
    pub fn from_pages(mut self, pages: Option<Pages>) -> Self {
        self.pages = pages;
        self
    }

    /// What is in memory now; `WouldBlock` if that is nothing.
    fn read_now(&self) -> io::Result<Bytes> {
        match &self.pages {
            Some(pages) => {
                let now = pages.now(self.position, self.end);
                now.ok_or_else(|| io::ErrorKind::WouldBlock.into())
            }
            None => {
                let want = WARM_SLICE_BYTES.min(self.left()) as usize;
                read_now(&self.file, self.position, want)
            }
        }
    }

    fn left(&self) -> u64 {
        self.end - self.position
    }

    fn start_cold_read(&mut self) -> &mut JoinHandle<io::Result<Bytes>> {
        let (file, position) = (self.file.clone(), self.position);
        let want = COLD_SLICE_BYTES.min(self.left()) as usize;
        self.cold
            .insert(spawn_blocking(move || read(&file, position, want)))
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.total)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        if this.left() == 0 {
            return Poll::Ready(None);
        }
        let task = match &mut this.cold {
            Some(task) => task,
            None => match this.read_now() {
                Ok(bytes) => {
                    this.position += bytes.len() as u64;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => this.start_cold_read(),
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        let read = ready!(Pin::new(task).poll(cx))
            .map_err(io::Error::other)
            .flatten();
        this.cold = None;
        if let Ok(bytes) = &read {
            this.position += bytes.len() as u64;
        }
        Poll::Ready(Some(read))
    }
}

/// What the page cache holds at `position` now: at least one byte, at most `want`. `WouldBlock` if
/// that is nothing, or if the file system cannot tell. Never waits for the disk.
pub fn read_now(file: &File, position: u64, want: usize) -> io::Result<Bytes> {
    slices::filled(want, |buffer| {
        let parts = &mut [io::IoSliceMut::new(buffer)];
        match preadv2(file, parts, position, ReadWriteFlags::NOWAIT) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => Ok(read),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    })
}

/// At least one byte at `position`, at most `want`; waits for the disk.
pub fn read(file: &File, position: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(want.max(1));
    // Into the memory as it is: to clear it first costs as much as to copy.
    let read = loop {
        match pread(file, spare_capacity(&mut buffer), position) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(want);
    Ok(buffer.into())
}
