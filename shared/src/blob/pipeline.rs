//! [`Pipeline`]: pieces from the network gathered into batches, which threads of the blocking pool
//! write and hash one after the other.

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::{
    BlobError, BlobStore,
    temp::{Writer, drop_on_pool},
};
use crate::hash::ContentHash;

/// Network pieces are gathered to this many bytes before a thread of the blocking pool writes and
/// hashes them. A pipeline holds at most two such batches: one being gathered, one being written.
const BATCH_BYTES: usize = 256 * 1024;

/// Pieces smaller than this are copied together, so that a batch has few of them.
const SMALL_PIECE_BYTES: usize = 4096;

/// One object on its way to the disk.
pub(super) struct Pipeline {
    store: BlobStore,
    hash: ContentHash,
    size: u64,
    accepted: u64,
    batch: Batch,
    state: State,
}

enum State {
    Idle(Box<Writer>),
    Writing(JoinHandle<Result<Box<Writer>, BlobError>>),
    BrokenOff,
}

/// Pieces gathered for one write.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    small: BytesMut,
    len: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SMALL_PIECE_BYTES {
            self.small.extend_from_slice(&piece);
        } else {
            self.close_small();
            self.pieces.push(piece);
        }
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.close_small();
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }
}

impl Pipeline {
    /// The object goes on where the writer is.
    pub(super) fn new(store: BlobStore, hash: ContentHash, size: u64, writer: Writer) -> Self {
        Self {
            store,
            hash,
            size,
            accepted: writer.position(),
            batch: Batch::default(),
            state: State::Idle(Box::new(writer)),
        }
    }

    /// The hash the object must have.
    pub(super) fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The size the object must have.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Take the next bytes. Returns at once while a batch is gathered, else when the batch before
    /// has been written. Bytes past the object's size are refused, and none of `bytes` is taken.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.len() as u64 > self.size - self.accepted {
            return Err(BlobError::TooLong { limit: self.size });
        }
        if self.batch.len >= BATCH_BYTES {
            self.run(|_| Ok(())).await?;
        }
        self.accepted += bytes.len() as u64;
        self.batch.push(bytes);
        if self.batch.len >= BATCH_BYTES {
            self.run(|_| Ok(())).await
        } else {
            Ok(())
        }
    }

    /// Hand the batch to the blocking pool, and `then` the writer to some more work. Returns when
    /// that has begun: see [`settle`](Self::settle).
    pub(super) async fn run(
        &mut self,
        then: impl FnOnce(&mut Writer) -> Result<(), BlobError> + Send + 'static,
    ) -> Result<(), BlobError> {
        self.settle().await?;
        match std::mem::replace(&mut self.state, State::BrokenOff) {
            State::Idle(mut writer) => {
                let pieces = self.batch.take();
                let store = self.store.clone();
                self.state = State::Writing(tokio::task::spawn_blocking(move || {
                    if !pieces.is_empty() {
                        store.check_writable()?;
                        writer.write(&pieces)?;
                    }
                    then(&mut writer)?;
                    Ok(writer)
                }));
                Ok(())
            }
            State::Writing(_) | State::BrokenOff => Err(BlobError::BrokenOff { hash: self.hash }),
        }
    }

    /// Wait for the work that was handed over. A caller that stops waiting can wait again.
    pub(super) async fn settle(&mut self) -> Result<(), BlobError> {
        if let State::Writing(work) = &mut self.state {
            let result = work.await;
            self.state = State::BrokenOff;
            let writer = result.map_err(|_| BlobError::BrokenOff { hash: self.hash })??;
            self.accepted = writer.position() + self.batch.len as u64;
            self.state = State::Idle(writer);
        }
        Ok(())
    }

    /// The writer and what is still to be written, when all bytes have come.
    pub(super) async fn close(mut self) -> Result<(Box<Writer>, Vec<Bytes>), BlobError> {
        if self.accepted != self.size {
            return Err(BlobError::TooShort {
                size: self.size,
                got: self.accepted,
            });
        }
        self.settle().await?;
        match std::mem::replace(&mut self.state, State::BrokenOff) {
            State::Idle(writer) => Ok((writer, self.batch.take())),
            State::Writing(_) | State::BrokenOff => Err(BlobError::BrokenOff { hash: self.hash }),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Work under way drops its writer itself, on the pool, when nobody waits for it.
        if let State::Idle(writer) = std::mem::replace(&mut self.state, State::BrokenOff) {
            drop_on_pool(writer);
        }
    }
}
